"""Python's cyclic collector, held back where it would take the time of others.

It belongs to the whole process. Once all threads that hold it back have left, it is as it was
before the first of them came.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["paused_collector", "rare_collector"]

_OBJECTS = 100_000
"""New ones after which it looks: enough for thousands of instructions on their way."""


class _Held:
    """How many threads hold it back in one way, and how it was before."""

    def __init__(self) -> None:
        self.threads = 0
        self.was_enabled = False
        self.usual = self.rare = gc.get_threshold()


_lock = threading.Lock()
_paused, _rare = _Held(), _Held()


@contextmanager
def paused_collector() -> Iterator[None]:
    """Switches it off, which would take half the time: what is built meanwhile stays."""
    with _lock:
        if not _paused.threads:
            _paused.was_enabled = gc.isenabled()
            gc.disable()
        _paused.threads += 1
    try:
        yield
    finally:
        with _lock:
            _paused.threads -= 1
            if not _paused.threads and _paused.was_enabled:
                gc.enable()


@contextmanager
def rare_collector() -> Iterator[None]:
    """Lets it look only once there are 100,000 new objects, where it looks at all.

    To look at what has come up lately takes a millisecond, at everything a tenth of a second: while
    a program runs, GPUs would wait for that. It is not off, for some of what instructions leave
    behind, and whatever other threads do, is in cycles.
    """
    with _lock:
        if not _rare.threads:
            _rare.usual = gc.get_threshold()
            first, *others = _rare.usual
            gc.set_threshold(max(first, _OBJECTS) if first else 0, *others)
            _rare.rare = gc.get_threshold()
        _rare.threads += 1
    try:
        yield
    finally:
        with _lock:
            _rare.threads -= 1
            if not _rare.threads and gc.get_threshold() == _rare.rare:  # else somebody's own
                gc.set_threshold(*_rare.usual)
