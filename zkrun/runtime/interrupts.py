"""Ctrl-C during a run: taken where the run can end at once, remembered everywhere else.

Python raises KeyboardInterrupt between any two steps of its main thread, also while devices are
being closed. Here it is raised once at most, and only in code that may be left at any point.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["CtrlC"]


class CtrlC:
    """Guards a run against being torn apart. Does nothing off Python's main thread, or where the
    program around it handles the signal in its own way."""

    def __init__(self) -> None:
        self._pressed = False
        self._raising = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Remembers Ctrl-C while the block runs; raises KeyboardInterrupt at its end if need be."""
        if not (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            yield
            return
        signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._pressed:
            raise KeyboardInterrupt

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Lets Ctrl-C end the block at once."""
        try:
            self._raising = True
            if self._pressed:
                raise KeyboardInterrupt
            yield
        finally:
            self._raising = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first, self._pressed = not self._pressed, True
        if first and self._raising:
            raise KeyboardInterrupt
