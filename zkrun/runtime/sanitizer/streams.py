"""Streams that tell the sanitizer when the work that is queued on them passes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from zkrun.devices.base import Event, Stream
from zkrun.runtime.sanitizer.clocks import Feed

__all__ = ["WatchedStream"]


class WatchedStream(Stream):
    """A virtual GPU's stream, whose worker runs the work when its turn comes."""

    def __init__(self, stream: Stream, tell: Callable[[Feed, int, bool], None]) -> None:
        self.device = stream.device
        self._stream = stream
        self._tell = tell  # the stream's own part of the order, the position, whether it is a Wait
        self._feed = Feed()
        self._lock = threading.Lock()
        self._line: deque[tuple[int, bool]] = deque()  # (position, whether it is a Wait), in order

    def run(self, at: int, work: Callable[..., None], *operands: object) -> None:
        def watched() -> None:
            self._passes(at)
            work(*operands)

        with self._lock:
            self._line.append((at, False))
            self._stream.run(at, watched)

    def record(self, at: int, event: Event) -> None:
        with self._lock:
            self._line.append((at, False))
            self._stream.record(at, _Recorded(event, lambda: self._passes(at)))

    def wait(self, at: int, event: Event) -> None:
        with self._lock:
            self._line.append((at, True))
            self._stream.wait(at, event)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def close(self) -> None:
        self._stream.close()

    def _passes(self, at: int) -> None:
        """Called on the worker: what is queued before has passed as well, Waits that is."""
        position = -1
        while position != at:
            position, waits = self._line.popleft()
            self._tell(self._feed, position, waits)


class _Recorded(Event):
    """Stands for an event on its stream."""

    __slots__ = ("_event", "_passes")

    def __init__(self, event: Event, passes: Callable[[], None]) -> None:
        super().__init__()
        self._event = event
        self._passes = passes

    def complete(self, error: BaseException | None = None) -> None:
        if error is None:
            self._passes()
        self._event.complete(error)
