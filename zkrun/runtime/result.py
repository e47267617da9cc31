"""The result of a run: read from its devices, written as JSON, compared with what was expected."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data, Value
from zkrun.errors import InvalidProgram, Mismatch, ResourceLimit
from zkrun.program.constants import BadValue
from zkrun.program.limits import MAX_RESULT
from zkrun.program.types import (
    Point,
    PointArray,
    Scalar,
    ScalarArray,
    Transcript,
    Tuple,
    Typ,
    size,
)
from zkrun.runtime.files import write_whole
from zkrun.runtime.images import parse, render
from zkrun.runtime.inputs import read_json
from zkrun.runtime.show import brief
from zkrun.runtime.typ_json import raw_typ, same_typ

__all__ = ["Result", "check_size", "read_result"]

_WORDY = 4  # bytes of text for each byte of an expected result


@dataclass(frozen=True, slots=True)
class Result:
    """A result as people write it: 0x text, lists, None for infinity, the hex text of a proof."""

    typ: Typ
    values: Any
    curve: Curve = field(repr=False)

    def document(self) -> dict[str, Any]:
        """The map that a result file holds."""
        return {"typ": raw_typ(self.typ), "values": self.values}

    def write(self, path: Path) -> None:
        """Writes the result as JSON, whole or not at all; `-` is standard output."""
        text = json.dumps(self.document()) + "\n"
        if str(path) == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            write_whole(path, text.encode())

    def check(self, path: Path) -> None:
        """Compares with a result file. Mismatch, saying where the two first differ."""
        name = "the expected result"
        document = read_json(name, path, _WORDY * MAX_RESULT)
        if not isinstance(document, dict) or set(document) != {"typ", "values"}:
            raise InvalidProgram(f'{name}: {path} must hold a map with "typ" and "values"')
        if not same_typ(document["typ"], self.typ):
            found = json.dumps(document["typ"])[:200]
            raise Mismatch(f"the result is a {self.typ}, but {path} expects {found}")
        if document["values"] == self.values:
            return
        difference = _difference(self.typ, self.values, document["values"], self.curve, "")
        if difference is not None:
            place, here, there = difference
            where = f" at {place}" if place else ""
            raise Mismatch(f"the result differs from {path}{where}: found {here}, expected {there}")


def _difference(
    typ: Typ, found: Any, expected: Any, curve: Curve, place: str
) -> tuple[str, str, str] | None:
    """The first place where a value differs from one written by a person, and both there."""
    if isinstance(typ, Tuple):
        _list(expected, len(typ.items), place)
        pairs = zip(typ.items, found, expected, strict=True)
        places = (
            _difference(item, one, other, curve, f"{place}[{index}]")
            for index, (item, one, other) in enumerate(pairs)
        )
        return next((one for one in places if one is not None), None)
    if isinstance(typ, ScalarArray | PointArray):
        _list(expected, typ.len, place)
        element: Typ = Scalar() if isinstance(typ, ScalarArray) else Point(typ.group)
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            if one != other:
                difference = _difference(element, one, other, curve, f"{place}[{index}]")
                if difference is not None:
                    return difference
        return None
    if isinstance(typ, Transcript):
        if not isinstance(expected, str):
            raise InvalidProgram(f"the expected result{place}: a transcript is hex text")
        same = found == expected.lower().removeprefix("0x")
    else:
        same = _image(typ, found, curve, place) == _image(typ, expected, curve, place)
    return None if same else (place, brief(found), brief(expected))


def _image(typ: Typ, value: Any, curve: Curve, place: str) -> bytearray:
    try:
        return parse(typ, value, curve)
    except BadValue as error:
        raise InvalidProgram(f"the expected result{place}: {error}") from None


def _list(value: Any, n: int, place: str) -> None:
    if not isinstance(value, list) or len(value) != n:
        found = f"a list of {len(value)}" if isinstance(value, list) else repr(value)[:40]
        raise InvalidProgram(f"the expected result{place} must be a list of {n}, not {found}")


def check_size(typ: Typ, curve: Curve) -> None:
    """ResourceLimit where a result of this type is more than is written, whatever its values are.

    A transcript counts once its proof is written: `read_result` looks at those.
    """

    def items(node: Typ) -> Sequence[Typ] | None:
        return node.items if isinstance(node, Tuple) else None

    _refuse_more(_total(typ, items, lambda node: size(node, curve), {}))


def read_result(value: Value, curve: Curve) -> Result:
    """What a variable is bound to, from whatever device, as a result.

    ResourceLimit where it is more than is written.
    """

    def items(node: Value) -> Sequence[Value] | None:
        return node if isinstance(node, tuple) else None

    def nbytes(node: Value) -> int:
        return node.length * node.item if isinstance(node, Data) else len(node.proof)

    _refuse_more(_total(value, items, nbytes, {}))
    typ, values = _read(value, curve)
    return Result(typ, values, curve)


_Node = TypeVar("_Node")


def _total(
    node: _Node,
    items: Callable[[_Node], Sequence[_Node] | None],
    nbytes: Callable[[_Node], int],
    sums: dict[int, int],
) -> int:
    """The bytes of all leaves, those of a tuple counted as often as it refers to them."""
    if id(node) not in sums:
        inner = items(node)
        sums[id(node)] = (
            nbytes(node)
            if inner is None
            else sum(_total(item, items, nbytes, sums) for item in inner)
        )
    return sums[id(node)]


def _refuse_more(nbytes: int) -> None:
    if nbytes > MAX_RESULT:
        raise ResourceLimit(
            f"the result is {nbytes:,} bytes, every reference of a tuple counted; "
            f"at most {MAX_RESULT:,} are written as text: return less of it"
        )


def _read(value: Value, curve: Curve) -> tuple[Typ, Any]:
    if isinstance(value, tuple):
        items = [_read(item, curve) for item in value]
        return Tuple(tuple(typ for typ, _ in items)), [values for _, values in items]
    if isinstance(value, Data):
        return value.typ, render(value.typ, value.block.device.read(value), curve)
    return Transcript(value.hash), value.proof.hex()
