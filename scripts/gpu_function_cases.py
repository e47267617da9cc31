"""The functions over arrays of scalars: what bench_gpu.py measures of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import cache, partial
from typing import Any

import cupy
import gpu_limits
import numpy as np
from cupy.cuda import runtime
from gpu_table import Result
from gpu_timing import (
    bound,
    calls_at_once,
    elements,
    milliseconds,
    place,
    resolved,
    scalar,
)

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.kernels.compile import load
from zkrun.devices.cuda.kernels.field_units import field_unit
from zkrun.devices.cuda.streams.queue import Queue
from zkrun.program.types import ScalarArray

EXPRESSIONS = {
    "x0²": ("y0 = x0*x0", 1),
    "3 sums": ("y0 = x0 + x1 - x2", 3),
    "1 product, 2 sums": ("y0 = x0*x1 + x2", 3),
    "4 products": ("y0 = (x0 + x1)*(x0 - x1) + x2*x2*x0", 3),
    "x0⁵": ("y0 = x0^5", 1),
    "30 products": ("; ".join(f"t{i} = t{i - 1}*x1 + x2" for i in range(1, 30)), 3),
}
EXPRESSIONS["30 products"] = (f"t0 = x0*x1; {EXPRESSIONS['30 products'][0]}; y0 = t29", 3)
ROUNDS = 1000
ON_DEVICE = 3
COPIED = 24  # log of the elements that are copied to find the rate that counts


def function_cases(curve: Curve, log: int) -> Iterator[Result]:
    """Each function, with its share of what a copy or multiplications in registers allow."""
    copied, multiplied = rates(curve)
    if log == COPIED:
        yield Result("multiplications in registers", log, multiplied / 1e6, "G/s")
    n = 1 << log
    with closing(CudaDevice("gpu:0", 0)) as gpu:
        yield Result("a copy within the GPU", log, copy_rate(gpu, n) / 1e9, "TB/s")
        a, b, c, d = (elements(gpu, n, curve) for _ in range(4))
        powers, x, y = elements(gpu, 256, curve), scalar(gpu), scalar(gpu)
        looked_up = random_rows(gpu, a)
        cases: list[tuple[str, str, dict[str, Any], list[Data], list[Data]]] = [
            ("poly_add", "poly_add", {}, [c], [a, b]),
            ("poly_sub", "poly_sub", {}, [c], [a, b]),
            ("poly_mul", "poly_mul", {}, [c], [a, b]),
            ("poly_scale", "poly_scale", {}, [c], [a, x]),
            ("distribute_powers", "distribute_powers", {}, [c], [powers]),
            ("fill", "fill", {"value": "one_lagrange"}, [c], []),
            *(
                (f"fused_arith, {label}", "fused_arith", {"expr": text}, [d], [a, b, c][:inputs])
                for label, (text, inputs) in EXPRESSIONS.items()
            ),
            ("evaluate", "evaluate", {}, [y], [a, x]),
            ("kate_division", "kate_division", {}, [c], [a, x]),
            ("scan_mul", "scan_mul", {}, [c], [a, x]),
            ("batch_invert", "batch_invert", {}, [b], []),
            ("permute", "permute", {"usable": n}, [c, d], [looked_up, a]),
        ]
        for label, name, params, mutable, immutable in cases:
            call = resolved(curve, name, params, mutable, immutable)
            work = bound(gpu, call, mutable, immutable)
            calls = 1 if name == "permute" else calls_at_once(log)
            taken = milliseconds(gpu.prepare(), work, calls)
            cost = gpu_limits.needs(call)
            floor = max(cost.bytes / copied, cost.multiplications / multiplied)
            needed, judged = gpu_limits.needed_share(name), log >= gpu_limits.LARGE
            yield Result(label, log, taken, "ms", floor / taken, needed, judged)


def random_rows(gpu: CudaDevice, table: Data) -> Data:
    """As many rows of a table as it has, of which some come several times and some never."""
    rows = place(gpu, ScalarArray(table.length))
    elements = np.frombuffer(gpu.read(table), dtype=np.uint64).reshape(-1, 4)
    drawn = np.random.default_rng(1).integers(table.length, size=table.length)
    gpu.write(rows, elements[drawn].tobytes())
    return rows


@cache
def rates(curve: Curve) -> tuple[float, float]:
    """Of this GPU, a millisecond: bytes that a copy reads and writes, and multiplications in the
    scalar field in registers."""
    with closing(CudaDevice("gpu:0", 0)) as gpu:
        return copy_rate(gpu, 1 << COPIED), multiplication_rate(gpu, curve)


def copy_rate(gpu: CudaDevice, n: int) -> float:
    a, b = (place(gpu, ScalarArray(n)) for _ in range(2))
    nbytes = a.length * a.item

    def copy(queue: Queue) -> None:
        runtime.memcpyAsync(a.address, b.address, nbytes, ON_DEVICE, queue.handle)

    taken = milliseconds(gpu.prepare(), copy, calls_at_once(n.bit_length() - 1))
    for data in (a, b):
        gpu.free(data.block)
    return 2 * nbytes / taken


def multiplication_rate(gpu: CudaDevice, curve: Curve) -> float:
    kernel = load(field_unit(curve, "scalar"))["repeat_multiply"]
    blocks = 8 * cupy.cuda.Device().attributes["MultiProcessorCount"]
    values = cupy.ones((256 * blocks, curve.scalar.limbs), dtype=np.uint64)
    queue = gpu.prepare()
    run = partial(kernel, (blocks,), (256,), (values, np.int32(ROUNDS)), stream=queue.cupy_stream())
    taken = milliseconds(queue, lambda _: run(), 1)
    return float(2 * ROUNDS * 256 * blocks / taken)
