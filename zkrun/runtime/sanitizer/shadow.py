"""Who touched what last: of single things, and of each byte of memory.

Of each byte the last write and the reads since are kept (FastTrack: Flanagan and Freund, PLDI
2009).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zkrun.runtime.sanitizer.clocks import Stamp

__all__ = ["Access", "History", "Shadow"]


class Access(NamedTuple):
    """What an instruction did with something: "reads", "writes", "frees", …"""

    stamp: Stamp
    at: int  # the position of the instruction
    does: str
    block: Any = None  # the allocation by which memory is touched


@dataclass(slots=True, eq=False)
class History:
    """The last change of something, and its uses since by each actor."""

    change: Access | None = None
    uses: dict[int, Access] = field(default_factory=dict)

    def use(self, access: Access) -> Access | None:
        """Notes a use; returns the change where that is not ordered before."""
        self.uses[access.stamp.actor] = access
        if self.change is not None and not access.stamp.after(self.change.stamp):
            return self.change
        return None

    def alter(self, access: Access) -> Access | None:
        """Notes a change; returns an earlier change or use that is not ordered before."""
        earlier = [*([self.change] if self.change else []), *self.uses.values()]
        self.change, self.uses = access, {}
        return next((one for one in earlier if not access.stamp.after(one.stamp)), None)

    def copy(self) -> History:
        return History(self.change, dict(self.uses))


class Shadow:
    """The histories of the bytes of a memory, by address: one for each stretch of bytes."""

    def __init__(self) -> None:
        self._starts = [0]
        self._histories = [History()]

    def stretches(self, start: int, end: int) -> Iterator[History]:
        """The histories of start ≤ i < end, split so that they cover just these bytes."""
        first = self._split(start)
        yield from self._histories[first : self._split(end)]

    def merge(self, start: int, end: int) -> None:
        """Makes one stretch of bytes that one access has changed."""
        first = self._split(start)
        last = self._split(end)
        self._starts[first + 1 : last] = []
        self._histories[first + 1 : last] = []

    def _split(self, at: int) -> int:
        index = bisect_right(self._starts, at) - 1
        if self._starts[index] == at:
            return index
        self._starts.insert(index + 1, at)
        self._histories.insert(index + 1, self._histories[index].copy())
        return index + 1
