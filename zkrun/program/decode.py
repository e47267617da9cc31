"""From the bytes of a document to a Program: shape only, rules ZK001 to ZK019."""

import sys
from pathlib import Path
from typing import Any

from zkrun.errors import UsageError
from zkrun.program.document import Constant, FunctionEntry, Input, Program
from zkrun.program.explain import PROGRAM
from zkrun.program.instructions import Instruction
from zkrun.program.limits import MAX_BYTES
from zkrun.program.reading import DocumentFormat, read_document
from zkrun.program.shape import Format, read_shape

__all__ = ["decode", "from_raw", "load", "read_bytes"]


def load(path: str | Path) -> Program:
    """The program in a file, or on standard input for `-` with the working directory for folder.

    Raises UsageError where the file cannot be read, InvalidProgram where it is no program.
    """
    folder = Path() if str(path) == "-" else Path(path).parent
    return decode(read_bytes(path), folder)


def read_bytes(path: str | Path, noun: str = "program") -> bytes:
    """The bytes of a file, or of standard input for `-`; at most one more than may be.

    `noun` is what the file should hold, for the UsageError where it cannot be read.
    """
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot read the {noun} {path}: {reason}") from None


def decode(data: bytes, folder: Path | None = None) -> Program:
    """The program in these bytes, JSON or MessagePack; `folder` is where its files lie.

    Raises InvalidProgram with a diagnostic for each finding, at most MAX_FINDINGS of them.
    """
    document, form = read_document(data)
    return from_raw(document, form, folder)


def from_raw(document: Any, form: DocumentFormat, folder: Path | None = None) -> Program:
    """The program in a document already read. `form` says how `bytes` of constants are written."""
    program: Program = read_shape(document, form, _PROGRAM)
    program.folder = folder
    return program


_PROGRAM = Format(
    "zkrun",
    "program",
    PROGRAM,
    {
        "functions": FunctionEntry,
        "constants": Constant,
        "inputs": Input,
        "instructions": Instruction,
    },
    {"zkrun-graph": "this is the graph of a proof: `zkrun compile` makes a program of it"},
)
