"""What a GPU was given and has not reported yet, and when it ran."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cupy.cuda import runtime

from zkrun.devices.base import Clock, Event
from zkrun.devices.cuda.streams.graphs import Mark
from zkrun.devices.cuda.streams.queue import AtLanding

__all__ = ["NOT_READY", "Flight", "Times"]

NOT_READY = 600
"""What the driver says of an event that work has not reached."""

_REBASE = 1000.0  # ms after which times are measured from a later event: they are 32-bit floats


@dataclass(slots=True, eq=False)
class Flight:
    """Work that has passed when its CUDA event has.

    A graph is one flight: its last instruction, with marks of all.
    """

    kind: str  # "run", "record" or "wait"
    at: int
    submitted: int  # perf_counter_ns
    cuda: int
    event: Event | None
    checks: Sequence[AtLanding]
    marks: Sequence[Mark] = ()
    landed: bool = False
    urgent: bool = False  # somebody is blocked by it

    def first(self) -> int:
        """The first instruction of it."""
        return self.marks[0].at if self.marks else self.at

    def run_checks(self, note: Callable[[int], None]) -> None:
        """Raises what the work has failed with; `note` is told whose checks are next."""
        for at, checks in [(m.at, m.checks) for m in self.marks] or [(self.at, self.checks)]:
            note(at)
            for check in checks:
                check()


class Times:
    """Tells a clock when work ran: from events against one whose time the host knows.

    A graph's time is shared out by what its instructions took by themselves.
    """

    alone: dict[int, int] | None = None  # where to note that: ns by instruction

    def __init__(self, clock: Clock, base: int, stream: int) -> None:
        self._clock = clock
        self._last = 0  # when the work before ended
        runtime.eventRecord(base, stream)
        # Who sleeps until then wakes up too late to say when it was.
        while (status := runtime.eventQuery(base)) == NOT_READY:
            pass
        if status:
            raise runtime.CUDARuntimeError(status)
        self.base = base
        self._base_time = time.perf_counter_ns()

    def tell(self, flight: Flight) -> None:
        """Each piece of work ran from the end of what was before it, or from its own arrival."""
        elapsed: float = runtime.eventElapsedTime(self.base, flight.cuda)
        last = self._last
        end = max(last, self._base_time + round(elapsed * 1e6))
        start = end if flight.kind == "record" else min(end, max(last, flight.submitted))
        self._last = end
        if flight.marks:
            self._share_out(flight.marks, start, end)
        else:
            self._clock(flight.at, start, end)
            if self.alone is not None:
                self.alone[flight.at] = end - start
        if elapsed > _REBASE:
            self.base, self._base_time = flight.cuda, end

    def _share_out(self, marks: Sequence[Mark], start: int, end: int) -> None:
        alone = self.alone or {}
        shares = [alone.get(mark.at, 0) + 1 for mark in marks]
        whole, passed = sum(shares), 0
        for mark, share in zip(marks, shares, strict=True):
            before, passed = passed, passed + share
            began, ended = ((end - start) * part // whole for part in (before, passed))
            self._clock(mark.at, start + began, start + ended)

    def tell_host(self, at: int, start: int) -> None:
        """What a worker did from `start` until now."""
        start = max(start, self._last)  # what the GPU did before is not measured to the ns
        self._last = max(start, time.perf_counter_ns())
        self._clock(at, start, self._last)
