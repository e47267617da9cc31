"""Who touched which bytes last: finds pairs of accesses that nothing orders.

A space is something with bytes in which accesses can meet: one allocation, or the whole arena of
a device. For each of its segments the last write and the reads since are kept (FastTrack: Flanagan
and Freund, PLDI 2009). Since the order of a program does not depend on its schedule, one pass over
any legal order finds a race exactly where there is one.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from zkrun.analysis.clocks import Node
from zkrun.analysis.values import Value

__all__ = ["Access", "Space"]


class Access(NamedTuple):
    """One access: where in the order, and through which view."""

    node: Node
    value: Value
    writes: bool


class _Segment:
    __slots__ = ("reads", "write")

    def __init__(self, write: Access | None, reads: dict[int, Access]) -> None:
        self.write = write
        self.reads = reads  # the last one of each chain since the write

    def unordered(self, node: Node) -> Access | None:
        """An access that does not happen before the node."""
        if self.write is not None and not node.after(self.write.node):
            return self.write
        for read in self.reads.values():
            if not node.after(read.node):
                return read
        return None


class Space:
    """The segments of a space, in order. What nobody has touched is a segment without accesses."""

    __slots__ = ("_segments", "_starts", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._starts = [0]
        self._segments = [_Segment(None, {})]

    def read(self, start: int, end: int, access: Access) -> Access | None:
        """Notes a read of start ≤ i < end; returns a write that is not ordered before it."""
        if start >= end:
            return None
        node, race = access.node, None
        first, last = self._split(start), self._split(end)
        for segment in self._segments[first:last]:
            write = segment.write
            if write is not None and race is None and not node.after(write.node):
                race = write
            segment.reads[node.chain] = access
        return race

    def write(self, start: int, end: int, access: Access) -> Access | None:
        """Notes a write; returns an access that is not ordered before it."""
        if start >= end:
            return None
        node, race = access.node, None
        first, last = self._split(start), self._split(end)
        for segment in self._segments[first:last]:
            race = race or segment.unordered(node)
        self._starts[first + 1 : last] = []
        self._segments[first:last] = [_Segment(access, {})]
        return race

    def unordered(self, node: Node) -> Access | None:
        """An access anywhere that does not happen before a node."""
        for segment in self._segments:
            if race := segment.unordered(node):
                return race
        return None

    def _split(self, at: int) -> int:
        """The index of the segment that starts at `at`, which is made where there is none."""
        starts = self._starts
        if at >= self.size:
            return len(starts)
        index = bisect_right(starts, at) - 1
        if starts[index] == at:
            return index
        segment = self._segments[index]
        starts.insert(index + 1, at)
        self._segments.insert(index + 1, _Segment(segment.write, dict(segment.reads)))
        return index + 1
