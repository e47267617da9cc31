"""Pages of the host's memory that are locked for a GPU, which then copies them by itself.

Locked memory moves at the full rate of the bus, and no thread waits for it. But locking takes
longer than a copy, so a segment is locked when it has been copied once and is to be copied again.
It stays locked until its memory is given back: whoever gives memory of arrays back asks here first.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator

__all__ = ["SEGMENT", "Lock", "LockedPages", "locked"]

SEGMENT = 32 << 20
"""Bytes that are locked together."""

_PAGE = 4096

Lock = Callable[[int, int], Callable[[], None] | None]
"""Locks (address, bytes), whole pages; returns what undoes it, or None where that cannot be."""

Part = tuple[int, int, bool]
"""(address, bytes, whether it is locked)"""


class LockedPages:
    """Ranges that are locked, and what was copied of others. Thread-safe."""

    def __init__(self) -> None:
        self.mutex = threading.RLock()  # to hold while pages are given back without being unlocked
        self._starts: list[int] = []  # ascending, of disjoint ranges
        self._ends: list[int] = []
        self._undo: list[Callable[[], None]] = []
        self._copied: dict[int, int] = {}  # start of a segment -> bytes

    def parts(self, address: int, nbytes: int) -> list[Part]:
        """The range in order, cut where locked ranges begin and end."""
        if not self._starts:
            return [(address, nbytes, False)]
        found, end = list[Part](), address + nbytes
        with self.mutex:
            i = bisect_right(self._ends, address)
            while address < end:
                start = self._starts[i] if i < len(self._starts) else end
                if address < start:
                    stop = min(start, end)
                    found.append((address, stop - address, False))
                else:
                    stop = min(self._ends[i], end)
                    found.append((address, stop - address, True))
                    i += 1
                address = stop
        return found

    def overlap(self, address: int, nbytes: int) -> bool:
        """Whether any of these bytes is locked."""
        if not self._starts:
            return False
        with self.mutex:
            i = bisect_right(self._ends, address)
            return i < len(self._starts) and self._starts[i] < address + nbytes

    def know(self, address: int, nbytes: int) -> bool:
        """Whether any of these bytes is locked, or was copied."""
        with self.mutex:
            near = any(address <= start < address + nbytes for start in self._copied)
            return near or self.overlap(address, nbytes)

    def copy(self, lock: Lock, whole: tuple[int, int], address: int, nbytes: int) -> Iterator[Part]:
        """The parts of a range that is to be copied, segment by segment.

        Locks the segments of `whole` (address, bytes) that are worth it, each only when its turn
        comes: what was given out before can be copied meanwhile.
        """
        first = -(-whole[0] // _PAGE) * _PAGE
        last = (whole[0] + whole[1]) // _PAGE * _PAGE
        end = address + nbytes
        while address < end:
            if first <= address < last:
                segment = first + (address - first) // SEGMENT * SEGMENT
                stop = min(segment + SEGMENT, last)
                self._count(lock, segment, stop, min(end, stop) - address)
            else:
                stop = first if address < first else end
            stop = min(stop, end)
            yield from self.parts(address, stop - address)
            address = stop

    def _count(self, lock: Lock, start: int, end: int, nbytes: int) -> None:
        """Locks a segment that is worth it, or notes that `nbytes` of it are copied."""
        with self.mutex:
            if self.overlap(start, end - start):
                return
            copied = self._copied.get(start, 0)
            if copied < max(1, end - start - 2 * _PAGE):  # its first and last page may hold less
                self._copied[start] = copied + nbytes
                return
            undo = lock(start, end - start)
            if undo is None:
                self._copied[start] = -(1 << 62)  # not asked for again
                return
            del self._copied[start]
            i = bisect_right(self._starts, start)
            self._starts.insert(i, start)
            self._ends.insert(i, end)
            self._undo.insert(i, undo)

    def unlock(self, address: int, nbytes: int) -> None:
        """Unlocks whatever lies in the range: its memory is about to be given back."""
        end = address + nbytes
        with self.mutex:
            for start in [start for start in self._copied if address <= start < end]:
                del self._copied[start]
            i = bisect_right(self._ends, address)
            j = i
            while j < len(self._starts) and self._starts[j] < end:
                self._undo[j]()
                j += 1
            del self._starts[i:j], self._ends[i:j], self._undo[i:j]


locked = LockedPages()
"""Those of this process."""
