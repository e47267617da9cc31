"""A queue of work with a thread of its own."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from zkrun.devices.base import Cancelled, Clock, Event, Stream
from zkrun.errors import ResourceLimit

if TYPE_CHECKING:
    from zkrun.devices.virtual.device import VirtualGpu

__all__ = ["Hesitation", "VirtualStream"]

Work = Callable[[], None]


class Hesitation:
    """How long a stream holds ready work back: mostly not at all, at times for milliseconds.

    The whole of it is bounded, so that long programs are shuffled at their start rather than slowed
    without end.
    """

    def __init__(self, source: random.Random, budget: float = 2.0) -> None:
        self._source = source
        self._left = budget  # seconds

    def next(self) -> float:
        """Seconds to hold the next work back."""
        pause = self._source.choice((0.0, 0.0, 0.0, 0.0002, 0.001, 0.005, 0.02))
        pause = min(pause * self._source.random() * 2, self._left)
        self._left -= pause
        return pause


class VirtualStream(Stream):
    """Runs what is queued, in order, on one worker thread.

    After a failure or a cancellation nothing more is run: what was queued is dropped, and events
    that were to be recorded complete with the error, so that nobody waits for ever.
    """

    def __init__(
        self,
        device: VirtualGpu,
        name: str,
        clock: Clock,
        fail: Callable[[int, BaseException], None],
        hesitation: Hesitation | None = None,
    ) -> None:
        self.device: VirtualGpu = device
        self._clock = clock
        self._fail = fail
        self._hesitation = hesitation
        self._changed = threading.Condition()
        self._queue: deque[tuple[int, Work, Event | None]] = deque()
        self._busy = False
        self._closing = False
        self._error: BaseException | None = None
        self._worker = threading.Thread(target=self._loop, name=name, daemon=True)
        try:
            self._worker.start()
        except RuntimeError as error:
            raise ResourceLimit(f"{name}: the system gives no thread for it") from error

    def run(self, at: int, work: Callable[..., None], *operands: object) -> None:
        self._put(at, partial(work, *operands))

    def record(self, at: int, event: Event) -> None:
        self._put(at, event.complete, event)

    def wait(self, at: int, event: Event) -> None:
        self._put(at, lambda: self._await(event))

    def synchronize(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._error or not (self._queue or self._busy))
        if self._error is not None:
            raise Cancelled("the run was cancelled") from self._error

    def cancel(self, error: BaseException | None = None) -> None:
        """Drops what is queued and wakes whoever waits. Work that runs goes on."""
        with self._changed:
            if self._error is None:
                self._error = error or Cancelled("the run was cancelled")
            dropped = list(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        for _, _, event in dropped:
            if event is not None:
                event.complete(self._error)

    def close(self) -> None:
        self.cancel(Cancelled("the stream was closed"))
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._worker is not threading.current_thread():
            self._worker.join()
        self.device.forget(self)

    def _put(self, at: int, work: Work, event: Event | None = None) -> None:
        """Queues work, which completes `event` where one is given."""
        with self._changed:
            if self._error is None:
                self._queue.append((at, work, event))
                self._changed.notify_all()
                return
        if event is not None:
            event.complete(self._error)

    def _loop(self) -> None:
        while (item := self._next()) is not None:
            at, work, event = item
            if self._hesitation is not None and (pause := self._hesitation.next()):
                with self._changed:
                    self._changed.wait_for(lambda: self._error is not None, pause)
            start = time.perf_counter_ns()
            try:
                if self._error is None:
                    work()
                    self._clock(at, start, time.perf_counter_ns())
            except BaseException as error:  # told to the engine, which ends the run
                self._stop(at, error)
            if self._error is not None and event is not None:
                event.complete(self._error)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> tuple[int, Work, Event | None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if not self._queue:
                return None
            self._busy = True
            return self._queue.popleft()

    def _await(self, event: Event) -> None:
        def notify() -> None:
            with self._changed:
                self._changed.notify_all()

        event.subscribe(notify)
        with self._changed:
            self._changed.wait_for(lambda: event.is_complete() or self._error is not None)
        if self._error is not None:
            raise Cancelled("the run was cancelled")
        event.check()

    def _stop(self, at: int, error: BaseException) -> None:
        if not isinstance(error, Cancelled):  # else what made the run stop has been told already
            self._fail(at, error)  # first, or those who wait for the work would fail before it
        self.cancel(error)
