"""The state of one run that its threads and streams share, and how the run fails as a whole."""

from __future__ import annotations

import errno
import threading
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING

from zkrun.devices.base import Cancelled, Device, Event, Stream, Value
from zkrun.errors import Interrupted, ResourceLimit, RunFailed, Where, ZkrunError
from zkrun.runtime.threads import Pool

if TYPE_CHECKING:
    from zkrun.runtime.sanitizer import Sanitizer

__all__ = ["Body", "Run", "Step", "StreamRecord", "describe"]

Step = Callable[[], None]

_TURN = 0.1  # seconds


@dataclass(slots=True, eq=False)
class Body:
    """One thread of the program, linked: its steps, and when each ended.

    `at` holds the positions of its instructions. A step starts when the one before it ended, so one
    column of times describes the thread.
    """

    thread: int | None
    track: int
    steps: list[Step] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    ends: array[int] = field(default_factory=lambda: array("q"))
    start: int = 0
    done: Event = field(default_factory=Event)  # for those who join it; a failed run completes it
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, eq=False)
class StreamRecord:
    """A stream of the run, and what it did: (position, start, end) for each piece of work."""

    variable: int
    device: str
    track: int
    stream: Stream | None = None
    work: list[tuple[int, int, int]] = field(default_factory=list)
    retired: Event | None = None  # completes when a deallocated stream has done its work

    def stamp(self, at: int, start: int, end: int) -> None:
        """The clock of the stream, called on its worker."""
        self.work.append((at, start, end))

    def has_passed(self) -> bool:
        """Whether it was deallocated and has done all its work."""
        return self.retired is not None and self.retired.is_complete()

    def close(self) -> None:
        """Ends the stream. Idempotent."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()


class Run:
    """One run of a linked program: variables, events, devices, and the first failure."""

    def __init__(self, devices: dict[str, Device], pool: Pool) -> None:
        self.devices = devices
        self.slots: list[Value] = []
        self.pool = pool
        self.events: dict[int, Event] = {}
        self.bodies: list[Body] = []
        self.places: list[Where] = []
        self.streams: list[StreamRecord] = []  # all that there ever were
        self.open_streams: dict[Stream, StreamRecord] = {}  # what no Deallocate has named yet
        self.retired: list[StreamRecord] = []  # deallocated, not closed yet
        self.memory: list[tuple[int, str, int]] = []
        self.moved: dict[int, tuple[int, str, str]] = {}  # (bytes, from, to) by position of a copy
        self.result: Value = None
        self.sanitizer: Sanitizer | None = None
        self.failure: BaseException | None = None
        self.holders: Callable[[str], str] = lambda device: ""  # who holds a device's memory
        self.stop: list[bool] = []  # holds one item once the run has failed: the cheapest flag
        self.started: list[Body] = []
        self.lock = threading.Lock()
        self.ended = False
        self._gate = threading.Lock()  # held until the run has ended
        self._gate.acquire()
        self.start = self.end = self.failed = 0

    def execute(self, body: Body) -> None:
        """Runs a thread of the program to its end, on the calling thread."""
        now, stop, ends = perf_counter_ns, self.stop, body.ends
        stamp = ends.append
        error: BaseException | None = None
        body.start = now()
        try:
            for step in body.steps:
                step()
                stamp(now())
                if stop:
                    error = Cancelled("the run was cancelled")
                    break
        except BaseException as caught:  # whatever it is, the run ends and says where
            error = caught
            self.fail(body.at[len(ends)], caught)
            stamp(now())  # after the failure, in which it was still at this
        body.done.complete(error)
        body.ended.set()

    def fork(self, body: Body) -> None:
        """Starts a thread of the program."""
        with self.lock:
            self.started.append(body)
        try:
            self.pool.submit(lambda: self.execute(body))
        except BaseException as error:
            body.done.complete(error)
            body.ended.set()
            raise

    def fail(self, at: int | None, error: BaseException) -> None:
        """Ends the run with its first failure; later ones are consequences. Never blocks."""
        with self.lock:
            if self.failure is not None:
                return
            if isinstance(error, ResourceLimit) and error.device is not None:
                held = self.holders(error.device)
                error.args = (f"{error}; {held}" if held else str(error),)
            self.failed = perf_counter_ns()
            self.failure = error if at is None else locate(error, self.places[at])
            self.stop.append(True)
        for event in self.events.values():
            event.complete(self.failure)
        for body in self.bodies:
            body.done.complete(self.failure)  # one that never starts may be waited for as well
        for device in self.devices.values():
            device.cancel()

    def main(self) -> None:
        """Runs the whole program: the main thread, then what is still running besides it."""
        self.start = perf_counter_ns()
        try:
            self.execute(self.bodies[0])
            joined = 0
            while joined < len(self.started):  # threads still running may fork further ones
                self.started[joined].ended.wait()
                joined += 1
            self.synchronize()
        except BaseException as error:  # a device that is lost, say: the run must not succeed
            self.fail(None, error)
        finally:
            self.end = perf_counter_ns()
            self.ended = True
            self._gate.release()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits for the end of the run; whether it has ended. Called by Python's main thread only.

        In short turns, and on a bare lock: a signal that comes just before a thread blocks would
        wait as long as the thread does, and one inside of threading.Event can leave it locked.
        """
        deadline = None if seconds is None else monotonic() + seconds
        while not self.ended:
            left = _TURN if deadline is None else min(_TURN, deadline - monotonic())
            if left <= 0:
                break
            self._gate.acquire(timeout=left)
        return self.ended

    def stop_and_wait(self) -> None:
        """Makes a run that is still going end, and waits until it has."""
        if not self.ended:
            self.fail(None, Interrupted("interrupted"))
            self.wait()

    def synchronize(self) -> None:
        """Waits for all work on all streams, unless the run has failed."""
        for record in tuple(self.streams):
            stream = record.stream
            if self.stop:
                return
            if stream is not None and not record.has_passed():
                try:
                    stream.synchronize()
                except Cancelled as error:
                    if not record.has_passed():  # else another thread has closed it meanwhile
                        self.fail(None, error)

    def release(self) -> None:
        """Lets go of all values, before their devices are closed."""
        self.slots.clear()
        self.result = None
        for body in self.bodies:
            body.steps.clear()
        for record in self.streams:
            record.close()

    def sample(self, device: Device) -> None:
        """Notes how much memory is taken on a device now."""
        self.memory.append((perf_counter_ns(), device.name, device.account.current))


def locate(error: BaseException, where: Where) -> BaseException:
    """The error as the user sees it: of this tree, saying at which instruction it happened."""
    text = describe(error)
    found: ZkrunError
    if isinstance(error, ZkrunError):
        found = error
    elif isinstance(error, MemoryError) or _no_space(error):
        found = ResourceLimit(text)
    elif isinstance(error, OSError):
        found = RunFailed(text)
    else:
        found = ZkrunError(f"a defect of zkrun: {text}")
        text = str(found)
    if found is not error:
        found.__cause__ = error
    if found.where is None:
        thread = "the main thread" if where.thread is None else f"thread {where.thread}"
        track = f", track {where.track}" if where.track else ""
        source = f", {where.source}" if where.source else ""
        found.where = where
        found.args = (f"{where.op} at {where.path} ({thread}{track}{source}): {text}",)
    return found


def describe(error: BaseException) -> str:
    """One line about an error."""
    if isinstance(error, ZkrunError):
        return str(error)
    if isinstance(error, MemoryError):
        return str(error) or "out of memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    return f"{type(error).__name__}: {error}"


def _no_space(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.ENOMEM,
        errno.EDQUOT,
        errno.EFBIG,
    )
