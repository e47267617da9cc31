"""Python's cyclic collector, held back where it would take the time of others.

It belongs to the whole process, and what is changed here is as before once all have left.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["paused_collector", "rare_collector"]

_OBJECTS = 100_000
"""New ones after which it looks: enough for thousands of instructions on their way."""


@contextmanager
def paused_collector() -> Iterator[None]:
    """Holds it back, which would take half the time: what is built meanwhile stays."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Rare:
    """How many want it to be rare, and what it is when none does."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted = 0
        self.usual = gc.get_threshold()


_rare = _Rare()


@contextmanager
def rare_collector() -> Iterator[None]:
    """Lets it look a hundred times less often than usual, and not at all where it is off.

    To look at what has come up lately takes a millisecond, at everything a tenth of a second: while
    a program runs, GPUs would wait for that. It is not off, for some of what instructions leave
    behind, and whatever other threads do, is in cycles.
    """
    with _rare.lock:
        if not _rare.wanted:
            _rare.usual = gc.get_threshold()
            first, *others = _rare.usual
            if first:
                gc.set_threshold(max(first, _OBJECTS), *others)
        _rare.wanted += 1
    try:
        yield
    finally:
        with _rare.lock:
            _rare.wanted -= 1
            if not _rare.wanted:
                gc.set_threshold(*_rare.usual)
