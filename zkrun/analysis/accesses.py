"""Who touched which bytes last: finds pairs of accesses that nothing orders.

A space is something with bytes in which accesses can meet: one allocation, or the whole arena of
a device. For each of its segments the last write and the reads since are kept (FastTrack: Flanagan
and Freund, PLDI 2009). Since the order of a program does not depend on its schedule, one pass over
any legal order finds a race exactly where there is one.
"""

from __future__ import annotations

from typing import NamedTuple

from zkrun.analysis.clocks import Node
from zkrun.analysis.effort import Effort
from zkrun.analysis.segments import Segments
from zkrun.analysis.values import Value

__all__ = ["Access", "Space"]

_FREE = 8  # segments of a read, and reads of a segment, that are not counted as effort
_READ = 2  # steps for each of more


class Access(NamedTuple):
    """One access: where in the order, and through which view."""

    node: Node
    value: Value
    writes: bool


class _Touched:
    """What is known of one segment."""

    __slots__ = ("reads", "write")

    def __init__(self, write: Access | None, reads: dict[int, Access] | None = None) -> None:
        self.write = write
        self.reads = reads  # the last one of each chain since the write

    def unordered(self, node: Node) -> Access | None:
        """An access that does not happen before the node."""
        if self.write is not None and not node.after(self.write.node):
            return self.write
        for read in self.reads.values() if self.reads else ():
            if not node.after(read.node):
                return read
        return None


class Space:
    """The segments of a space. What nobody has touched is a segment without accesses."""

    __slots__ = ("_effort", "_segments")

    def __init__(self, size: int, effort: Effort) -> None:
        self._effort = effort
        self._segments = Segments(size, _Touched(None))

    def read(self, start: int, end: int, access: Access) -> Access | None:
        """Notes a read of start ≤ i < end; returns a write that is not ordered before it."""
        if start >= end:
            return None
        node, race = access.node, None
        touched = self._cut(start, end)
        if len(touched) > _FREE:
            self._effort.spend(_READ * len(touched))
        for segment in touched:
            write = segment.write
            if write is not None and race is None and not node.after(write.node):
                race = write
            if segment.reads is None:
                segment.reads = {}
            segment.reads[node.chain] = access
        return race

    def write(self, start: int, end: int, access: Access) -> Access | None:
        """Notes a write; returns an access that is not ordered before it."""
        if start >= end:
            return None
        node, race = access.node, None
        for segment in self._cut(start, end):
            race = race or segment.unordered(node)
        self._segments.replace(start, end, _Touched(access))
        return race

    def unordered(self, node: Node) -> Access | None:
        """An access anywhere that does not happen before a node."""
        for _, _, segment in self._segments.between(0, self._segments.size):
            if race := segment.unordered(node):
                return race
        return None

    def _cut(self, start: int, end: int) -> list[_Touched]:
        """What is known of start ≤ i < end, in segments of just these bytes."""
        self._segments.cut(start, self._copy)
        self._segments.cut(end, self._copy)
        return self._segments.values(start, end)

    def _copy(self, touched: _Touched) -> _Touched:
        reads = touched.reads
        if reads and len(reads) > _FREE:
            self._effort.spend(_READ * len(reads))
        return _Touched(touched.write, dict(reads) if reads else None)
