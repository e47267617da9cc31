#!/usr/bin/env python3
"""Times multi-scalar multiplication on the CPU, and peers in the same run.

    scripts/bench_msm.py [--isas ifma,adx] [--curves bn254,bls12_381] [--logs 12,16] [--group g1]

Prints medians in milliseconds, with one thread and with all. Peers are taken where their packages
are installed: py_arkworks_bls12381 (its MSM of BLS12-381 G1) and ckzg with eth-account's trusted
setup (blob_to_kzg_commitment, an MSM of 4096 points). Both use one thread. The last column is the
time of the peer divided by ours with one thread.
"""

import argparse
import ctypes
import os
import secrets
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import command_line
from cpu_bench import median, options

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.cpu import native_module


def main() -> None:
    arguments = parse_arguments()
    print(f"{'':38}{'1 thread':>12}{'all':>12}   peer")
    for curve_name in arguments.curves:
        for log in arguments.logs:
            peers = peer_times(curve_name, arguments.group, log, arguments)
            for name, seconds in peers:
                print(f"{name:38}{1e3 * seconds:12.2f}", flush=True)
            for isa in arguments.isas:
                module = native_module.load(isa)
                one, many = own_times(module, CURVES[curve_name], arguments.group, log, arguments)
                ratios = ", ".join(f"{seconds / one:.2f}" for _, seconds in peers)
                label = f"{curve_name} {arguments.group} 2^{log} zkrun {isa}"
                print(f"{label:38}{1e3 * one:12.2f}{1e3 * many:12.2f}   {ratios}", flush=True)


def parse_arguments() -> argparse.Namespace:
    about = "Times multi-scalar multiplication on the CPU, and peers in the same run."
    parser = options(about, logs="12,14,16", repeats=7)
    parser.add_argument("--group", default="g1", choices=("g1", "g2"))
    return parser.parse_args()


def own_times(
    module: ModuleType, curve: Curve, group_name: str, log: int, arguments: argparse.Namespace
) -> tuple[float, float]:
    """Seconds with one thread and with all."""
    count = 1 << log
    field = getattr(module, curve.name)
    group = getattr(field, group_name)
    context = module.Context()
    point_bytes = (2 if group_name == "g1" else 4) * curve.base.bytes

    def view(buffer: Any, elements: int) -> Any:
        return module.View(ctypes.addressof(buffer), elements, 0, elements)

    bases = (ctypes.c_char * (count * point_bytes))()
    scalars = (ctypes.c_char * (count * 32))()
    out = (ctypes.c_char * point_bytes)()
    field.wide_reduce(context, view(scalars, count), secrets.token_bytes(64 * count))
    fill_bases(module, curve, group_name, bases, count)
    bases_view, scalars_view, out_view = view(bases, count), view(scalars, count), view(out, 1)

    def run() -> None:
        group.msm(context, [out_view], bases_view, [scalars_view])

    results = []
    for threads in (1, len(os.sched_getaffinity(0))):
        module.set_threads(threads)
        results.append(median(arguments.repeats, run))
    return results[0], results[1]


def fill_bases(module: ModuleType, curve: Curve, group_name: str, bases: Any, count: int) -> None:
    """Distinct points: doublings of the sum so far would repeat, so G, 2G, 3G, and so on."""
    group = getattr(getattr(module, curve.name), group_name)
    context = module.Context()
    generator = curve.g1 if group_name == "g1" else curve.g2
    size = len(bases) // count
    start, radix = ctypes.addressof(bases), curve.base.montgomery_radix
    coordinates = [
        value
        for coordinate in generator
        for value in (coordinate if isinstance(coordinate, tuple) else (coordinate,))
    ]
    bases[:size] = b"".join(
        (value * radix % curve.q).to_bytes(curve.base.bytes, "little") for value in coordinates
    )
    first = module.View(start, 1, 0, 1)
    distinct = min(count, 4096)
    for i in range(1, distinct):
        target = module.View(start + i * size, 1, 0, 1)
        group.add(context, target, module.View(start + (i - 1) * size, 1, 0, 1), first)
    for i in range(distinct, count, distinct):
        ctypes.memmove(start + i * size, start, distinct * size)


def peer_times(
    curve: str, group: str, log: int, arguments: argparse.Namespace
) -> list[tuple[str, float]]:
    """Names and seconds of the peers that can do this."""
    if curve != "bls12_381" or group != "g1":
        return []
    times = []
    if find_spec("py_arkworks_bls12381"):
        import py_arkworks_bls12381 as arkworks

        generator = arkworks.G1Point()
        distinct = [generator * arkworks.Scalar(secrets.randbits(64)) for _ in range(256)]
        points = [distinct[i % 256] for i in range(1 << log)]
        scalars = [
            arkworks.Scalar.from_le_bytes(
                (secrets.randbits(256) % CURVES[curve].r).to_bytes(32, "little")
            )
            for _ in range(1 << log)
        ]
        seconds = median(
            arguments.repeats, lambda: arkworks.G1Point.multiexp_unchecked(points, scalars)
        )
        times.append((f"{curve} {group} 2^{log} py_arkworks_bls12381", seconds))
    if log == 12 and find_spec("ckzg") and find_spec("eth_account"):
        import ckzg
        from eip4844 import default_setup

        setup = ckzg.load_trusted_setup(str(default_setup()), 0)
        blob = b"".join(
            (secrets.randbits(256) % CURVES[curve].r).to_bytes(32, "big") for _ in range(4096)
        )
        seconds = median(arguments.repeats, lambda: ckzg.blob_to_kzg_commitment(blob, setup))
        times.append((f"{curve} {group} 2^12 ckzg commitment", seconds))
    return times


if __name__ == "__main__":
    command_line.run(main)
