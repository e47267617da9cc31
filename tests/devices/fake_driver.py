"""A model of what the CUDA runtime does with streams, events and graphs, in place of CuPy.

Work is queued on streams in order. A stream that is not held does it at once; one that is held only
when it is stepped, by the test or by `play`. Memory is real memory of the host. What a program must
not do, but a driver may let pass, is noted in `misuse`.
"""

# ruff: noqa: N802, N815 - the names are CuPy's

from __future__ import annotations

import ctypes
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["GUARD", "CUDARuntimeError", "Driver"]

NOT_READY, INVALID_VALUE, INVALID_HANDLE = 600, 1, 400
BLOCKING, MOST_BLOCKING = 1, 56  # with more on their way, to record one waits for the GPU
GUARD = 30.0  # seconds after which whoever still waits is stuck


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError {status}")
        self.status = status


@dataclass(eq=False)
class Record:
    """One eventRecord."""

    passed: bool = False
    at: float = 0.0  # ms
    blocking: bool = False  # of an event that threads can sleep for


@dataclass(eq=False)
class FakeEvent:
    device: int
    flags: int
    record: Record | None = None
    waited: int = 0  # threads in eventSynchronize
    destroyed: bool = False


@dataclass(eq=False)
class FakeStream:
    """Queued: a callable, which is done, or a Record, which is waited for."""

    device: int
    queued: deque[Callable[[], None] | Record] = field(default_factory=deque)
    held: bool = False
    capture: list[Callable[[], None]] | None = None
    destroyed: bool = False


class Driver:
    """GPUs, and what is alive on them by handle. `failing`: statuses that calls give, by name.

    `lost` is a status that from now on every call gives, as after a fault of a kernel.
    """

    def __init__(self, gpus: int) -> None:
        self.gpus = gpus
        self.misuse: list[str] = []
        self.failing: dict[str, int] = {}
        self.lost = 0
        self.late_ms = 0.0  # what the GPU's clock is ahead
        self.streams: dict[int, FakeStream] = {}
        self.events: dict[int, FakeEvent] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}  # templates and executable ones
        self.memory: dict[int, Any] = {}  # of GPUs and pinned, by address
        self.created = {"events": 0, "streams": 0}
        self.launches = 0  # of graphs
        self.before: Callable[[str], None] = lambda name: None  # called outside of the lock
        self._current = threading.local()
        self._changed = threading.Condition(threading.RLock())
        self._last_handle = 0

    def call(self, name: str, *arguments: Any) -> Any:
        """One call of the runtime."""
        self.before(name)
        with self._changed:
            status = self.failing.get(name, 0) or self.lost
            if status and name not in ("getDevice", "getDeviceCount"):
                if name == "eventQuery":
                    return status
                if self.lost and name in ("eventDestroy", "streamDestroy"):
                    getattr(self, name)(*arguments)  # tried, at least
                raise CUDARuntimeError(status)
            return getattr(self, name)(*arguments)

    # For tests.

    def hold(self, handle: int) -> None:
        with self._changed:
            self.streams[handle].held = True

    def release(self) -> None:
        """Does what is queued, and from now on all at once."""
        with self._changed:
            for stream in self.streams.values():
                stream.held = False
            self._go_on()

    def step(self, handle: int, most: int = 1) -> int:
        """Does what comes next on a stream; how much of it could be done."""
        with self._changed:
            count = 0
            while count < most and self._do_next(self.streams[handle]):
                count += 1
            self._go_on()
            return count

    def launch(self, handle: int, work: Callable[[], None]) -> None:
        """A kernel."""
        self.call("_launch", handle, work)

    def poke(self, address: int, value: bytes) -> None:
        """What a kernel writes."""
        self._move(ctypes.memmove, address, value, len(value))

    @contextmanager
    def play(self, seed: int) -> Iterator[None]:
        """Meanwhile a thread steps all streams in a random order; then they are released."""
        dice, ended = random.Random(seed), threading.Event()

        def steps() -> None:
            while not ended.is_set():
                with self._changed:
                    handles = [h for h, s in self.streams.items() if s.queued]
                    if handles:
                        self.step(dice.choice(handles), dice.choice((1, 1, 2, 8, 40)))
                time.sleep(dice.choice((0, 0, 0, 1e-5, 1e-4)))

        thread = threading.Thread(target=steps)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.release()

    def _do_next(self, stream: FakeStream) -> bool:
        if not stream.queued:
            return False
        head = stream.queued[0]
        if isinstance(head, Record):
            if not head.passed:
                return False
        elif not self.lost:
            head()
        stream.queued.popleft()
        self._changed.notify_all()
        return True

    def _go_on(self) -> None:
        while any(self._do_next(s) for s in list(self.streams.values()) if not s.held):
            pass

    def _launch(self, handle: int, work: Callable[[], None]) -> None:
        stream = self._stream(handle)
        if stream.capture is not None:
            stream.capture.append(work)
            return
        stream.queued.append(work)
        self._go_on()

    def _stream(self, handle: int) -> FakeStream:
        return self._found(self.streams.get(handle), f"stream {handle}")

    def _event(self, handle: int) -> FakeEvent:
        return self._found(self.events.get(handle), f"event {handle}")

    def _found(self, thing: Any, name: str) -> Any:
        if thing is None or thing.destroyed:
            self._complain(f"{name} is used, which is not there")
        return thing

    def _complain(self, text: str) -> None:
        self.misuse.append(text)
        raise CUDARuntimeError(INVALID_HANDLE)

    def _recorded(self, handle: int) -> Record:
        record = self._event(handle).record
        if record is None:
            self._complain(f"event {handle} was never recorded")
        assert record is not None
        return record

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        if not self._changed.wait_for(lambda: ready() or self.lost, GUARD):
            self.misuse.append(f"{what} is waited for in vain")
        if self.lost or not ready():
            raise CUDARuntimeError(self.lost or NOT_READY)

    def _handle(self) -> int:
        self._last_handle += 1
        return self._last_handle

    # What the runtime has.

    def getDeviceCount(self) -> int:
        return self.gpus

    def getDevice(self) -> int:
        return getattr(self._current, "device", 0)

    def setDevice(self, device: int) -> None:
        self._current.device = device

    def deviceCanAccessPeer(self, device: int, peer: int) -> int:
        return 0

    def deviceGetDefaultMemPool(self, device: int) -> int:
        return 1

    def memPoolSetAttribute(self, pool: int, attribute: int, value: int) -> None:
        pass

    def memPoolTrimTo(self, pool: int, size: int) -> None:
        pass

    def streamCreateWithFlags(self, flags: int) -> int:
        handle = self._handle()
        self.streams[handle] = FakeStream(self.getDevice())
        self.created["streams"] += 1
        return handle

    def streamDestroy(self, handle: int) -> None:
        stream = self._stream(handle)
        if stream.queued and not self.lost:
            self.misuse.append(f"stream {handle} is destroyed before its work has passed")
        stream.destroyed = True
        del self.streams[handle]

    def streamSynchronize(self, handle: int) -> None:
        stream = self._stream(handle)
        self._wait(lambda: not stream.queued, f"stream {handle}")

    def streamWaitEvent(self, handle: int, event: int) -> None:
        self._stream(handle).queued.append(self._recorded(event))
        self._go_on()

    def eventCreateWithFlags(self, flags: int) -> int:
        handle = self._handle()
        self.events[handle] = FakeEvent(self.getDevice(), flags)
        self.created["events"] += 1
        return handle

    def eventDestroy(self, handle: int) -> None:
        event = self._event(handle)
        if event.waited:
            self.misuse.append(f"event {handle} is destroyed while a thread waits for it")
        event.destroyed = True

    def eventRecord(self, handle: int, stream: int) -> None:
        event = self._event(handle)
        record = Record(blocking=bool(event.flags & BLOCKING))
        waiting = [e.record for e in self.events.values() if e.record and e.record.blocking]
        if record.blocking and sum(not one.passed for one in waiting) >= MOST_BLOCKING:
            self.misuse.append(f"event {handle}: to record it waits for the GPU")
        if event.device != self._stream(stream).device:
            self._complain(f"event {handle} is of another GPU than the stream")
        if event.waited or (event.record is not None and not event.record.passed):
            self.misuse.append(f"event {handle} is recorded again before that has passed")

        def passes() -> None:
            record.passed, record.at = True, time.perf_counter_ns() / 1e6 + self.late_ms

        event.record = record
        self._launch(stream, passes)

    def eventQuery(self, handle: int) -> int:
        return 0 if self._recorded(handle).passed else NOT_READY

    def eventSynchronize(self, handle: int) -> None:
        event, record = self._event(handle), self._recorded(handle)
        event.waited += 1
        try:
            self._wait(lambda: record.passed, f"event {handle}")
        finally:
            event.waited -= 1

    def eventElapsedTime(self, start: int, end: int) -> float:
        first, last = self._recorded(start), self._recorded(end)
        if not (first.passed and last.passed):
            self._complain(f"the time from {start} to {end} is asked for too early")
        return ctypes.c_float(last.at - first.at).value

    def mallocAsync(self, size: int, stream: int) -> int:
        self._stream(stream)
        address = self.hostAlloc(size, 0)
        ctypes.memset(address, 0xA5, size)  # nobody has cleared it
        return address

    def freeAsync(self, address: int, stream: int) -> None:
        self._launch(stream, lambda: self.freeHost(address))

    def hostAlloc(self, size: int, flags: int) -> int:
        buffer = (ctypes.c_char * (size + 64))()
        self.memory[ctypes.addressof(buffer)] = buffer
        return ctypes.addressof(buffer)

    def freeHost(self, address: int) -> None:
        if self.memory.pop(address, None) is None:
            self._complain("memory is freed that is not there")

    def memsetAsync(self, address: int, value: int, size: int, stream: int) -> None:
        self._launch(stream, lambda: self._move(ctypes.memset, address, value, size))

    def memcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> None:
        self._launch(stream, lambda: self._move(ctypes.memmove, target, source, size))

    def _move(self, function: Any, target: int, source: Any, size: int) -> None:
        inside = any(a <= target < a + len(b) for a, b in self.memory.items())
        if inside:
            function(target, source, size)
        else:
            self.misuse.append("memory is written that is not there")

    def streamBeginCapture(self, handle: int, mode: int) -> None:
        self._stream(handle).capture = []

    def streamEndCapture(self, handle: int) -> int:
        stream, graph = self._stream(handle), self._handle()
        assert stream.capture is not None
        self.graphs[graph], stream.capture = stream.capture, None
        return graph

    def graphInstantiate(self, graph: int) -> int:
        handle = self._handle()
        self.graphs[handle] = self.graphs[graph]
        return handle

    def graphLaunch(self, graph: int, stream: int) -> None:
        self.launches += 1
        self._stream(stream).queued.extend(self.graphs[graph])
        self._go_on()

    def graphDestroy(self, graph: int) -> None:
        if self.graphs.pop(graph, None) is None:
            self._complain(f"graph {graph} is destroyed, which is not there")

    graphExecDestroy = graphDestroy
