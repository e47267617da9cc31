"""Copies between memory of the host and of a GPU, by way of pinned slabs, several at a time.

The driver copies from and to pageable memory with one thread, and waits. Here each piece has a slab
and a thread of its own: while one moves over the bus, others are filled or emptied.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

from cupy.cuda import runtime

from zkrun.devices.cuda.memory import SLAB, pinned

__all__ = ["IMMEDIATE", "pieces", "to_device", "to_host"]

IMMEDIATE = 64 << 10
"""Bytes that the driver takes from pageable memory at once, so that the source is free again."""

_TO_DEVICE, _TO_HOST = 1, 2
_EVENT_FLAGS = 1 | 2  # blocking, without times
_THREADS = 4

Piece = tuple[int, int, int]
"""(target, source, bytes)"""


def pieces(runs: Iterable[Piece]) -> list[Piece]:
    """Runs cut to what a slab holds."""
    return [
        (target + start, source + start, min(SLAB, nbytes - start))
        for target, source, nbytes in runs
        for start in range(0, nbytes, SLAB)
    ]


def to_device(
    device: int, stream: int, runs: Iterable[Piece], fill: Callable[[int, int, int], None]
) -> None:
    """Copies to a GPU; `fill(slab, source, bytes)` brings a piece to a slab. Returns when done."""

    def move(piece: Piece) -> None:
        target, source, nbytes = piece
        with pinned.slab() as slab:
            fill(slab, source, nbytes)
            runtime.memcpyAsync(target, slab, nbytes, _TO_DEVICE, stream)
            _wait(stream)

    _each(device, move, pieces(runs))


def to_host(device: int, stream: int, runs: Iterable[Piece], check: Callable[[], None]) -> None:
    """Copies from a GPU to memory of the host. Returns when done."""

    def move(piece: Piece) -> None:
        check()
        target, source, nbytes = piece
        with pinned.slab() as slab:
            runtime.memcpyAsync(slab, source, nbytes, _TO_HOST, stream)
            _wait(stream)
            ctypes.memmove(target, slab, nbytes)

    _each(device, move, pieces(runs))


def _each(device: int, move: Callable[[Piece], None], work: list[Piece]) -> None:
    if len(work) <= 1:
        for piece in work:
            move(piece)
        return

    def on_device(piece: Piece) -> None:
        runtime.setDevice(device)
        move(piece)

    futures = [_movers().submit(on_device, piece) for piece in work]
    wait(futures)  # all of them, whatever fails: they use the caller's memory
    for future in futures:
        future.result()


def _wait(stream: int) -> None:
    """Until what is queued so far has passed; the thread sleeps meanwhile."""
    event = runtime.eventCreateWithFlags(_EVENT_FLAGS)
    try:
        runtime.eventRecord(event, stream)
        runtime.eventSynchronize(event)
    finally:
        runtime.eventDestroy(event)


@cache
def _movers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="copy")
