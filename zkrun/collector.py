"""Python's cyclic collector, held back where it would take the time of others.

It belongs to the whole process. Once all threads that hold it back have left, it is as it was
before the first of them came.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["paused_collector", "rare_collector"]

_OBJECTS = 100_000
"""New ones after which it looks: enough for thousands of instructions on their way."""


class _Held:
    """A change of it, made by the first thread that wants it, and taken back by the last one.

    `change` makes it, and returns what takes it back.
    """

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._threads = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            if not self._threads:
                self._take_back = self._change()
            self._threads += 1
        try:
            yield
        finally:
            with self._lock:
                self._threads -= 1
                if not self._threads:
                    self._take_back()


def _pause() -> Callable[[], None]:
    was_enabled = gc.isenabled()
    gc.disable()
    return gc.enable if was_enabled else lambda: None


def _make_rare() -> Callable[[], None]:
    usual = gc.get_threshold()
    first, *others = usual
    gc.set_threshold(max(first, _OBJECTS) if first else 0, *others)
    rare = gc.get_threshold()

    def take_back() -> None:
        if gc.get_threshold() == rare:  # else somebody has set their own
            gc.set_threshold(*usual)

    return take_back


_paused, _rare = _Held(_pause), _Held(_make_rare)


def paused_collector() -> AbstractContextManager[None]:
    """Switches it off, which would take half the time: what is built meanwhile stays."""
    return _paused.held()


def rare_collector() -> AbstractContextManager[None]:
    """Lets it look only once there are 100,000 new objects, where it looks at all.

    To look at what has come up lately takes a millisecond, at everything a tenth of a second: while
    a program runs, GPUs would wait for that. It is not off, for some of what instructions leave
    behind, and whatever other threads do, is in cycles.
    """
    return _rare.held()
