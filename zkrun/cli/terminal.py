"""What the commands write: data on standard output, everything for people on standard error.

A reader that goes away early (`| head`) is no error: what is left is dropped and the command goes
on, so that its exit code says what it did.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from zkrun.errors import ResourceLimit, RunFailed

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "drop_output",
    "emit",
    "emit_bytes",
    "emit_json",
    "note",
    "open_streams",
    "settings",
    "show",
    "width",
]

_WIDTH = 100  # of text that goes to a file or a pipe
_UNCUT = 10_000  # columns that no line of a table reaches


@dataclass(slots=True)
class _Settings:
    """What the command line said about output."""

    color: Literal["auto", "always", "never"] = "auto"
    json: bool = False
    printed: bool = False  # whether the one JSON document has been printed
    output_closed: bool = False  # whether standard output was closed when zkrun started


settings = _Settings()


def open_streams() -> None:
    """Standard streams that the caller has closed are empty, and take everything."""
    settings.output_closed = sys.stdout is None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  # it stays open
            setattr(sys, name, null)


def drop_output(stream: TextIO) -> None:
    """What is written to the stream from here on goes nowhere, also what Python still holds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def emit(text: str) -> None:
    """Text on standard output."""
    _print(sys.stdout, text)


def emit_bytes(payload: bytes) -> None:
    """Bytes on standard output."""
    _write(sys.stdout, payload)


def emit_json(value: Any) -> None:
    """The JSON document of a command on standard output."""
    settings.printed = True
    emit(json.dumps(value, indent=2, ensure_ascii=True) + "\n")


def note(text: str) -> None:
    """A line for people on standard error."""
    _print(sys.stderr, f"{text}\n")


def show(
    *renderables: RenderableType,
    stream: TextIO | None = None,
    least: int = 0,
    wrap: bool = True,
    cut: bool = True,
) -> None:
    """Shows rich renderables, on standard error or `stream`, at least `least` columns wide.

    Without `wrap`, long lines of text are left to the terminal. Without `cut`, what goes to a file
    or a pipe is as wide as it has to be.
    """
    from io import StringIO

    from rich.console import Console

    if stream is None:
        stream = sys.stderr
    colored = _colored(stream)
    if not cut and not stream.isatty():
        least = _UNCUT
    console = Console(
        file=StringIO(),
        width=max(width(stream), least),
        force_terminal=colored,
        no_color=not colored,
        color_system="standard" if colored else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        console.print(*renderables, sep="\n", soft_wrap=not wrap)
    _print(stream, "\n".join(line.rstrip(" ") for line in capture.get().split("\n")))


def width(stream: TextIO) -> int:
    """Columns of the terminal behind a stream; $COLUMNS where it is set."""
    if (columns := os.environ.get("COLUMNS", "")).isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH


def _colored(stream: TextIO) -> bool:
    if settings.color != "auto":
        return settings.color == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def _print(stream: TextIO, text: str) -> None:
    _write(stream, text.encode(stream.encoding or "utf-8", "backslashreplace"))


def _write(stream: TextIO, payload: bytes) -> None:
    try:
        stream.flush()
        stream.buffer.write(payload)
        stream.flush()
    except BrokenPipeError:
        drop_output(stream)
    except OSError as error:
        from zkrun.runtime.files import is_full

        name = "standard output" if stream is sys.stdout else "standard error"
        reason = f"cannot write to {name}: {error.strerror}"
        drop_output(stream)
        raise (ResourceLimit if is_full(error) else RunFailed)(reason) from error
