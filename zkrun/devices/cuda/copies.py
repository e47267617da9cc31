"""Copies between memory of the host and of a GPU.

From and to pages that are locked the GPU copies by itself, and nobody waits; short copies from a
GPU to other pages are streams/deliveries.py. Whatever else is not locked goes by way of pinned
slabs, several at a time, for the driver would copy it with one thread: each piece has a slab and a
thread of its own, and while one moves, others are filled or emptied. So that several threads share
the work, pieces of short copies are shorter than a slab.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

from cupy.cuda import runtime

from zkrun.devices.base import Block
from zkrun.devices.cpu.pool import Region
from zkrun.devices.cuda.memory import SLAB, pinned
from zkrun.devices.mapped import MappedFile
from zkrun.devices.pages import Lock, locked

__all__ = ["IMMEDIATE", "at_once", "pieces", "queue", "to_device", "to_host"]

IMMEDIATE = 64 << 10
"""Bytes that the driver takes from pageable memory at once, so that the source is free again."""

_TO_DEVICE, _TO_HOST = 1, 2
_EVENT_FLAGS = 1 | 2  # blocking, without times
_PORTABLE, _READ_ONLY = 1, 8  # locked for every GPU; memory that cannot be written
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE of Linux 5.14
_THREADS = 8
_LEAST_PIECE = 2 << 20  # bytes: to hand over shorter ones takes longer than to move them

Piece = tuple[int, int, int]
"""(target, source, bytes)"""


def pieces(runs: Iterable[Piece]) -> list[Piece]:
    """Runs cut to what a slab holds, or less where that keeps more threads at work."""
    runs = list(runs)
    share = sum(nbytes for _, _, nbytes in runs) // _THREADS // 4096 * 4096
    most = min(max(share, _LEAST_PIECE), SLAB)
    return [
        (target + start, source + start, min(most, nbytes - start))
        for target, source, nbytes in runs
        for start in range(0, nbytes, most)
    ]


def at_once(runs: Iterable[Piece], to_host: bool) -> list[Piece] | None:
    """The runs cut to what can be queued without waiting; None where some of it cannot be."""
    found = []
    for target, source, nbytes in runs:
        host = target if to_host else source
        for address, count, is_locked in locked.parts(host, nbytes):
            if not is_locked and (to_host or count > IMMEDIATE):
                return None
            found.append((target + address - host, source + address - host, count))
    return found


def queue(stream: int, work: Iterable[Piece], to_host: bool) -> None:
    """Queues copies as `at_once` gives them."""
    kind = _TO_HOST if to_host else _TO_DEVICE
    for target, source, nbytes in work:
        runtime.memcpyAsync(target, source, nbytes, kind, stream)


def to_device(
    device: int,
    stream: int,
    runs: Iterable[Piece],
    fill: Callable[[int, int, int], None],
    block: Block | None = None,
) -> None:
    """Copies to a GPU; `fill(slab, source, bytes)` brings a piece to a slab.

    `block` is that of the source where it lies in memory. When it returns, all that is not locked
    has been copied, and the rest is queued.
    """

    def move(piece: Piece) -> None:
        target, source, nbytes = piece
        with pinned.slab() as slab:
            fill(slab, source, nbytes)
            runtime.memcpyAsync(target, slab, nbytes, _TO_DEVICE, stream)
            _wait(stream)

    _each(device, move, pieces(_queue_locked(device, stream, runs, block, to_host=False)))


def to_host(
    device: int,
    stream: int,
    runs: Iterable[Piece],
    check: Callable[[], None],
    block: Block | None = None,
) -> None:
    """Copies from a GPU to memory of the host, in `block` if that is given; as `to_device`."""

    def move(piece: Piece) -> None:
        check()
        target, source, nbytes = piece
        with pinned.slab() as slab:
            runtime.memcpyAsync(slab, source, nbytes, _TO_HOST, stream)
            _wait(stream)
            ctypes.memmove(target, slab, nbytes)

    _each(device, move, pieces(_queue_locked(device, stream, runs, block, to_host=True)))


def _queue_locked(
    device: int, stream: int, runs: Iterable[Piece], block: Block | None, to_host: bool
) -> list[Piece]:
    """Locks what is worth it and queues it; the rest of the runs."""
    whole = _whole(block)
    if whole is None:
        return list(runs)
    assert block is not None
    rest, owner = [], block.owner
    lock = _file_locker(device, owner) if isinstance(owner, MappedFile) else _locker(device)
    for target, source, nbytes in runs:
        host = target if to_host else source
        for address, count, is_locked in locked.copy(lock, whole, host, nbytes):
            piece = (target + address - host, source + address - host, count)
            if is_locked:
                queue(stream, [piece], to_host)
            else:
                rest.append(piece)
    return rest


def _whole(block: Block | None) -> tuple[int, int] | None:
    """The memory whose pages can be locked with those of a block: (address, bytes).

    It is unlocked before it is given back: by the pool, or by the engine where it is an input or a
    constant.
    """
    if block is None:
        return None
    if isinstance(block.owner, Region | MappedFile):
        return block.owner.address, block.owner.nbytes
    return (block.address, block.nbytes) if isinstance(block.owner, bytearray) else None


@cache
def _locker(device: int) -> Lock:
    """What locks pages, on a thread whose current GPU is `device`."""

    def lock(address: int, nbytes: int) -> Callable[[], None] | None:
        _populate(address, nbytes)
        return _register(device, address, nbytes, _PORTABLE)

    return lock


def _file_locker(device: int, file: MappedFile) -> Lock:
    """The same for a file's pages, within the bound on them."""

    def lock(address: int, nbytes: int) -> Callable[[], None] | None:
        if not file.may_lock(nbytes):
            return None
        unregister = _register(device, address, nbytes, _PORTABLE | _READ_ONLY)
        if unregister is None:
            return None
        file.note(nbytes)

        def unlock() -> None:
            unregister()
            file.note(-nbytes)

        return unlock

    return lock


def _register(device: int, address: int, nbytes: int, flags: int) -> Callable[[], None] | None:
    """Locks pages; what undoes it, or None where that cannot be."""
    try:
        runtime.hostRegister(address, nbytes, flags)
    except runtime.CUDARuntimeError:
        return None  # the system may allow no more: then it moves through slabs

    def unregister() -> None:
        runtime.setDevice(device)
        runtime.hostUnregister(address)

    return unregister


def _populate(address: int, nbytes: int) -> None:
    """Gives memory its pages with several threads: locking would take one. Only makes it faster."""
    step = -(-nbytes // _THREADS // (2 << 20)) * (2 << 20)
    madvise = ctypes.CDLL(None).madvise

    def populate(start: int) -> None:
        size = min(step, nbytes - start)
        madvise(ctypes.c_void_p(address + start), ctypes.c_size_t(size), _POPULATE_WRITE)

    wait([_movers().submit(populate, start) for start in range(0, nbytes, step)])


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
