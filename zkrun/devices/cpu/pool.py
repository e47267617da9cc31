"""Memory of the host for arrays: mapped from the system as needed, wiped when freed.

Small blocks share slabs, which an allocator of `zkrun.memory` divides; a large block has a mapping
of its own. Freed memory goes back to the system at once (`MADV_DONTNEED`, after which its pages
read as zeros), but its addresses stay mapped until the pool closes: work that a faulty program
still does on freed memory computes nonsense, it cannot bring the process down.

Memory whose pages are locked for a GPU is wiped by writing zeros instead, for the GPU knows its
pages, and the next run gets it: taking pages and locking them takes longer than copying them.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import re
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zkrun.devices.account import Account, bytes_text
from zkrun.devices.pages import locked
from zkrun.memory import BestFitAllocator, BuddyAllocator

__all__ = ["POISON", "Pool", "Region", "available_memory", "poison"]

POISON = 0x15
"""Fills memory that must not be read. As an element it is below every modulus, so that kernels stay
within their bounds; as a point it is on no curve."""

_LARGE = 16 << 20  # blocks from here on get a mapping of their own
_FIRST_SLAB = 32 << 20
_LARGEST_SLAB = 1 << 30
_RETURNED = 128 << 10  # smaller blocks are wiped by writing zeros, their pages stay
_POISONED = 64 << 10  # bytes at either end of a block that are poisoned
_BINNED = 64 << 10  # free blocks up to here are kept apart, to be handed out again as they are
_BIN = 256  # at most so many of a size
_PAGE = mmap.PAGESIZE
_CLEARERS = 4  # threads that wipe locked memory
_UNASKED = 1 << 20  # bytes that are taken without asking what is left, which takes up to 0.5 ms
_SPARE = 64  # free mappings that are kept for their addresses


@dataclass(slots=True, eq=False)
class Region:
    """One mapping. `allocator` divides it where it is a slab."""

    mapping: mmap.mmap
    address: int
    nbytes: int
    allocator: BuddyAllocator | BestFitAllocator | None = None
    used: int = 0  # of a large block: the bytes counted for it


class Pool:
    """Blocks of memory, 64-byte aligned, counted in an account. Thread-safe.

    With `poison`, fresh and freed blocks are filled with POISON at their ends, so that reading what
    was never written or is no longer there shows.
    """

    def __init__(self, account: Account, poison: bool = False) -> None:
        self._account = account
        self._poison = poison
        self._lock = threading.Lock()
        self._buddies: list[Region] = []
        self._fits: list[Region] = []
        self._bins: dict[int, list[tuple[int, Region]]] = {}  # size -> free blocks of slabs
        self._large: set[Region] = set()
        self._spare: list[Region] = []
        self.held = 0  # bytes of the live blocks, touched or not
        with _POOLS_LOCK:
            _POOLS.add(self)

    def allocate(self, nbytes: int) -> tuple[int, Region]:
        """The address of a fresh block and its region. ResourceLimit where none is left."""
        with self._lock:
            if nbytes >= _LARGE:
                address, region = self._allocate_large(nbytes)
            else:
                address, region = self._allocate_small(nbytes)
        if self._poison:
            poison(address, nbytes)
        return address, region

    def free(self, address: int, region: Region, nbytes: int) -> None:
        """Wipes a block and takes it back; `nbytes` as it was asked for."""
        _wipe(region, address, nbytes)
        if self._poison:
            poison(address, nbytes)
        with self._lock:
            if region.allocator is not None:
                block = _block_size(nbytes)
                self._give(block)
                if block > _BINNED or len(bin := self._bins.setdefault(block, [])) == _BIN:
                    region.allocator.free(address - region.address)
                else:
                    bin.append((address, region))
            else:
                self._large.remove(region)
                self._give(region.used)
                self._spare.append(region)
                if len(self._spare) > _SPARE:
                    _unmap(self._spare.pop(0))

    def reserve(self, nbytes: int) -> Region:
        """A mapping of its own that is not wiped until the pool closes: an arena."""
        with self._lock:
            return self._allocate_large(nbytes)[1]

    def close(self) -> None:
        """Gives all memory back to the system, which wipes it. No address is valid afterwards."""
        with self._lock:
            self._give(self.held)
            _keep([*self._buddies, *self._fits, *self._large, *self._spare])
            self._buddies, self._fits, self._large, self._spare = [], [], set(), []
            self._bins.clear()

    def _give(self, nbytes: int) -> None:
        self._account.give(nbytes)
        self.held -= nbytes

    def _allocate_small(self, nbytes: int) -> tuple[int, Region]:
        block = _block_size(nbytes)
        self._account.take(block)
        try:
            bin = self._bins.get(block)
            found = bin.pop() if bin else self._carve(block)
        except BaseException as error:
            raise self._refusal(block, error) from None
        self.held += block
        return found

    def _carve(self, block: int) -> tuple[int, Region]:
        """A block from a slab: one that there is, or a new one."""
        slabs = self._fits if block & (block - 1) else self._buddies
        if (found := _place(slabs, block)) is not None:
            return found
        for bin in self._bins.values():
            for address, region in bin:
                assert region.allocator is not None
                region.allocator.free(address - region.address)
        self._bins.clear()
        if (found := _place(slabs, block)) is not None:
            return found
        found = _place([self._new_slab(slabs, block)], block)
        assert found is not None  # a fresh slab is larger than any small block
        return found

    def _new_slab(self, slabs: list[Region], nbytes: int) -> Region:
        """Slabs double in size, so that there are few; what is not touched costs nothing."""
        size = min(_FIRST_SLAB << len(slabs), _LARGEST_SLAB)
        try:
            region = self._map(size, nbytes, _PAGE)
        except _NoAddresses:
            region = self._map_or_refuse(_FIRST_SLAB, nbytes, _PAGE)
        kind = BuddyAllocator if slabs is self._buddies else BestFitAllocator
        region.allocator = kind(region.nbytes)
        slabs.append(region)
        return region

    def _allocate_large(self, nbytes: int) -> tuple[int, Region]:
        rounded = -(-max(nbytes, 1) // _PAGE) * _PAGE
        self._account.take(rounded)
        try:
            region = self._spare_region(rounded) or self._map_or_refuse(rounded, rounded, 2 << 20)
        except BaseException as error:
            raise self._refusal(rounded, error) from None
        self.held += rounded
        region.used = rounded
        self._large.add(region)
        return region.address, region

    def _refusal(self, nbytes: int, error: BaseException) -> BaseException:
        """What to raise where memory that was counted as taken is not to be had after all."""
        self._account.give(nbytes)
        return self._account.refusal(nbytes, str(error)) if isinstance(error, _Refused) else error

    def _spare_region(self, nbytes: int) -> Region | None:
        fitting = [r for r in self._spare if nbytes <= r.nbytes <= 2 * nbytes]
        if not fitting:
            return None
        self._check_available(nbytes)
        region = min(fitting, key=lambda r: r.nbytes)
        self._spare.remove(region)
        return region

    def _map_or_refuse(self, nbytes: int, needed: int, granule: int) -> Region:
        try:
            return self._map(nbytes, needed, granule)
        except _NoAddresses:
            while self._spare:
                _unmap(self._spare.pop())
        try:
            return self._map(nbytes, needed, granule)
        except _NoAddresses as error:
            raise _Refused(f"the system gives no more ({error})") from None

    def _map(self, nbytes: int, needed: int, granule: int) -> Region:
        """Maps `nbytes` of which `needed` will be used at once."""
        size = -(-nbytes // granule) * granule
        if (kept := _take_kept(size)) is not None:
            return kept
        self._check_available(needed)
        try:
            mapping = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, OverflowError, ValueError) as error:
            raise _NoAddresses(getattr(error, "strerror", None) or str(error)) from None
        for advice in ("MADV_DONTDUMP", "MADV_HUGEPAGE" if granule > _PAGE else ""):
            if hasattr(mmap, advice):
                with contextlib.suppress(OSError):  # advice only: a kernel without it works as well
                    mapping.madvise(getattr(mmap, advice))
        address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        return Region(mapping, address, len(mapping))

    def _check_available(self, nbytes: int) -> None:
        """Refuses what the machine cannot back, before the system kills the process for it."""
        if nbytes < _UNASKED:
            return
        available = available_memory()
        if available is not None and nbytes > available and _KEPT:
            _keep([])
            available = available_memory()
        if available is not None and nbytes > available:
            raise _Refused(f"only {bytes_text(max(0, available))} are left on this machine")


class _Refused(Exception):
    """Why memory is not to be had."""


class _NoAddresses(Exception):
    """The system maps no more memory."""


def _block_size(nbytes: int) -> int:
    """The bytes that a small block takes."""
    return (max(nbytes, 1) + 63) & ~63


def _place(slabs: list[Region], block: int) -> tuple[int, Region] | None:
    for region in slabs:
        assert region.allocator is not None
        if (offset := region.allocator.allocate(block)) is not None:
            return region.address + offset, region
    return None


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()
_POOLS_LOCK = threading.Lock()
_KEPT: list[Region] = []
"""Mappings of the last run that a GPU copied from or to, wiped."""


def _keep(regions: list[Region]) -> None:
    """Keeps what a GPU knows of a pool that closes, and gives all else back, with what was kept."""
    with locked.mutex:
        old = _KEPT.copy()
        _KEPT.clear()
        for region in regions:
            if locked.know(region.address, region.nbytes):
                _wipe(region, region.address, region.nbytes)
                _KEPT.append(Region(region.mapping, region.address, region.nbytes))
            else:
                _unmap(region)
        for region in old:
            _unmap(region)


def _take_kept(nbytes: int) -> Region | None:
    """A mapping that was kept, of this size."""
    with locked.mutex:
        for index, region in enumerate(_KEPT):
            if region.nbytes == nbytes:
                return _KEPT.pop(index)
    return None


def _unmap(region: Region) -> None:
    locked.unlock(region.address, region.nbytes)
    region.mapping.close()


def _wipe(region: Region, address: int, nbytes: int) -> None:
    with locked.mutex:  # what is locked meanwhile would keep pages that are no longer the memory's
        parts = locked.parts(address, nbytes)
        for start, size, is_locked in parts:
            if not is_locked:
                _give_back(region, start, size)
    for start, size, is_locked in parts:
        if is_locked:
            _clear(start, size)


def _clear(address: int, nbytes: int) -> None:
    """Writes zeros, a large range with several threads."""
    if nbytes < _LARGE:
        ctypes.memset(address, 0, nbytes)
        return

    def clear(start: int) -> None:
        ctypes.memset(address + start, 0, min(_LARGE, nbytes - start))

    with ThreadPoolExecutor(_CLEARERS) as threads:
        list(threads.map(clear, range(0, nbytes, _LARGE)))


def _give_back(region: Region, address: int, nbytes: int) -> None:
    if nbytes < _RETURNED:
        ctypes.memset(address, 0, nbytes)
        return
    first = -(-address // _PAGE) * _PAGE
    last = (address + nbytes) // _PAGE * _PAGE
    ctypes.memset(address, 0, first - address)
    ctypes.memset(last, 0, address + nbytes - last)
    region.mapping.madvise(mmap.MADV_DONTNEED, first - region.address, last - first)


def poison(address: int, nbytes: int) -> None:
    """Overwrites both ends of a stretch of memory, which may be all of it."""
    if nbytes <= 2 * _POISONED:
        ctypes.memset(address, POISON, nbytes)
    else:
        ctypes.memset(address, POISON, _POISONED)
        ctypes.memset(address + nbytes - _POISONED, POISON, _POISONED)


def available_memory() -> int | None:
    """Bytes that this process can still take, without what its pools hold but have not touched yet.

    The smaller of what the machine has and what the control group allows; None where unknown.
    """
    candidates = [_kibibytes("/proc/meminfo", "MemAvailable"), _group_headroom()]
    known = [value for value in candidates if value is not None]
    if not known:
        return None
    resident = _kibibytes("/proc/self/status", "RssAnon") or 0
    with _POOLS_LOCK:  # runs may be side by side in one process
        pools = list(_POOLS)
    held = sum(pool.held for pool in pools)
    return min(known) - max(0, held - resident)


def _kibibytes(path: str, key: str) -> int | None:
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    match = re.search(rf"^{key}:\s*(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _group_headroom(folder: str = "/sys/fs/cgroup") -> int | None:
    """What the control group still allows. Its file cache does not count: it can be dropped."""
    try:
        texts = [
            Path(folder, name).read_text("ascii")
            for name in ("memory.max", "memory.current", "memory.stat")
        ]
    except OSError:
        return None
    limit, current = texts[0].strip(), texts[1].strip()
    if not limit.isdigit():
        return None  # "max"
    cache = sum(map(int, re.findall(r"^(?:in)?active_file (\d+)$", texts[2], re.MULTILINE)))
    return int(limit) - int(current) + cache
