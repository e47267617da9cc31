"""Sets of integer intervals: which elements of an allocation are written, which bytes are taken."""

from __future__ import annotations

from zkrun.analysis.segments import Segments

__all__ = ["IntervalMap", "IntervalSet"]


class IntervalSet:
    """A set of integers 0 ≤ i < size as disjoint intervals, merged where they touch."""

    __slots__ = ("_segments",)

    def __init__(self, size: int) -> None:
        self._segments = Segments(size, False)

    def add(self, start: int, end: int) -> None:
        """Adds start ≤ i < end."""
        self._segments.put(start, end, True)

    def missing(self, start: int, end: int) -> tuple[int, int] | None:
        """The first interval of start ≤ i < end that the set lacks; None where it lacks none."""
        for first, last, there in self._segments.between(start, end):
            if not there:
                return max(first, start), min(last, end)
        return None

    def covers(self, start: int, end: int) -> bool:
        """Whether every start ≤ i < end is in the set."""
        return self.missing(start, end) is None


class IntervalMap:
    """Disjoint intervals of 0 ≤ i < size with a value each: what lies where in an arena."""

    __slots__ = ("_segments",)

    def __init__(self, size: int) -> None:
        self._segments: Segments[object] = Segments(size, None)

    def add(self, start: int, end: int, value: object) -> object | None:
        """Adds an interval; where it would overlap one that is there, returns that one's value."""
        for _, _, other in self._segments.between(start, end):
            if other is not None:
                return other
        self._segments.put(start, end, value)
        return None

    def remove(self, start: int, end: int, value: object) -> None:
        """Removes the interval that `value` was added with, where it was."""
        if start < end and self._segments.at(start) is value:
            self._segments.put(start, end, None)
