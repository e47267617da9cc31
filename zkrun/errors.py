"""The exception tree of zkrun: one class for each exit code of the command line.

Every error that a user can cause is one of these and is shown as one message, never as a traceback.
Anything else that escapes is a defect of zkrun itself (exit code 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from zkrun.program.diagnostic import Diagnostic
    from zkrun.runtime.trace import Trace

__all__ = [
    "Interrupted",
    "InvalidProgram",
    "Mismatch",
    "ResourceLimit",
    "RunFailed",
    "UsageError",
    "Where",
    "ZkrunError",
]


class Where(NamedTuple):
    """The instruction at which a run failed; `thread` is None in the main thread."""

    op: str
    path: str  # JSON pointer into the program
    thread: int | None = None
    source: str | None = None
    track: str | None = None


class ZkrunError(Exception):
    """Base of all errors that zkrun reports to its user.

    `where` is set where an instruction of a run failed; the message says it as well. `trace` is set
    where a run had started: what happened up to its end.
    """

    exit_code: ClassVar[int] = 1
    where: Where | None = None
    trace: Trace | None = None


class UsageError(ZkrunError):
    """The command line, or a call of the Python interface, asks for something that is not there."""

    exit_code = 2


class InvalidProgram(ZkrunError):
    """A program, or the value given for one of its inputs, breaks the format.

    `diagnostics` lists every finding; the message is the first of them.
    """

    exit_code = 3

    def __init__(self, message: str, diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)


class RunFailed(ZkrunError):
    """The program is valid and its run failed (also: no such device on this machine)."""

    exit_code = 4


class Mismatch(ZkrunError):
    """A result differs from the expected one (`AssertEq`, `--expect`)."""

    exit_code = 5


class ResourceLimit(ZkrunError):
    """Memory, disk space or time ran out. `device` is the one that has no more memory, if any."""

    exit_code = 6
    device: str | None = None


class Interrupted(ZkrunError):
    """The user interrupted the run."""

    exit_code = 130
