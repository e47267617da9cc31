"""Streams of a real GPU.

What is queued goes to the CUDA stream at once, on the thread that queues it, which never waits.
An event follows each piece, by which landing.py reports when the work ran and whether it failed,
and completes the program's events. Each stream has a worker besides, which

- sees to that where no thread of the program waits for it;
- runs what cannot be queued at once, with all that comes behind it: a copy by way of the host, and
  whatever waits for an event that is not recorded yet. Such a wait never reaches the GPU, where
  streams may share a hardware queue and so would wait for each other.

One lock for all streams guards what is queued; nobody waits while holding it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from cupy.cuda import runtime

from zkrun.devices.base import Cancelled, Clock, Event, Stream, Work
from zkrun.devices.cuda import _rows
from zkrun.devices.cuda.errors import explain, give_back
from zkrun.devices.cuda.streams.flights import Flight
from zkrun.devices.cuda.streams.graphs import Lane, Mark
from zkrun.devices.cuda.streams.landing import Landing
from zkrun.devices.cuda.streams.queue import AtLanding, MustBlock, Queue, current
from zkrun.errors import ResourceLimit

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice

__all__ = ["CudaStream"]

_LEISURE = 0.02  # seconds after which work lands that nobody waits for

_lock = threading.RLock()


@dataclass(slots=True, eq=False)
class _Recording:
    """`native` of an event: the flight that records it, and the streams that it holds up."""

    flight: Flight | None = None
    waiters: list[CudaStream] = field(default_factory=list)
    stream: CudaStream | None = None  # which the flight is on


@dataclass(slots=True, eq=False)
class _Operation:
    """What was queued and has not reached the GPU: one of `work`, `works` and `event` is given."""

    kind: str  # "run", "record" or "wait"
    at: int
    work: Work | None = None
    event: Event | None = None
    works: Sequence[tuple[int, Work]] | None = None
    key: object = None
    blocks: bool = False  # is for the worker
    subscribed: bool = False


class CudaStream(Queue, Stream):
    """A CUDA stream and its worker. After a failure nothing more is queued."""

    device: CudaDevice

    def __init__(
        self,
        device: CudaDevice,
        name: str,
        clock: Clock,
        fail: Callable[[int, BaseException], None],
        lane: Lane,
    ) -> None:
        Queue.__init__(self, device, lane.memory)
        self.device = device
        self.lane = lane
        self._fail = fail
        self._changed = threading.Condition(_lock)
        self._operations: deque[_Operation] = deque()
        self._error: BaseException | None = None
        self._closing = False
        self._advancing = False
        self._events = device.events
        self.landing = Landing(self._changed, self._events, self._stop, lambda: self._error)
        self._direct = _rows.Direct(
            device.index,
            self.handle,
            _lock.acquire,
            _lock.release,
            self._operations,
            self.rows.ready,
            self._events.take,
            Flight,
            self.landing.add,
        )
        self._worker = threading.Thread(target=self._loop, name=name, daemon=True)
        try:
            self.landing.begin(clock, self.handle)
            _start(self._worker)
        except BaseException:
            self._give_back()
            raise

    def run(self, at: int, work: Callable[..., None], *operands: object) -> None:
        try:
            if self._direct.submit(self, at, work, operands):
                return
        except BaseException as error:  # told to the engine, which ends the run
            with _lock:
                self._stop(at, error)
            return
        with _lock:
            if self._error is None and (
                self._operations or not self._submit(at, work, operands)
            ):  # else it is with the GPU
                blocks, later = not self._operations, partial(work, *operands)
                self._operations.append(_Operation("run", at, later, blocks=blocks))
                self._changed.notify_all()

    def run_all(self, works: Sequence[tuple[int, Work]], key: object) -> None:
        with _lock:
            if self._error is None:
                self._operations.append(_Operation("run", works[0][0], works=works, key=key))
                self._advance()

    def record(self, at: int, event: Event) -> None:
        with _lock:
            if self._error is None:
                self._operations.append(_Operation("record", at, None, event))
                self._advance()
                return
        event.complete(self._error)

    def wait(self, at: int, event: Event) -> None:
        with _lock:
            if self._error is None:
                self._operations.append(_Operation("wait", at, None, event))
                self._advance()

    def synchronize(self) -> None:
        landing = self.landing
        with self._changed:
            last = landing.flights[-1] if landing.flights and not self._operations else None
        if last is not None:
            landing.watch(last)
        with self._changed:
            landing.waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._error or not (self._operations or landing.flights))
            landing.waiting -= 1
        if self._error is not None:
            raise Cancelled("the run was cancelled") from self._error

    def cancel(self, error: BaseException | None = None) -> None:
        """Drops what has not reached the GPU and wakes whoever waits. Kernels that run go on."""
        with _lock:
            if self._error is None:
                self._error = error or Cancelled("the run was cancelled")
                self._direct.is_open = False
            dropped = list(self._operations)
            self._operations.clear()
            events = [flight.event for flight in self.landing.flights if flight.kind == "record"]
            self._changed.notify_all()
        events += [operation.event for operation in dropped if operation.kind == "record"]
        for event in events:
            if event is not None:
                event.complete(self._error)

    def close(self) -> None:
        self.cancel(Cancelled("the stream was closed"))
        with _lock:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
        if self._worker is not threading.current_thread():
            self._worker.join()
        give_back(self.device.use)
        self._give_back()
        self.device.forget(self)

    def _give_back(self) -> None:
        self.close_queue()
        self.landing.close()

    # What follows up to the worker's part is called with the lock held.

    def _submit(
        self, at: int, work: Callable[..., None], operands: tuple[object, ...] = ()
    ) -> bool:
        """Runs work that launches on this stream; whether it could without waiting."""
        here = current.here
        before, here.queue = here.queue, self
        submitted = time.perf_counter_ns()
        try:
            self.device.use(here)
            work(*operands)
            self._fly("run", at, submitted, None)
        except MustBlock:
            self.checks.clear()
            return False
        except BaseException as error:  # told to the engine, which ends the run
            self._stop(at, error)
            return True
        finally:
            here.queue = before
        return True

    def _replay(self, works: Sequence[tuple[int, Work]], key: object) -> bool:
        """Queues work as a graph; whether there is one."""
        self.device.use()
        self.landing.times.alone = self.lane.times
        graph = self.lane.graph(works, key)
        if graph is None:
            return False
        submitted = time.perf_counter_ns()
        runtime.graphLaunch(graph.handle, self.handle)
        self.checks = [check for mark in graph.marks for check in mark.checks]
        self._fly("run", works[-1][0], submitted, None, graph.marks)
        return True

    def _fly(
        self,
        kind: str,
        at: int,
        submitted: int,
        event: Event | None,
        marks: Sequence[Mark] = (),
    ) -> Flight:
        """Notes what the GPU was given, up to now, and lets an event follow it."""
        cuda = self._events.take()
        runtime.eventRecord(cuda, self.handle)
        checks: Sequence[AtLanding] = ()
        if self.checks:
            checks, self.checks = self.checks, []
        flight = Flight(kind, at, submitted, cuda, event, checks, marks)
        self.landing.add(flight)
        return flight

    def _record(self, at: int, event: Event) -> None:
        self.device.use()
        recording = _recording(event)
        recording.stream = self
        recording.flight = self._fly("record", at, time.perf_counter_ns(), event)
        event.watch = partial(self.landing.watch, recording.flight, event)
        if event.wanted:
            self.landing.hurry(recording.flight)
        waiters, recording.waiters = recording.waiters, []
        for stream in waiters:
            stream._advance()

    def _advance(self) -> None:
        """Gives the GPU what needs not wait any more."""
        if self._advancing:  # what this has started has woken the stream: it goes on by itself
            return
        self._advancing = True
        try:
            self._start_all()
        finally:
            self._advancing = False

    def _start_all(self) -> None:
        while self._operations and self._error is None:
            head = self._operations.popleft()
            try:
                started = not head.blocks and self._start(head)
            except BaseException as error:  # told to the engine, which ends the run
                self._stop(head.at, error)
                if head.kind == "record" and head.event is not None:
                    head.event.complete(self._error)
                return
            if not started:
                self._operations.appendleft(head)
                self._changed.notify_all()
                return

    def _start(self, head: _Operation) -> bool:
        if head.work is not None:
            head.blocks = not self._submit(head.at, head.work)
            return not head.blocks
        if head.works is not None:
            if not self._replay(head.works, head.key):
                single = (_Operation("run", at, work) for at, work in reversed(head.works))
                self._operations.extendleft(single)
            return True
        event = head.event
        assert event is not None
        if head.kind == "record":
            self._record(head.at, event)
            return True
        recording = _recording(event)
        if event.is_complete():
            if event.error is not None:
                self._stop(head.at, Cancelled("the run was cancelled"))
                return True
        elif recording.flight is not None:
            self.device.use()
            runtime.streamWaitEvent(self.handle, recording.flight.cuda)
        else:
            if not head.subscribed:
                head.subscribed = True
                recording.waiters.append(self)
                event.subscribe(self._wake)
            return event.is_complete() and self._start(head)  # it may have completed meanwhile
        self.device.use()
        self._fly("wait", head.at, time.perf_counter_ns(), event)
        return True

    def _wake(self) -> None:
        with _lock:
            self._advance()
            self._changed.notify_all()

    def _stop(self, at: int, error: BaseException) -> None:
        error = explain(error, self.device.account)
        if self._error is None and not isinstance(error, Cancelled):
            self._fail(at, error)  # first, or those who wait for the work would fail before it
        self.cancel(error)

    # The worker's part.

    def _loop(self) -> None:
        give_back(self.device.use)  # what is wrong with the GPU, work will tell
        while (item := self._next()) is not None:
            if isinstance(item, _Operation):
                self._run_blocking(item)
            else:
                self.landing.land(item)

    def _next(self) -> Flight | _Operation | None:
        """What to wait for, or to run here, next: what was queued first comes first."""
        flights = self.landing.flights
        late = False
        with _lock:
            while True:
                if self._error is None:
                    self._advance()
                if flights and (late or self._must_land()):
                    return self.landing.next()
                if self._operations and self._operations[0].blocks:
                    return self._operations[0]
                if self._closing and not flights:
                    return None
                late = not self._changed.wait(_LEISURE)  # nobody says that there is a flight

    def _must_land(self) -> bool:
        """Whether to follow the GPU at once: else the thread that queues has Python to itself."""
        return bool(
            self.landing.is_urgent or self._operations or self._closing or self._error is not None
        )

    def _run_blocking(self, operation: _Operation) -> None:
        assert operation.work is not None
        start = time.perf_counter_ns()
        here = current.here
        here.queue, self.may_block = self, True
        try:
            self.device.use()  # what has landed may have woken a stream of another GPU
            operation.work()
            runtime.streamSynchronize(self.handle)
            self.run_checks()
            self.landing.times.tell_host(operation.at, start)
        except BaseException as error:  # told to the engine, which ends the run
            self._stop(operation.at, error)
        finally:
            here.queue, self.may_block = None, False
        with _lock:
            if self._operations and self._operations[0] is operation:
                self._operations.popleft()
            self._changed.notify_all()


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as error:
        raise ResourceLimit(f"{thread.name}: the system gives no thread for it") from error


def _recording(event: Event) -> _Recording:
    if event.native is None:
        event.native = _Recording()
    recording: _Recording = event.native
    return recording
