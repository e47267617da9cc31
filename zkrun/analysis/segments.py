"""A line from 0 to its size, cut into segments that carry values.

Which elements are written, what lies where in an arena, who touched which bytes last: all of them
cut and replace stretches of a line. There can be a million segments, so they are kept in blocks: to
cut one costs no more where there are many others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Segments"]

T = TypeVar("T")

_BLOCK = 512  # segments of a block at most


class Segments(Generic[T]):
    """The segments of 0 ≤ i < size in order; at first one, with a value for all."""

    __slots__ = ("_firsts", "_starts", "_values", "size")

    def __init__(self, size: int, value: T) -> None:
        self.size = size
        self._firsts = [0]  # where each block starts
        self._starts = [[0]]
        self._values = [[value]]

    def at(self, position: int) -> T:
        """The value of the segment that a position lies in."""
        block = bisect_right(self._firsts, position) - 1
        return self._values[block][bisect_right(self._starts[block], position) - 1]

    def between(self, start: int, end: int) -> Iterator[tuple[int, int, T]]:
        """(start, end, value) of the segments that have some of start ≤ i < end, in order."""
        if start >= end:
            return
        block = bisect_right(self._firsts, start) - 1
        index = bisect_right(self._starts[block], start) - 1
        while True:
            starts, values = self._starts[block], self._values[block]
            for at in range(index, len(starts)):
                if starts[at] >= end:
                    return
                yield starts[at], self._end(block, at), values[at]
            block, index = block + 1, 0
            if block == len(self._starts):
                return

    def values(self, start: int, end: int) -> list[T]:
        """The values of segments that are just start ≤ i < end; cut them with `cut` before."""
        first, at = self._place(start)
        last, to = self._place(end)
        if first == last:
            return self._values[first][at:to]
        between = [value for values in self._values[first + 1 : last] for value in values]
        rest = self._values[last][:to] if to else []
        return [*self._values[first][at:], *between, *rest]

    def cut(self, position: int, copy: Callable[[T], T]) -> None:
        """Cuts the segment that a position lies in; the part behind gets a copy of its value."""
        if position >= self.size:
            return
        block = bisect_right(self._firsts, position) - 1
        starts, values = self._starts[block], self._values[block]
        index = bisect_right(starts, position)
        if starts[index - 1] != position:
            starts.insert(index, position)
            values.insert(index, copy(values[index - 1]))
            if len(starts) > _BLOCK:
                self._divide(block)

    def replace(self, start: int, end: int, value: T) -> None:
        """Makes start ≤ i < end one segment with a value; both are ends of segments already."""
        first, at = self._place(start)
        last, to = self._place(end)
        starts, values = self._starts[first], self._values[first]
        if first == last:
            starts[at:to], values[at:to] = [start], [value]
            return
        starts[at:] = [start, *self._starts[last][to:]]
        values[at:] = [value, *self._values[last][to:]]
        gone = slice(first + 1, last + 1)
        del self._firsts[gone], self._starts[gone], self._values[gone]
        if len(starts) > _BLOCK:
            self._divide(first)

    def put(self, start: int, end: int, value: T) -> None:
        """Gives start ≤ i < end a value, and makes one segment of neighbours that have it too."""
        if start >= end:
            return
        self.cut(start, _same)
        self.cut(end, _same)
        if end < self.size and self.at(end) is value:
            end = next(self.between(end, end + 1))[1]
        if start and self.at(start - 1) is value:
            start = next(self.between(start - 1, start))[0]
        self.replace(start, end, value)

    def _place(self, position: int) -> tuple[int, int]:
        """Block and index of the segment that starts at a position; of none, at the very end."""
        if position >= self.size:
            return len(self._starts) - 1, len(self._starts[-1])
        block = bisect_right(self._firsts, position) - 1
        return block, bisect_right(self._starts[block], position) - 1

    def _end(self, block: int, index: int) -> int:
        starts = self._starts[block]
        if index + 1 < len(starts):
            return starts[index + 1]
        return self._firsts[block + 1] if block + 1 < len(self._firsts) else self.size

    def _divide(self, block: int) -> None:
        starts, values = self._starts[block], self._values[block]
        half = len(starts) // 2
        self._starts[block : block + 1] = [starts[:half], starts[half:]]
        self._values[block : block + 1] = [values[:half], values[half:]]
        self._firsts.insert(block + 1, starts[half])


def _same(value: T) -> T:
    return value
