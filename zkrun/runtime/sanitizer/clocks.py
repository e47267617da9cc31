"""The order of a run as it happens: what each thread and each stream knows of the others.

Vector clocks (Mattern, "Virtual time and global states of distributed systems", 1989), kept while
the program runs. Two threads that queue on one stream without an order between them are not ordered
by the queue either: that they came in this order was luck.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import count
from typing import NamedTuple

__all__ = ["Feed", "Stamp", "Timeline"]

Clock = dict[int, int]

_numbers = count()


class Stamp(NamedTuple):
    """A moment of an actor: its own time, and the last moment of each other that comes before."""

    actor: int
    time: int
    clock: Clock

    def after(self, other: Stamp) -> bool:
        """Whether the other moment comes before this one, or is it."""
        known = self.time if other.actor == self.actor else self.clock.get(other.actor, -1)
        return known >= other.time


class Timeline:
    """The moments of a thread."""

    def __init__(self, after: Iterable[Stamp] = ()) -> None:
        self._actor = next(_numbers)
        self._time = 0
        self._clock = _joined(after)

    @property
    def now(self) -> Stamp:
        return Stamp(self._actor, self._time, self._clock)

    def step(self) -> Stamp:
        """The next moment."""
        self._time += 1
        return self.now

    def learn(self, stamp: Stamp) -> None:
        """All that follows comes after this moment of another."""
        if not self.now.after(stamp):
            self._clock = _joined((self.now, stamp))
            self._clock.pop(self._actor, None)


class Feed:
    """The moments of a stream: what each thread queues on it is an actor of its own."""

    def __init__(self) -> None:
        self._actors: dict[int, tuple[int, list[int], list[Stamp]]] = {}

    def step(self, issue: Stamp, waited: Stamp | None = None) -> Stamp:
        """The moment at which work passes that was queued at another; of a Wait, after a third."""
        if issue.actor not in self._actors:
            self._actors[issue.actor] = (next(_numbers), [], [])
        actor, issued, passed = self._actors[issue.actor]
        before = [issue] if waited is None else [issue, waited]
        for thread, (_, times, stamps) in self._actors.items():
            known = issue.time if thread == issue.actor else issue.clock.get(thread, -1)
            if at := bisect_right(times, known):
                before.append(stamps[at - 1])
        clock = _joined(before)
        clock.pop(actor, None)
        stamp = Stamp(actor, len(passed), clock)
        issued.append(issue.time)
        passed.append(stamp)
        return stamp


def _joined(stamps: Iterable[Stamp]) -> Clock:
    """All that these moments know, and they themselves."""
    clock: Clock = {}
    for stamp in stamps:
        for actor, time in (*stamp.clock.items(), (stamp.actor, stamp.time)):
            if clock.get(actor, -1) < time:
                clock[actor] = time
    return clock
