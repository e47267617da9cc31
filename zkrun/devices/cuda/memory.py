"""Memory of one GPU for one run, and pinned memory of the host for what moves to and fro.

Blocks come from the driver's stream-ordered pool, which keeps what is freed for the next ones: a
block freed in the order of a stream goes back when the work queued there before has passed.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from cupy.cuda import runtime

from zkrun.devices.account import Account, bytes_text
from zkrun.devices.cuda.errors import OUT_OF_MEMORY, give_back

__all__ = ["SLAB", "SLOT", "DevicePool", "PinnedSlabs", "PinnedSlots", "pinned"]

_GRANULE = 256
SLAB = 8 << 20
"""Bytes of a pinned slab."""

SLOT, _SLOTS = 4 << 10, 256
"""Bytes of a pinned slot, and how many are made together."""


class DevicePool:
    """Blocks on one GPU, 256-byte aligned, counted in an account. Thread-safe.

    The device must be the current one of the calling thread.
    """

    def __init__(self, device: int, account: Account) -> None:
        self._device = device
        self._account = account
        self._lock = threading.Lock()
        self._live: dict[int, tuple[int, bool]] = {}  # address -> bytes, whether workspace
        self._kept: dict[int, deque[int]] = {}  # by bytes, what the run before had to its end
        pool = runtime.deviceGetDefaultMemPool(device)
        runtime.memPoolSetAttribute(pool, runtime.cudaMemPoolAttrReleaseThreshold, 2**64 - 1)
        # No block may wait for work of another stream: a fresh one is used on any, at once.
        runtime.memPoolSetAttribute(pool, runtime.cudaMemPoolReuseAllowInternalDependencies, 0)
        _let_peers_reach(pool, device)
        self._pool = pool
        self.stream: int = runtime.streamCreateWithFlags(runtime.streamNonBlocking)

    def allocate(self, nbytes: int, workspace: bool = True) -> int:
        """The address of a fresh block. ResourceLimit where none is left.

        `workspace` is what functions need beside the memory of the program.
        """
        size = -(-max(nbytes, 1) // _GRANULE) * _GRANULE
        self._account.take(size, workspace)
        try:
            address = self._take_kept(size, workspace) or self._take(size)
        except BaseException:
            self._account.give(size, workspace)
            raise
        with self._lock:
            self._live[address] = size, workspace
        return address

    def free(self, address: int, stream: int | None) -> None:
        """Wipes a block and takes it back, when what is queued on `stream` has passed."""
        with self._lock:
            size, workspace = self._live.pop(address)
        queue = self.stream if stream is None else stream
        runtime.memsetAsync(address, 0, size, queue)
        runtime.freeAsync(address, queue)
        self._account.give(size, workspace)

    def restart(self, account: Account, arena: int) -> None:
        """Takes back all but arena and workspace, with which the next run's account begins."""
        with self._lock:
            live = list(self._live.items())
        self._give_kept()
        for address, (size, workspace) in live:
            if not workspace and address != arena:
                del self._live[address]
                runtime.memsetAsync(address, 0, size, self.stream)
                self._kept.setdefault(size, deque()).append(address)
        runtime.streamSynchronize(self.stream)
        self._account = account
        for size, workspace in self._live.values():
            account.take(size, workspace)

    def _take_kept(self, size: int, workspace: bool) -> int | None:
        """What the same Allocate had in the run before, so that graphs of it can be used again."""
        if workspace or not self._kept:
            return None
        with self._lock:
            kept = self._kept.get(size)
            return kept.popleft() if kept else None

    def _give_kept(self) -> None:
        with self._lock:
            addresses = [address for kept in self._kept.values() for address in kept]
            self._kept.clear()
        for address in addresses:
            runtime.freeAsync(address, self.stream)

    def close(self) -> None:
        """Gives all memory back, wiped. No work may be left on it."""
        give_back(self._give_kept)
        with self._lock:
            live = list(self._live)
        for address in live:
            give_back(self.free, address, None)
        give_back(runtime.streamSynchronize, self.stream)
        give_back(runtime.streamDestroy, self.stream)
        give_back(runtime.memPoolTrimTo, self._pool, 0)

    def _take(self, size: int) -> int:
        try:
            return self._ready(size)
        except runtime.CUDARuntimeError as error:
            if error.status != OUT_OF_MEMORY:
                raise
        self._give_kept()
        runtime.deviceSynchronize()  # memory that queued work still holds may come back
        runtime.memPoolTrimTo(self._pool, 0)
        try:
            return self._ready(size)
        except runtime.CUDARuntimeError as error:
            if error.status != OUT_OF_MEMORY:
                raise
            free, total = runtime.memGetInfo()
            raise self._account.refusal(
                size,
                f"{bytes_text(free)} of the GPU's {bytes_text(total)} are free; "
                "other programs may hold the rest (see nvidia-smi)",
            ) from None

    def _ready(self, size: int) -> int:
        """A block that every stream may use from now on."""
        address: int = runtime.mallocAsync(size, self.stream)
        runtime.streamSynchronize(self.stream)
        return address


class _Access(ctypes.Structure):
    """CUmemAccessDesc of the driver: a device, and that it may read and write."""

    _fields_ = (("location_type", ctypes.c_int), ("id", ctypes.c_int), ("flags", ctypes.c_int))


_DEVICE_LOCATION, _READ_AND_WRITE = 1, 3


def _let_peers_reach(pool: int, device: int) -> None:
    """Lets the other GPUs use a pool's memory, where the machine can: copies go straight then."""
    peers = [
        other
        for other in range(runtime.getDeviceCount())
        if other != device and runtime.deviceCanAccessPeer(other, device)
    ]
    if not peers:
        return
    accesses = (_Access * len(peers))(
        *(_Access(_DEVICE_LOCATION, peer, _READ_AND_WRITE) for peer in peers)
    )
    # CuPy has no call for it. Where it fails, copies go by way of the host: slower, and as right.
    ctypes.CDLL("libcuda.so.1").cuMemPoolSetAccess(
        ctypes.c_void_p(pool), accesses, ctypes.c_size_t(len(peers))
    )


class PinnedSlabs:
    """Slabs of page-locked memory, kept for the next transfers: locking pages takes long."""

    def __init__(self, most: int) -> None:
        self._free: list[int] = []
        self._left = most
        self._changed = threading.Condition()

    @contextmanager
    def slab(self) -> Iterator[int]:
        """The address of a slab for the length of a `with`; waits where all are in use."""
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._left)
            if self._free:
                address = self._free.pop()
            else:
                address = runtime.hostAlloc(SLAB, 0)
                self._left -= 1
        try:
            yield address
        finally:
            with self._changed:
                self._free.append(address)
                self._changed.notify()

    def wipe(self) -> None:
        """Overwrites what the slabs last held, where nobody uses them."""
        with self._changed:
            for address in self._free:
                ctypes.memset(address, 0, SLAB)


class PinnedSlots:
    """Short pieces of page-locked memory, for what the GPU tells the host. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: list[int] = []
        self._free: list[int] = []

    def make_ready(self) -> None:
        """Has some before they are needed."""
        start = runtime.hostAlloc(SLOT * _SLOTS, 0)
        self._batches.append(start)
        self._free += [start + SLOT * number for number in range(_SLOTS)]

    def take(self) -> int:
        """The address of one, which belongs to the caller."""
        with self._lock:
            if not self._free:
                self.make_ready()
            return self._free.pop()

    def give(self, address: int) -> None:
        """Takes one back."""
        with self._lock:
            self._free.append(address)

    def close(self) -> None:
        """Gives all back, wiped, when nothing writes there any more."""
        self._free.clear()
        while self._batches:
            start = self._batches.pop()
            ctypes.memset(start, 0, SLOT * _SLOTS)
            give_back(runtime.freeHost, start)


pinned = PinnedSlabs(16)
"""The slabs of this process."""
