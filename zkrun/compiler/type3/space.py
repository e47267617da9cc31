"""The addresses of one device: what lies where, and what would have to go to make room.

Memory is divided ahead of time, so that fragmentation is known: room for a value is a window of
consecutive blocks and holes. Of all windows that are large enough the one is chosen whose blocks
are needed furthest in the future (Belady, "A study of replacement algorithms", 1966, for blocks of
unequal sizes).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Space", "Window", "block_bytes"]

Owner = TypeVar("Owner", bound=Hashable)

_SMALL = 4096  # bytes: such blocks lie at the upper end, out of the way of arrays


def block_bytes(nbytes: int, alignment: int) -> int:
    """The bytes that a block of `nbytes` takes; what is empty has an address, too."""
    return -(-max(nbytes, 1) // alignment) * alignment


class Window(NamedTuple, Generic[Owner]):
    """Room from `offset` on, once the owners of `victims` have left."""

    offset: int
    victims: tuple[Owner, ...]


class Space(Generic[Owner]):
    """Blocks with owners in `capacity` bytes, or without an end where that is None."""

    def __init__(self, capacity: int | None, alignment: int) -> None:
        self.capacity = None if capacity is None else capacity - capacity % alignment
        self.top = 0  # the end of the highest block that there ever was
        self._alignment = alignment
        self._offsets: list[int] = []
        self._blocks: dict[int, tuple[int, Owner]] = {}  # by offset: bytes and owner
        self._at: dict[Owner, int] = {}

    def __contains__(self, owner: Owner) -> bool:
        return owner in self._at

    def owners(self) -> list[Owner]:
        """The owners of all blocks."""
        return list(self._at)

    def block(self, nbytes: int) -> int:
        """The bytes that a block of `nbytes` takes."""
        return block_bytes(nbytes, self._alignment)

    def find(self, nbytes: int, next_use: Callable[[Owner], float | None]) -> Window[Owner] | None:
        """Room for a block, or None. `next_use` says when an owner is needed; None: it must stay.

        Nothing is changed.
        """
        size = self.block(nbytes)
        hole = self._hole(size)
        if hole is not None:
            return Window(hole, ())
        return self._window(size, next_use)

    def take(self, offset: int, nbytes: int, owner: Owner) -> None:
        """Places a block where there is room."""
        size = self.block(nbytes)
        insort(self._offsets, offset)
        self._blocks[offset] = (size, owner)
        self._at[owner] = offset
        self.top = max(self.top, offset + size)

    def free(self, owner: Owner) -> None:
        """Removes the block of an owner."""
        offset = self._at.pop(owner)
        del self._blocks[offset]
        del self._offsets[bisect_left(self._offsets, offset)]

    def rename(self, owner: Owner, heir: Owner) -> None:
        """Gives the block of an owner to another one."""
        offset = self._at.pop(owner)
        self._at[heir] = offset
        self._blocks[offset] = (self._blocks[offset][0], heir)

    def _hole(self, size: int) -> int | None:
        """The smallest hole that is large enough; of a small block the end of the highest one."""
        best: tuple[int, int] | None = None
        end = 0
        for offset in self._offsets:
            if offset - end >= size and (best is None or offset - end <= best[1]):
                best = (end, offset - end)
            end = offset + self._blocks[offset][0]
        if self.capacity is None:
            return end if best is None else best[0]
        rest = self.capacity - end
        if size <= _SMALL:
            return self._highest(size)
        if rest >= size and (best is None or rest < best[1]):
            best = (end, rest)
        return None if best is None else best[0]

    def _highest(self, size: int) -> int | None:
        """The upper end of the highest hole that is large enough."""
        above = self.capacity or 0
        for offset in reversed(self._offsets):
            end = offset + self._blocks[offset][0]
            if above - end >= size:
                return above - size
            above = offset
        return above - size if above >= size else None

    def _window(self, size: int, next_use: Callable[[Owner], float | None]) -> Window[Owner] | None:
        """The window whose first need is the furthest; of equal ones that with the fewest bytes."""
        assert self.capacity is not None
        offsets = self._offsets
        uses = [next_use(self._blocks[offset][1]) for offset in offsets]
        best: tuple[float, int] | None = None
        found: Window[Owner] | None = None
        start = 0  # the end of the block before the window
        for first, offset in enumerate(offsets):
            soonest, taken = float("inf"), 0
            for last in range(first, len(offsets)):
                use = uses[last]
                if use is None:
                    break
                soonest = min(soonest, use)
                taken += self._blocks[offsets[last]][0]
                if best is not None and (soonest, -taken) <= best:
                    break
                end = offsets[last + 1] if last + 1 < len(offsets) else self.capacity
                if end - start >= size:
                    best = (soonest, -taken)
                    owners = tuple(self._blocks[at][1] for at in offsets[first : last + 1])
                    found = Window(start, owners)
                    break
            start = offset + self._blocks[offset][0]
        return found
