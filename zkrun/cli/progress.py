"""Says on standard error that work goes on, once it has taken a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["progress"]

_FIRST = 1.0  # seconds until anything is shown
_STEP = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@contextmanager
def progress(what: str) -> Iterator[None]:
    """While the block runs: on a terminal a line that says what runs and for how long.

    Elsewhere one plain line after the first second, and no more.
    """
    over = threading.Event()
    worker = threading.Thread(target=_show, args=(what, over), daemon=True)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def _show(what: str, over: threading.Event) -> None:
    start = time.monotonic()
    if over.wait(_FIRST):
        return
    from zkrun.cli.terminal import note, width
    from zkrun.report.text import duration, safe

    if not sys.stderr.isatty():
        note(f"running {safe(what)} …")
        return
    frame = 0
    while not over.wait(_STEP):
        elapsed = duration((time.monotonic() - start) * 1e9)
        line = f"{_FRAMES[frame % len(_FRAMES)]} {elapsed}  {safe(what)}"
        sys.stderr.write(f"\r\x1b[2K{line[: width(sys.stderr) - 1]}")
        sys.stderr.flush()
        frame += 1
    sys.stderr.write("\r\x1b[2K")
    sys.stderr.flush()
