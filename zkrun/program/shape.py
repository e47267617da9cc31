"""Documents against the classes of their format: shape only, rules ZK005 to ZK018."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from zkrun.collector import paused_collector
from zkrun.errors import InvalidProgram
from zkrun.program.diagnostic import Diagnostic
from zkrun.program.document import Values
from zkrun.program.explain import Words, explain, found
from zkrun.program.limits import MAX_FINDINGS, MAX_NUMBERS
from zkrun.program.reading import DocumentFormat, refuse
from zkrun.program.types import Point, PointArray

__all__ = ["Format", "read_shape"]


class Format(NamedTuple):
    """A format of documents: its name, what a document is called, its classes.

    `elements` are those of the lists on the top level, whose bad elements are found one by one.
    `mends` says for other formats, by name, how such a document becomes one of this format.
    """

    name: str
    noun: str
    words: Words
    elements: Mapping[str, Any]
    mends: Mapping[str, str] = {}


def read_shape(document: Any, form: DocumentFormat, format: Format) -> Any:
    """The document as an instance of the root class. `form` says how `bytes` are written.

    Raises InvalidProgram with a diagnostic for each finding, at most MAX_FINDINGS of them.
    """
    root: Any = format.words.root
    findings = _header(document, format)
    if not findings:
        try:
            with paused_collector():
                read = _adapter(root).validate_python(document, context=form)
            _count_numbers(read.constants)
            return read
        except ValidationError as error:
            findings = _findings(error, document, form, format)
    first = findings[0]
    where = f" (at {first.path})" if first.path else ""
    raise InvalidProgram(first.message + where, findings)


def _count_numbers(constants: list[Any]) -> None:
    """Refuses constants whose `values` would take minutes to read."""
    total = 0
    for index, constant in enumerate(constants):
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
                    'write them as "bytes", or keep them in a file beside the document',
                )


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _header(document: Any, format: Format) -> list[Diagnostic]:
    """The first thing to look at: is this meant to be of this format and version at all?"""
    name, noun = format.name, format.noun
    help = f'a {noun} starts with "format": "{name}", "version": 1'

    def refused(path: str, message: str) -> list[Diagnostic]:
        return [Diagnostic("ZK005", "error", path, message, help=help)]

    if not isinstance(document, dict):
        return refused("", f"a {noun} is a map, not {found(document)}")
    if "format" not in document:
        return refused("", f'no zkrun {noun}: "format" is missing')
    if document["format"] != name:
        if isinstance(document["format"], str):
            help = format.mends.get(document["format"], help)
        return refused("/format", f'the format is "{name}", not {found(document["format"])}')
    if "version" not in document:
        return refused("", '"version" is missing')
    version = document["version"]
    if type(version) is not int or version != 1:
        return refused("/version", f"this zkrun reads version 1, not {found(version)}")
    return []


def _findings(
    error: ValidationError, document: Any, form: DocumentFormat, format: Format
) -> list[Diagnostic]:
    """The first MAX_FINDINGS findings.

    Lists stop at their first bad element, so that a million bad instructions cost no more than one;
    here each list of the document is resumed behind it until there are enough.
    """
    errors: list[dict[str, Any]] = []
    resumed: set[str] = set()
    for entry in error.errors(include_url=False):
        loc = entry["loc"]
        if len(loc) >= 2 and loc[0] in format.elements and isinstance(loc[1], int):
            table = str(loc[0])
            if table not in resumed:
                resumed.add(table)
                errors.extend(_resume(table, format.elements[table], document[table], form))
        else:
            errors.append(dict(entry))
    return [explain(entry, document, format.words) for entry in errors[:MAX_FINDINGS]]


def _resume(table: str, element: Any, items: list[Any], form: str) -> Iterator[dict[str, Any]]:
    adapter = _adapter(element)
    count = 0
    for index, item in enumerate(items):
        if count >= MAX_FINDINGS:
            return
        try:
            adapter.validate_python(item, context=form)
        except ValidationError as error:
            for entry in error.errors(include_url=False)[:MAX_FINDINGS]:
                count += 1
                yield {**entry, "loc": (table, index, *entry["loc"])}
