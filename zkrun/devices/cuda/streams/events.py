"""CUDA events of one GPU, for what its streams record: to make one takes as long as to queue."""

from __future__ import annotations

from collections.abc import Iterable

from cupy.cuda import runtime

from zkrun.devices.cuda.errors import give_back

__all__ = ["EventPool"]

# Of events that a thread could sleep for, 56 at most are on their way at a time: who records one
# more has to wait for the GPU. So who waits for one looks at it from time to time.
_EVENT_FLAGS = 0
_READY = 256  # made before the run


class EventPool:
    """Events that nobody waits for any more, and new ones where there are none. Thread-safe.

    The GPU must be the current one of the calling thread.
    """

    def __init__(self) -> None:
        self._all: list[int] = []
        self._spare: list[int] = []

    def make_ready(self) -> None:
        """Has some before they are needed."""
        self._spare += [self._make() for _ in range(_READY)]

    def take(self) -> int:
        """One that is the caller's."""
        try:
            return self._spare.pop()
        except IndexError:
            return self._make()

    def give(self, events: Iterable[int]) -> None:
        """Takes back what has passed, and what nobody will wait for or measure from."""
        self._spare.extend(events)

    def close(self) -> None:
        """Destroys all."""
        for cuda in self._all:
            give_back(runtime.eventDestroy, cuda)
        self._all.clear()
        self._spare.clear()

    def _make(self) -> int:
        cuda: int = runtime.eventCreateWithFlags(_EVENT_FLAGS)
        self._all.append(cuda)
        return cuda
