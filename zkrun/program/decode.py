"""From the bytes of a document to a Program: shape only, rules ZK001 to ZK019."""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from zkrun.errors import InvalidProgram, UsageError
from zkrun.program.diagnostic import Diagnostic
from zkrun.program.document import Constant, FunctionEntry, Input, Program, Values
from zkrun.program.explain import explain, found
from zkrun.program.instructions import Instruction
from zkrun.program.limits import MAX_BYTES, MAX_FINDINGS, MAX_NUMBERS
from zkrun.program.reading import DocumentFormat, paused_collector, read_document, refuse
from zkrun.program.types import Point, PointArray

__all__ = ["decode", "from_raw", "load", "read_bytes"]


def load(path: str | Path) -> Program:
    """The program in a file, or on standard input for `-` with the working directory for folder.

    Raises UsageError where the file cannot be read, InvalidProgram where it is no program.
    """
    folder = Path() if str(path) == "-" else Path(path).parent
    return decode(read_bytes(path), folder)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file, or of standard input for `-`; at most one more than may be."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot read the program {path}: {reason}") from None


def decode(data: bytes, folder: Path | None = None) -> Program:
    """The program in these bytes, JSON or MessagePack; `folder` is where its files lie.

    Raises InvalidProgram with a diagnostic for each finding, at most MAX_FINDINGS of them.
    """
    document, form = read_document(data)
    return from_raw(document, form, folder)


def from_raw(document: Any, form: DocumentFormat, folder: Path | None = None) -> Program:
    """The program in a document already read. `form` says how `bytes` of constants are written."""
    findings = _header(document)
    if not findings:
        try:
            with paused_collector():
                program = _adapter().validate_python(document, context=form)
            _count_numbers(program)
            program.folder = folder
            return program
        except ValidationError as error:
            findings = _findings(error, document, form)
    first = findings[0]
    where = f" (at {first.path})" if first.path else ""
    raise InvalidProgram(first.message + where, findings)


def _count_numbers(program: Program) -> None:
    """Refuses constants whose `values` would take minutes to read."""
    total = 0
    for index, constant in enumerate(program.constants):
        data, typ = constant.data, constant.typ
        if isinstance(data, Values) and isinstance(data.values, list):
            width = 1
            if isinstance(typ, Point | PointArray):
                width = 4 if typ.group == "g2" else 2
            total += width * len(data.values)
            if total > MAX_NUMBERS:
                raise refuse(
                    "ZK002",
                    f"more than {MAX_NUMBERS} numbers of constants are written one by one",
                    f"/constants/{index}/data/values",
                    'write them as "bytes", or keep them in a file beside the program',
                )


@cache
def _adapter() -> TypeAdapter[Program]:
    return TypeAdapter(Program)


def _header(document: Any) -> list[Diagnostic]:
    """The first thing to look at: is this meant to be a program of this version at all?"""
    help = 'a program starts with "format": "zkrun", "version": 1'

    def refused(path: str, message: str) -> list[Diagnostic]:
        return [Diagnostic("ZK005", "error", path, message, help=help)]

    if not isinstance(document, dict):
        return refused("", f"a program is a map, not {found(document)}")
    if "format" not in document:
        return refused("", 'no zkrun program: "format" is missing')
    if document["format"] != "zkrun":
        return refused("/format", f'the format is "zkrun", not {found(document["format"])}')
    if "version" not in document:
        return refused("", '"version" is missing')
    version = document["version"]
    if type(version) is not int or version != 1:
        return refused("/version", f"this zkrun reads version 1, not {found(version)}")
    return []


_TABLES: dict[str, Any] = {
    "functions": FunctionEntry,
    "constants": Constant,
    "inputs": Input,
    "instructions": Instruction,
}


def _findings(error: ValidationError, document: Any, form: DocumentFormat) -> list[Diagnostic]:
    """The first MAX_FINDINGS findings.

    Lists stop at their first bad element, so that a million bad instructions cost no more than one;
    here each list of the document is resumed behind it until there are enough.
    """
    errors: list[dict[str, Any]] = []
    resumed: set[str] = set()
    for entry in error.errors(include_url=False):
        loc = entry["loc"]
        if len(loc) >= 2 and loc[0] in _TABLES and isinstance(loc[1], int):
            table = str(loc[0])
            if table not in resumed:
                resumed.add(table)
                errors.extend(_resume(table, document[table], form, MAX_FINDINGS))
        else:
            errors.append(dict(entry))
    return [explain(entry, document) for entry in errors[:MAX_FINDINGS]]


def _resume(table: str, items: list[Any], form: str, limit: int) -> Iterator[dict[str, Any]]:
    adapter: TypeAdapter[Any] = _table_adapter(table)
    count = 0
    for index, item in enumerate(items):
        if count >= limit:
            return
        try:
            adapter.validate_python(item, context=form)
        except ValidationError as error:
            for entry in error.errors(include_url=False)[:limit]:
                count += 1
                yield {**entry, "loc": (table, index, *entry["loc"])}


@cache
def _table_adapter(table: str) -> TypeAdapter[Any]:
    return TypeAdapter(_TABLES[table])
