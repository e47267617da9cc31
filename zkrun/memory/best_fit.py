"""The best-fit allocator: the smallest hole that is large enough, for sizes of any kind."""

from __future__ import annotations

from zkrun.memory.ordered import OrderedSet

__all__ = ["BestFitAllocator"]


class BestFitAllocator:
    """Hands out offsets in a space of `size` bytes; requests are rounded up to `alignment`.

    Holes that touch are always merged. Each operation is a look-up of the smallest fitting size
    (OrderedSet) and a few of a dictionary, and the same requests always get the same offsets.
    """

    def __init__(self, size: int, alignment: int = 64) -> None:
        if size < 0 or alignment <= 0:
            raise ValueError("size must not be negative, alignment must be positive")
        self.size = size - size % alignment
        self.used = 0
        self._alignment = alignment
        self._taken: dict[int, int] = {}  # offset -> size
        self._hole_at: dict[int, int] = {}  # start -> size
        self._hole_to: dict[int, int] = {}  # end -> start
        self._by_size: dict[int, dict[int, None]] = {}  # size -> starts, as an ordered set
        self._sizes = OrderedSet()
        if self.size:
            self._add_hole(0, self.size)

    def block_size(self, nbytes: int) -> int:
        """The bytes that a request of `nbytes` takes."""
        return -(-max(nbytes, 1) // self._alignment) * self._alignment

    def allocate(self, nbytes: int) -> int | None:
        """The offset of a fresh block, or None where no hole is large enough."""
        block = self.block_size(nbytes)
        hole = self._sizes.ceiling(block)
        if hole is None:
            return None
        offset = next(reversed(self._by_size[hole]))
        self._remove_hole(offset, hole)
        if hole > block:
            self._add_hole(offset + block, hole - block)
        self._taken[offset] = block
        self.used += block
        return offset

    def free(self, offset: int) -> int:
        """Takes a block back, merged with the holes on both sides; returns its size."""
        block = self._taken.pop(offset)
        self.used -= block
        start, end = offset, offset + block
        if (after := self._hole_at.get(end)) is not None:
            self._remove_hole(end, after)
            end += after
        if (before := self._hole_to.get(start)) is not None:
            self._remove_hole(before, start - before)
            start = before
        self._add_hole(start, end - start)
        return block

    def _add_hole(self, start: int, size: int) -> None:
        self._hole_at[start] = size
        self._hole_to[start + size] = start
        starts = self._by_size.get(size)
        if starts is None:
            self._by_size[size] = {start: None}
            self._sizes.add(size)
        else:
            starts[start] = None

    def _remove_hole(self, start: int, size: int) -> None:
        del self._hole_at[start]
        del self._hole_to[start + size]
        starts = self._by_size[size]
        del starts[start]
        if not starts:
            del self._by_size[size]
            self._sizes.remove(size)
