#!/usr/bin/env python3
"""Times number theoretic transforms on the CPU, and a peer in the same run.

    scripts/bench_ntt.py [--isas ifma,adx] [--curves bn254,bls12_381] [--logs 12,16,20] [--peers]

Prints medians in milliseconds of a transform in place, natural order in and out, with one thread
and with all, then with one thread the inverse and a transform on a coset. The ratio is the time of
one thread divided by that of n * 10 multiplications, which is what the butterflies of 2^20
elements need, at the build's own best rate (in nanoseconds beside it). The peer is the arkworks in
zksnake's wheel; its time includes converting lists of Python integers.
"""

import argparse
import ctypes
import os
import secrets
import statistics
from types import ModuleType

import command_line
from cpu_bench import median, options

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.cpu import native_module
from zkrun.errors import UsageError

BUTTERFLIES_PER_ELEMENT = 10  # of a transform of 2^20 elements


def main() -> None:
    arguments = parse_arguments()
    print(f"{'':30}{'1 thread':>10}{'all':>10}{'inverse':>10}{'coset':>10}{'ratio':>8}{'ns':>7}")
    for curve_name in arguments.curves:
        curve = CURVES[curve_name]
        for log in arguments.logs:
            if arguments.peers:
                print_row(f"{curve_name} 2^{log} zksnake", [peer_time(curve, log, arguments)])
            for isa in arguments.isas:
                module = native_module.load(isa)
                times = own_times(module, curve, log, arguments)
                rate = multiplication_time(module, curve)
                ratio = times[0] / (rate * BUTTERFLIES_PER_ELEMENT * 2**log)
                label = f"{curve_name} 2^{log} zkrun {isa}"
                print_row(label, times, f"{ratio:8.2f}{1e9 * rate:7.2f}")


def print_row(label: str, seconds: list[float], rest: str = "") -> None:
    print(f"{label:30}" + "".join(f"{1e3 * value:10.3f}" for value in seconds) + rest, flush=True)


def parse_arguments() -> argparse.Namespace:
    about = "Times number theoretic transforms on the CPU, and a peer in the same run."
    parser = options(about, logs="10,12,14,16,18,20", repeats=9)
    parser.add_argument("--peers", action="store_true", help="also time zksnake")
    return parser.parse_args()


def own_times(
    module: ModuleType, curve: Curve, log: int, arguments: argparse.Namespace
) -> list[float]:
    """Seconds: forward with one thread and with all; with one, inverse, and forward on a coset."""
    field = getattr(module, curve.name)
    context = module.Context()
    a = (ctypes.c_char * (32 << log))()
    view = module.View(ctypes.addressof(a), 1 << log, 0, 1 << log)
    field.wide_reduce(context, view, secrets.token_bytes(64 << log))
    coset = (curve.scalar.generator << 256) % curve.r
    coset_bytes = coset.to_bytes(32, "little")

    def timed(threads: int, inverse: bool, offset: bytes | None) -> float:
        module.set_threads(threads)
        return median(
            arguments.repeats, lambda: field.ntt(context, view, inverse, offset, None, None)
        )

    return [
        timed(1, False, None),
        timed(len(os.sched_getaffinity(0)), False, None),
        timed(1, True, None),
        timed(1, False, coset_bytes),
    ]


def multiplication_time(module: ModuleType, curve: Curve) -> float:
    """Seconds a multiplication, one thread, the build's best loop."""
    count = 2_000_000
    field = getattr(module, curve.name)
    seconds: list[float] = [field.multiplications(count, True) for _ in range(7)]
    return statistics.median(seconds) / count


def peer_time(curve: Curve, log: int, arguments: argparse.Namespace) -> float:
    try:
        from zksnake import _algebra
    except ImportError:
        raise UsageError("--peers needs the zksnake package: pip install zksnake") from None
    polynomial = getattr(_algebra, f"polynomial_{curve.name}")
    values = [secrets.randbelow(curve.r) for _ in range(1 << log)]
    return median(min(3, arguments.repeats), lambda: polynomial.fft(values, 1 << log))


if __name__ == "__main__":
    command_line.run(main)
