"""What a stream has given to the GPU, until it has passed and that has been told.

To land work is to look whether it failed, to bring short copies to their places in the host's
memory, to tell when it ran, and to complete its event. Nobody hurries to do it, for it takes Python
from the threads that queue work: a thread of the program that waits for an event looks at the GPU
itself, goes on as soon as the event has passed, and lands other work while it has nothing better to
do. What is left to the streams' workers lands in their leisure, except for what somebody is blocked
by.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from cupy.cuda import runtime

from zkrun.devices.base import Clock, Event
from zkrun.devices.cuda.streams.events import EventPool
from zkrun.devices.cuda.streams.flights import NOT_READY, Flight, Times

__all__ = ["Landing"]

_TOGETHER = 256  # flights that land together; more of them are not to wait for leisure
_FEW = 8  # that land while a thread waits for another one
# Seconds between two looks at an event, beside what the system adds: at least, and at most. Between
# them it is a share of what has been waited, which is small where a thread of the program waits.
_PAUSE, _LONGEST_PAUSE = 20e-6, 1e-3
_SHARE, _SHARE_OF_WORKER = 1 / 256, 1 / 8


class _Shared:
    """Of all streams of the process."""

    def __init__(self) -> None:
        # Held by who lands: who lands a wait may land what it waited for, on another stream.
        self.landing = threading.RLock()
        self.open: list[Landing] = []
        # Flights that may have failed in a way that only the host can see, and those of streams
        # that have failed: who waits for what came after them elsewhere is to find that out.
        self.unchecked = 0


_shared = _Shared()


class Landing:
    """The flights of one stream. `changed` is the condition that guards what is queued on any.

    `stop(at, error)` ends the stream, and `error()` is what has ended it.
    """

    def __init__(
        self,
        changed: threading.Condition,
        events: EventPool,
        stop: Callable[[int, BaseException], None],
        error: Callable[[], BaseException | None],
    ) -> None:
        self._changed = changed
        self._events = events
        self._stop, self._error = stop, error
        self._held: list[int] = []  # events that times are, or were, measured from
        self._watchers: set[object] = set()  # threads that look at events
        self._never_checked = 0  # flights with checks since the stream has failed
        self.flights: deque[Flight] = deque()
        self.urgent = 0  # flights that somebody is blocked by
        self.waiting = 0  # threads that wait until there are no flights
        self.times: Times

    def begin(self, clock: Clock, stream: int) -> None:
        """Before the first flight: times are told to a clock, and measured from now on."""
        base = self._events.take()
        self._held.append(base)
        self.times = Times(clock, base, stream)
        with self._changed:
            _shared.open.append(self)

    # With `changed` held.

    def add(self, flight: Flight) -> None:
        """Notes what the GPU was given."""
        self.flights.append(flight)
        if flight.checks:
            _shared.unchecked += 1

    def hurry(self, flight: Flight) -> None:
        """Makes the worker land it at once."""
        flight.urgent = True
        self.urgent += 1
        self._changed.notify_all()

    @property
    def is_urgent(self) -> bool:
        """Whether somebody is blocked, or there are too many flights."""
        return bool(self.urgent or self.waiting or len(self.flights) > _TOGETHER)

    def next(self) -> Flight:
        """The last of the flights that land together: up to one that somebody is blocked by."""
        for number, flight in enumerate(self.flights):
            if flight.urgent or number == _TOGETHER:
                break
        return flight

    # By the stream's worker.

    def land(self, last: Flight) -> None:
        """Waits for a flight, and lands all up to it."""
        status = _wait(last)
        if status:  # whatever the GPU says: not which of them it was
            with self._changed:
                first = self.flights[0] if self.flights else last
            self._stop(first.first(), runtime.CUDARuntimeError(status))
        self._finish_up_to(last)

    # By any thread.

    def watch(self, flight: Flight, event: Event | None = None) -> None:
        """Blocks until a flight has landed, or only until its event has completed, or until the
        stream has failed. Leaves failures of the GPU to the worker."""
        watcher = object()
        self._watchers.add(watcher)
        try:
            self._watch(flight, event)
        finally:
            self._watchers.discard(watcher)

    def _watch(self, flight: Flight, event: Event | None) -> None:
        start = time.monotonic()
        while not flight.landed and self._error() is None:
            if event is not None and event.is_complete():
                return
            status: int = runtime.eventQuery(flight.cuda)
            if status == 0 and event is not None and not _shared.unchecked:
                event.complete()
            elif status == 0:
                self._finish_up_to(flight)
            elif status != NOT_READY:
                return
            elif not _land_some():
                _pause(start, _SHARE)

    def _finish_up_to(self, last: Flight) -> None:
        """Lands flights that have passed, or never will since the run has failed."""
        with _shared.landing:
            count = 0
            while not last.landed:
                self._finish(self.flights[count])
                count += 1
            if count:
                with self._changed:
                    for _ in range(count):
                        self._let_go(self.flights.popleft())
                    if self.waiting:
                        self._changed.notify_all()

    def _finish(self, flight: Flight) -> None:
        failed = flight.at

        def note(at: int) -> None:
            nonlocal failed
            failed = at

        try:
            if self._error() is None:
                if flight.kind == "wait" and flight.event is not None:
                    _finish_awaited(flight.event)
                self.times.tell(flight)
                flight.run_checks(note)
        except BaseException as error:  # told to the engine, which ends the run
            self._stop(failed, error)
        if flight.kind == "record" and flight.event is not None:
            flight.event.complete(self._error())
        flight.landed = True

    def _let_go(self, flight: Flight) -> None:
        self.urgent -= flight.urgent
        if self._error() is None:
            _shared.unchecked -= bool(flight.checks)
        else:
            self._never_checked += bool(flight.checks)
        # Who is to wait for it from now on finds that it has completed, and asks no GPU.
        if flight.cuda == self.times.base:
            self._held.append(flight.cuda)
        else:
            self._events.give([flight.cuda])

    def close(self) -> None:
        """Gives events back, when all has passed and whoever waits is told to go on."""
        with self._changed:
            if self in _shared.open:
                _shared.open.remove(self)
            _shared.unchecked -= self._never_checked
        while self._watchers:  # they leave at once
            time.sleep(_PAUSE)
        self._events.give(self._held)
        self._events.give(flight.cuda for flight in self.flights)


def _finish_awaited(event: Event) -> None:
    """Raises Cancelled if what the GPU has waited for has failed."""
    recording = event.native
    if _shared.unchecked and recording is not None and recording.flight is not None:
        recording.stream.landing._finish_up_to(recording.flight)
    event.check()


def _land_some() -> bool:
    """Lands a few flights that have passed, of any stream; whether there were any."""
    if not _shared.landing.acquire(blocking=False):
        return False
    try:
        for landing in tuple(_shared.open):
            count = min(len(landing.flights), _FEW)
            while count and runtime.eventQuery(landing.flights[count - 1].cuda):
                count //= 2
            if count:
                landing._finish_up_to(landing.flights[count - 1])
                return True
        return False
    finally:
        _shared.landing.release()


def _wait(flight: Flight) -> int:
    """Sleeps until a flight has passed or landed; what the driver says of it, 0 where all is well.

    Once it has landed, its event may follow other work, which is not waited for.
    """
    start = time.monotonic()
    while not flight.landed:
        status: int = runtime.eventQuery(flight.cuda)
        if status != NOT_READY:
            return status
        _pause(start, _SHARE_OF_WORKER)
    return 0


def _pause(start: float, share: float) -> None:
    """Sleeps for a share of the time since `start`, within the bounds."""
    time.sleep(min(max(_PAUSE, share * (time.monotonic() - start)), _LONGEST_PAUSE))
