"""Equality of values on any devices, and where two differ first."""

from __future__ import annotations

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Cancelled, Data, Value
from zkrun.errors import Mismatch
from zkrun.program.text import printable
from zkrun.program.types import PointArray, ScalarArray
from zkrun.runtime.images import render
from zkrun.runtime.show import brief
from zkrun.runtime.views import part

__all__ = ["check_equal"]

_PIECE = 4 << 20  # bytes of each side on the host at a time


def check_equal(
    value: Value, expected: Value, curve: Curve, message: str, stop: list[bool]
) -> None:
    """Mismatch, with `message`, the place and both values, where two values of one type differ."""
    found = _difference(value, expected, curve, stop)
    if found is not None:
        place, here, there = found
        lead = f"{printable(message)}: " if message else ""
        where = f" at {place}" if place else ""
        raise Mismatch(f"{lead}the values differ{where}: found {here}, expected {there}")


def _difference(
    value: Value, expected: Value, curve: Curve, stop: list[bool]
) -> tuple[str, str, str] | None:
    """The first difference as (place, value, expected), or None."""
    if isinstance(value, tuple):
        for index, (one, other) in enumerate(zip(value, expected, strict=True)):
            found = _difference(one, other, curve, stop)
            if found is not None:
                return f"[{index}]{found[0]}", found[1], found[2]
        return None
    if not isinstance(value, Data):
        one, other = value.proof.hex(), expected.proof.hex()
        return None if one == other else ("", *_abbreviate(one, other))
    step = max(1, _PIECE // value.item)
    for start in range(0, value.length, step):
        if stop:
            raise Cancelled("the run was cancelled")
        end = min(start + step, value.length)
        a = _read(part(value, start, end, curve))
        b = _read(part(expected, start, end, curve))
        if a != b:
            item = value.item
            index = next(i for i in range(0, len(a), item) if a[i : i + item] != b[i : i + item])
            element = part(value, 0, 1, curve).typ
            sides = [render(element, side[index : index + item], curve)[0] for side in (a, b)]
            array = isinstance(value.typ, ScalarArray | PointArray)
            place = f"[{start + index // item}]" if array else ""
            return place, brief(sides[0]), brief(sides[1])
    return None


def _read(data: Data) -> bytearray:
    return data.block.device.read(data)


def _abbreviate(one: str, other: str) -> tuple[str, str]:
    """Both texts from shortly before their first difference."""
    pairs = enumerate(zip(one, other, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    return _excerpt(one, same), _excerpt(other, same)


def _excerpt(text: str, place: int) -> str:
    start, end = max(0, place - 16), place + 32
    lead, tail = "…" if start else "", "…" if len(text) > end else ""
    return f'"{lead}{text[start:end]}{tail}"'
