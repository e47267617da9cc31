#!/usr/bin/env python3
"""Times the GPU's kernels, device-resident, and prints one table.

    scripts/bench_gpu.py [rates] [msm] [--curves bn254,bls12_381] [--group g1] [--logs 16,18,20]
                      [--repeats 15] [--widths 13,14] [--vectors 1] [--kernels]

rates: multiplications and additions a second, in registers.
msm: medians in milliseconds; every result is checked. --widths tries widths of windows, --kernels
says where the time goes.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cupy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from zkrun.algebra.curves import CURVES, Curve, Fp2Element
from zkrun.devices.cuda import compile as compiler
from zkrun.devices.cuda import msm
from zkrun.devices.cuda.field_units import REPEATED, field_unit, group_unit
from zkrun.devices.cuda.units import msm_units

ROUNDS = 1000


@dataclass(frozen=True)
class View:
    """A whole array in device memory."""

    address: int
    whole: int
    offset: int
    length: int


def main() -> None:
    arguments = parse_arguments()
    device = cupy.cuda.Device()
    multiprocessors = device.attributes["MultiProcessorCount"]
    name = cupy.cuda.runtime.getDeviceProperties(device.id)["name"].decode()
    print(f"{name}, {multiprocessors} multiprocessors, medians of {arguments.repeats}")
    curves = [CURVES[name] for name in arguments.curves.split(",")]
    units = [unit for curve in curves for unit in msm_units(curve, arguments.group)]
    units += [group_unit(curve, arguments.group) for curve in curves]
    if "rates" in arguments.what:
        units += [field_unit(curve, kind) for curve in curves for kind in ("scalar", "base")]
    compiler.compile_all(units, int(device.compute_capability))
    for curve in curves:
        if "rates" in arguments.what:
            print_rates(curve, arguments, multiprocessors)
    for curve in curves:
        if "msm" in arguments.what:
            for log in map(int, arguments.logs.split(",")):
                print_msm(curve, log, arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times the GPU's kernels, device-resident.")
    parser.add_argument("what", nargs="*", default=["rates", "msm"])
    parser.add_argument("--curves", default=",".join(CURVES))
    parser.add_argument("--group", default="g1", choices=("g1", "g2"))
    parser.add_argument("--logs", default="16,18,20,22,24", help="log2 of the numbers of points")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--widths", default="", help="widths of windows to try")
    parser.add_argument("--vectors", type=int, default=1, help="scalar vectors at once")
    parser.add_argument("--kernels", action="store_true", help="time every kernel by itself")
    return parser.parse_args()


def milliseconds(function: Callable[[], object], repeats: int) -> float:
    """The median time of what a function queues on the current stream."""
    function()
    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    times = []
    for _ in range(repeats):
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(start, end))
    return statistics.median(times)


def print_rates(curve: Curve, arguments: argparse.Namespace, multiprocessors: int) -> None:
    for kind in ("scalar", "base"):
        kernels = compiler.load(field_unit(curve, kind))
        threads = 8 * multiprocessors * 256
        values = cupy.ones((threads, getattr(curve, kind).limbs), dtype=np.uint64)
        for operation in REPEATED:
            kernel = kernels[f"repeat_{operation}"]
            run = partial(kernel, (threads // 256,), (256,), (values, np.int32(ROUNDS)))
            rate = 2 * ROUNDS * threads / milliseconds(run, arguments.repeats) / 1e6
            print(f"{curve.name} {kind} field, {operation:10} {rate:8.2f} G/s", flush=True)
    threads = 4 * multiprocessors * 128
    limbs = curve.base.limbs * (1 if arguments.group == "g1" else 2)
    points = bases_for(curve, arguments.group, threads)
    sums = cupy.zeros((threads, 4 * limbs), dtype=np.uint64)
    kernel = compiler.load(group_unit(curve, arguments.group))["repeat_mixed_addition"]
    run = partial(kernel, (threads // 128,), (128,), (sums, points, np.int32(ROUNDS)))
    rate = ROUNDS * threads / milliseconds(run, arguments.repeats) / 1e6
    print(f"{curve.name} {arguments.group}, mixed addition {rate:8.2f} G/s", flush=True)


def bases_for(curve: Curve, group: str, count: int) -> Any:
    """G, 2 G, 3 G and so on."""
    kernel = compiler.load(group_unit(curve, group))["multiples"]
    coordinates = [
        value
        for coordinate in (curve.g1 if group == "g1" else curve.g2)
        for value in (coordinate if isinstance(coordinate, tuple) else (coordinate,))
    ]
    data = b"".join(
        (value * curve.base.montgomery_radix % curve.q).to_bytes(curve.base.bytes, "little")
        for value in coordinates
    )
    base = cupy.asarray(np.frombuffer(data, dtype=np.uint64))
    points = cupy.empty((count, base.size), dtype=np.uint64)
    kernel((-(-count // 128),), (128,), (points, base, np.uint64(1), np.uint64(count)))
    return points


def print_msm(curve: Curve, log: int, arguments: argparse.Namespace) -> None:
    count = 1 << log
    bases = bases_for(curve, arguments.group, count)
    generator = np.random.default_rng(log)
    forms = generator.integers(0, 1 << 64, size=(count, 4), dtype=np.uint64)
    forms[:, 3] %= np.uint64(curve.r >> 192)
    vector = cupy.asarray(forms)
    result = cupy.empty((arguments.vectors, bases.shape[1]), dtype=np.uint64)
    multiprocessors = cupy.cuda.Device().attributes["MultiProcessorCount"]
    reference = None
    for width in map(int, arguments.widths.split(",")) if arguments.widths else [None]:
        size = msm.scratch_bytes(
            curve, arguments.group, count, arguments.vectors, multiprocessors, width
        )
        scratch = cupy.empty(size, dtype=np.uint8)

        def run(scratch: Any = scratch, width: int | None = width) -> None:
            msm.multiply(
                curve,
                arguments.group,
                [row.data.ptr for row in result],
                View(bases.data.ptr, count, 0, count),
                [View(vector.data.ptr, count, 0, count)] * arguments.vectors,
                scratch.data.ptr,
                cupy.cuda.get_current_stream().ptr,
                width,
            )

        median = milliseconds(run, arguments.repeats)
        if reference is None:
            reference = expected(curve, arguments.group, forms)
        right = bool((result == reference).all())
        label = f"{curve.name} {arguments.group} 2^{log}"
        if arguments.vectors > 1:
            label += f" x {arguments.vectors}"
        if width:
            label += f", {width} bits"
        print(
            f"{label:28} {median:9.3f} ms  scratch {size / 2**20:8.1f} MiB  "
            f"{'right' if right else 'WRONG'}",
            flush=True,
        )
        if not right:
            sys.exit(1)
        if arguments.kernels:
            print_kernels(run, arguments.repeats)
        del scratch, run


def expected(curve: Curve, group: str, forms: Any) -> Any:
    """The sum of forms[i] / R · (i + 1) G, as it lies in memory."""
    pieces = forms.view(np.uint16).reshape(len(forms), 16)
    weights = np.arange(1, len(forms) + 1, dtype=np.uint64)
    total = sum(
        int((pieces[:, j].astype(np.uint64) * weights).sum()) << (16 * j) for j in range(16)
    )
    scalar = total * pow(curve.scalar.montgomery_radix, -1, curve.r) % curve.r
    return multiply_generator(curve, group, scalar)


def multiply_generator(curve: Curve, group: str, scalar: int) -> Any:
    """scalar·G as it lies in memory, by plain integer arithmetic in Fq[u]/(u² + 1)."""
    q = curve.q

    def times(a: Fp2Element, b: Fp2Element) -> Fp2Element:
        return (a[0] * b[0] - a[1] * b[1]) % q, (a[0] * b[1] + a[1] * b[0]) % q

    def minus(a: Fp2Element, b: Fp2Element) -> Fp2Element:
        return (a[0] - b[0]) % q, (a[1] - b[1]) % q

    def inverse(a: Fp2Element) -> Fp2Element:
        scale = pow(a[0] * a[0] + a[1] * a[1], -1, q)
        return a[0] * scale % q, -a[1] * scale % q

    def add(left: Any, right: Any) -> Any:
        if left is None or right is None:
            return left or right
        if left[0] == right[0]:
            if left[1] != right[1]:
                return None
            slope = times(times((3, 0), times(left[0], left[0])), inverse(times((2, 0), left[1])))
        else:
            slope = times(minus(right[1], left[1]), inverse(minus(right[0], left[0])))
        x = minus(minus(times(slope, slope), left[0]), right[0])
        return x, minus(times(slope, minus(left[0], x)), left[1])

    base = curve.g2 if group == "g2" else tuple((value, 0) for value in curve.g1)
    total = None
    for bit in bin(scalar)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, base)
    values = [c for pair in total for c in (pair if group == "g2" else pair[:1])]
    data = b"".join(
        (value * curve.base.montgomery_radix % q).to_bytes(curve.base.bytes, "little")
        for value in values
    )
    return cupy.asarray(np.frombuffer(data, dtype=np.uint64))


def print_kernels(run: Callable[[], None], repeats: int) -> None:
    """Medians of every kernel of a run, in the order of launches."""
    launch = msm._Launches.launch
    times: dict[int, list[float]] = defaultdict(list)
    names: list[str] = []

    def timed(self: Any, name: str, *arguments: Any, **named: Any) -> None:
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        launch(self, name, *arguments, **named)
        end.record()
        end.synchronize()
        times[len(names)].append(cupy.cuda.get_elapsed_time(start, end))
        names.append(name)

    msm._Launches.launch = timed
    try:
        for _ in range(repeats):
            names.clear()
            run()
    finally:
        msm._Launches.launch = launch
    for index, name in enumerate(names):
        print(f"    {name:26} {1e3 * statistics.median(times[index]):10.1f} us")


if __name__ == "__main__":
    main()
