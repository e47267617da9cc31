"""Sets of integer intervals: which elements of an allocation are written, which bytes are taken."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

__all__ = ["IntervalMap", "IntervalSet"]


class IntervalSet:
    """A set of integers as disjoint intervals, merged where they touch.

    Kept as one sorted list of ends [start, end, start, end, …): a position lies inside where an odd
    number of ends is at or before it.
    """

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Adds start ≤ i < end."""
        if start >= end:
            return
        ends = self._ends
        low, high = bisect_left(ends, start), bisect_right(ends, end)
        # An odd position lies inside an interval, which then keeps its own end.
        ends[low:high] = [start] * (low % 2 == 0) + [end] * (high % 2 == 0)

    def missing(self, start: int, end: int) -> tuple[int, int] | None:
        """The first interval of start ≤ i < end that the set lacks; None where it lacks none."""
        if start >= end:
            return None
        ends = self._ends
        at = bisect_right(ends, start)
        if at % 2:  # start lies inside an interval
            start = ends[at]
            if start >= end:
                return None
            at += 1
        return start, min(end, ends[at]) if at < len(ends) else end

    def covers(self, start: int, end: int) -> bool:
        """Whether every start ≤ i < end is in the set."""
        return self.missing(start, end) is None


class IntervalMap:
    """Disjoint intervals with a value each: what lies where in an arena."""

    __slots__ = ("_ends", "_starts", "_values")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._values: list[object] = []

    def add(self, start: int, end: int, value: object) -> object | None:
        """Adds an interval; where it would overlap one that is there, returns that one's value."""
        if start >= end:
            return None
        at = bisect_right(self._starts, start)
        if at and self._ends[at - 1] > start:
            return self._values[at - 1]
        if at < len(self._starts) and self._starts[at] < end:
            return self._values[at]
        self._starts.insert(at, start)
        self._ends.insert(at, end)
        self._values.insert(at, value)
        return None

    def remove(self, start: int, value: object) -> None:
        """Removes the interval that `value` was added with, where it was."""
        at = bisect_left(self._starts, start)
        if at < len(self._starts) and self._values[at] is value:
            del self._starts[at], self._ends[at], self._values[at]
