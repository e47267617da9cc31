"""The arena: memory that a program divides itself, by offsets that its compiler chose."""

from __future__ import annotations

from bisect import bisect_left, insort

__all__ = ["Arena", "ArenaConflict"]


class ArenaConflict(ValueError):
    """An allocation leaves the arena or shares bytes with one that is still live."""


class Arena:
    """The live ranges of an arena of `size` bytes, and the most bytes that were live at once.

    An allocation of zero bytes conflicts with nothing.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self.peak = 0
        self._starts: list[int] = []  # of the live ranges, ascending; they are disjoint
        self._ends: dict[int, int] = {}

    def allocate(self, offset: int, nbytes: int) -> None:
        """Marks `nbytes` from `offset` as live. ArenaConflict where they cannot be."""
        end = offset + nbytes
        if offset < 0 or nbytes < 0 or end > self.size:
            raise ArenaConflict(
                f"bytes {offset} to {end} do not lie in the arena of {self.size} bytes"
            )
        if not nbytes:
            return
        index = bisect_left(self._starts, end) - 1  # the last range that starts before our end
        if index >= 0 and self._ends[start := self._starts[index]] > offset:
            raise ArenaConflict(
                f"bytes {offset} to {end} of the arena overlap bytes {start} to "
                f"{self._ends[start]}, which are not freed yet"
            )
        insort(self._starts, offset)
        self._ends[offset] = end
        self.used += nbytes
        self.peak = max(self.peak, self.used)

    def free(self, offset: int, nbytes: int) -> None:
        """Ends the life of an allocation, named as it was made. KeyError where there is none."""
        if not nbytes:
            return
        if self._ends.get(offset) != offset + nbytes:
            raise KeyError(offset)
        del self._ends[offset]
        del self._starts[bisect_left(self._starts, offset)]
        self.used -= nbytes
