"""Says on standard error that work goes on, once it has taken a second."""

from __future__ import annotations

import sys
import threading
import time

__all__ = ["Progress"]

_FIRST = 1.0  # seconds until anything is shown
_STEP = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Progress:
    """In a `with`: on a terminal a line that says what runs and for how long.

    Elsewhere one plain line after the first second, and one for each step that is told of.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._step = ""
        self._over = threading.Event()
        self._worker = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Progress:
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._worker.join()

    def tell(self, step: str) -> None:
        """Says which step the work has come to; with an empty text, that it is over."""
        self._step = step
        if step and not sys.stderr.isatty():
            from zkrun.cli.terminal import note
            from zkrun.report.text import safe

            note(safe(step))

    def _show(self) -> None:
        start = time.monotonic()
        if self._over.wait(_FIRST):
            return
        from zkrun.cli.terminal import note, width
        from zkrun.report.text import duration, safe

        if not sys.stderr.isatty():
            if not self._step:
                note(f"running {safe(self._what)} …")
            return
        frame = 0
        while not self._over.wait(_STEP):
            elapsed = duration((time.monotonic() - start) * 1e9)
            text = safe(self._step or self._what)
            line = f"{_FRAMES[frame % len(_FRAMES)]} {elapsed}  {text}"
            sys.stderr.write(f"\r\x1b[2K{line[: width(sys.stderr) - 1]}")
            sys.stderr.flush()
            frame += 1
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
