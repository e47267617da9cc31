"""The functions over arrays of scalars, and transforms: what bench_gpu.py measures of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpu_timing import Result, bound, elements, milliseconds, resolved, scalar, wall_milliseconds

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.queue import Queue

EXPRESSIONS = {
    "x0²": ("y0 = x0*x0", 1),
    "3 sums": ("y0 = x0 + x1 - x2", 3),
    "1 product, 2 sums": ("y0 = x0*x1 + x2", 3),
    "4 products": ("y0 = (x0 + x1)*(x0 - x1) + x2*x2*x0", 3),
    "x0⁵": ("y0 = x0^5", 1),
    "30 products": ("; ".join(f"t{i} = t{i - 1}*x1 + x2" for i in range(1, 30)), 3),
}
EXPRESSIONS["30 products"] = (f"t0 = x0*x1; {EXPRESSIONS['30 products'][0]}; y0 = t29", 3)
BATCH = 16
STREAMS = 4


def function_cases(
    gpu: CudaDevice, curve: Curve, log: int, rates: tuple[float, float], repeats: int
) -> Iterator[Result]:
    """`rates`: bytes and multiplications a millisecond."""
    n = 1 << log
    a, b, c, d = (elements(gpu, n, curve) for _ in range(4))
    powers, x, y = elements(gpu, 256, curve), scalar(gpu), scalar(gpu)
    cases: list[tuple[str, str, dict[str, Any], list[Data], list[Data]]] = [
        ("poly_add", "poly_add", {}, [c], [a, b]),
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
        ("permute", "permute", {"usable": n}, [c, d], [a, a]),
    ]
    for label, name, params, mutable, immutable in cases:
        call = resolved(curve, name, params, mutable, immutable)
        cost = call.signature.cost(call)
        work = bound(gpu, call, mutable, immutable)
        calls = 1 if name == "permute" else _calls(log)
        taken = milliseconds(gpu.prepare(), work, calls, repeats)
        floor = max(cost.bytes / rates[0], cost.multiplications / rates[1])
        yield Result(label, log, taken, floor)
    for data in (a, b, c, d, powers, x, y):
        gpu.free(data.block)


def transform_cases(gpu: CudaDevice, curve: Curve, log: int, repeats: int) -> Iterator[Result]:
    a = elements(gpu, 1 << log, curve)
    for label, params in (
        ("NTT", {}),
        ("NTT, inverse", {"inverse": True}),
        ("NTT, coset", {"coset": 7}),
    ):
        work = bound(gpu, resolved(curve, "ntt", params, [a], []), [a], [])
        yield Result(label, log, milliseconds(gpu.prepare(), work, _calls(log), repeats))
    gpu.free(a.block)
    if log > 20:
        return
    arrays = [elements(gpu, 1 << log, curve) for _ in range(BATCH)]
    queues = [Queue(gpu) for _ in range(STREAMS)]
    works = [bound(gpu, resolved(curve, "ntt", {}, [b], []), [b], []) for b in arrays]
    for streams in (1, STREAMS):

        def batch(streams: int = streams) -> None:
            for number, work in enumerate(works):
                work(queues[number % streams])

        taken = wall_milliseconds(queues, batch, repeats)
        plural = "s" if streams > 1 else ""
        yield Result(f"{BATCH} NTTs, {streams} stream{plural}", log, taken)
    for queue in queues:
        queue.close_queue()
    for data in arrays:
        gpu.free(data.block)


def _calls(log: int) -> int:
    return 20 if log <= 20 else 4
