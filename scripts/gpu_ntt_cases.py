"""Number theoretic transforms: what bench_gpu.py measures of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gpu_limits
from gpu_table import Result
from gpu_timing import bound, calls_at_once, elements, milliseconds, resolved, wall_milliseconds

from zkrun.algebra.curves import Curve
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.streams.queue import Queue

KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("forward", {}),
    ("inverse", {"inverse": True}),
    ("on a coset", {"coset": 7}),
)
BATCH = 16
LARGEST_OF_BATCH = 20
STREAMS = 4


def transform_cases(curve: Curve, log: int) -> Iterator[Result]:
    """In place, natural order in and out."""
    with closing(CudaDevice("gpu:0", 0)) as gpu:
        a = elements(gpu, 1 << log, curve)
        for label, params in KINDS:
            work = bound(gpu, resolved(curve, "ntt", params, [a], []), [a], [])
            taken = milliseconds(gpu.prepare(), work, calls_at_once(log))
            limit = None if "coset" in params else gpu_limits.TRANSFORM.get(log)
            yield Result(label, log, taken, "ms", limit / taken if limit else None)
        if log <= LARGEST_OF_BATCH:
            yield from _batch(gpu, curve, log)


def _batch(gpu: CudaDevice, curve: Curve, log: int) -> Iterator[Result]:
    arrays = [elements(gpu, 1 << log, curve) for _ in range(BATCH)]
    queues = [Queue(gpu) for _ in range(STREAMS)]
    works = [bound(gpu, resolved(curve, "ntt", {}, [b], []), [b], []) for b in arrays]
    for streams in (1, STREAMS):

        def batch(streams: int = streams) -> None:
            for number, work in enumerate(works):
                work(queues[number % streams])

        plural = "s" if streams > 1 else ""
        taken = wall_milliseconds(queues, batch)
        yield Result(f"{BATCH} of them, {streams} stream{plural}", log, taken)
    for queue in queues:
        queue.close_queue()
