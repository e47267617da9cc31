#!/usr/bin/env python3
"""Times what a GPU does with data that it holds, and prints one table.

    scripts/bench_gpu.py [msm] [ntt] [functions] [--curves bn254,bls12_381]
                         [--logs 16,18,20,22,24] [--repeats 11]

Medians in milliseconds by the GPU's own clock. Behind the functions over arrays stands the share
that they reach of what the GPU allows: of the rate of a copy, or of multiplications in registers,
whichever takes longer; both are measured first. Results of multi-scalar multiplications are
checked.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import cupy
import numpy as np
from cupy.cuda import runtime

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gpu_function_cases import function_cases, transform_cases
from gpu_msm_cases import host_cost, multiplication_cases
from gpu_timing import Result, copy_rate, milliseconds

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.cuda.compile import compile_all, load
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.field_units import field_unit, group_unit
from zkrun.devices.cuda.units import all_units

ROUNDS = 1000
LARGEST_G2 = 20
WHAT = ("msm", "ntt", "functions")


def main() -> None:
    parser = argparse.ArgumentParser(description="Times what a GPU does with data that it holds.")
    parser.add_argument("what", nargs="*", help=f"of {', '.join(WHAT)}; all, unless given")
    parser.add_argument("--curves", default=",".join(CURVES))
    parser.add_argument("--logs", default="16,18,20,22,24", help="log2 of the lengths")
    parser.add_argument("--repeats", type=int, default=11)
    arguments = parser.parse_args()
    curves = [CURVES[name] for name in arguments.curves.split(",")]
    logs = [int(log) for log in arguments.logs.split(",")]
    what = arguments.what or WHAT
    properties = runtime.getDeviceProperties(0)
    units = [*all_units(curves), *(field_unit(curve, "scalar") for curve in curves)]
    units += [group_unit(curve, group) for curve in curves for group in ("g1", "g2")]
    compile_all(units, 10 * properties["major"] + properties["minor"])
    gpu = CudaDevice("gpu:0", 0)
    try:
        copied = copy_rate(gpu, arguments.repeats)
        print(f"{properties['name'].decode()}, a copy {copied / 1e9:.2f} TB/s")
        print(f"medians of {arguments.repeats}, milliseconds; functions: (share of the limit)")
        for curve in curves:
            rate = multiplication_rate(gpu, curve, arguments.repeats)
            results = list[Result]()
            for log in logs:
                if "msm" in what:
                    for group in ("g1", "g2") if log <= LARGEST_G2 else ("g1",):
                        results += multiplication_cases(gpu, curve, group, log, arguments.repeats)
                if "ntt" in what:
                    results += transform_cases(gpu, curve, log, arguments.repeats)
                if "functions" in what:
                    rates = copied, rate
                    results += function_cases(gpu, curve, log, rates, arguments.repeats)
            print(
                f"\n{curve.name}: {rate / 1e6:.1f} G multiplications a second in the scalar field"
            )
            print_table(results, logs)
            if "msm" in what:
                print(f"An MSM costs the thread that queues it {host_cost(gpu, curve):.1f} µs.")
            sys.stdout.flush()
    finally:
        gpu.close()


def multiplication_rate(gpu: CudaDevice, curve: Curve, repeats: int) -> float:
    """Multiplications a millisecond in the scalar field, in registers."""
    kernel = load(field_unit(curve, "scalar"))["repeat_multiply"]
    blocks = 8 * cupy.cuda.Device().attributes["MultiProcessorCount"]
    values = cupy.ones((256 * blocks, curve.scalar.limbs), dtype=np.uint64)
    queue = gpu.prepare()
    run = partial(kernel, (blocks,), (256,), (values, np.int32(ROUNDS)), stream=queue.cupy_stream())
    taken = milliseconds(queue, lambda _: run(), 1, repeats)
    return 2 * ROUNDS * 256 * blocks / taken


def print_table(results: Iterable[Result], logs: list[int]) -> None:
    rows: dict[str, dict[int, str]] = defaultdict(dict)
    for result in results:
        share = f" ({result.floor / result.milliseconds:4.0%})" if result.floor is not None else ""
        rows[result.row][result.log] = f"{result.milliseconds:.4g}{share}"
    print(f"{'':34}" + "".join(f"{f'2^{log}':>15}" for log in logs))
    for row, cells in rows.items():
        print(f"{row:34}" + "".join(f"{cells.get(log, ''):>15}" for log in logs))


if __name__ == "__main__":
    main()
