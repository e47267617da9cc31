"""Memory images of values: checked, converted to and from Montgomery form, and written for people.

All arithmetic is the native module's, in bulk. A canonical image has the same layout as memory has,
without the Montgomery factor.
"""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import Any, Literal, NamedTuple

from zkrun.algebra.curves import Curve
from zkrun.devices.cpu.native_module import native
from zkrun.devices.host import address_of
from zkrun.program.constants import BadValue, parse_values
from zkrun.program.document import Encoding
from zkrun.program.types import Point, PointArray, Scalar, ScalarArray, Typ, element_size

__all__ = [
    "Problem",
    "check_image",
    "from_canonical",
    "parse",
    "render",
    "to_canonical",
    "wide_reduce",
    "wipe",
]

_PLAIN = re.compile("0x[0-9a-fA-F]{1,64}(?:,0x[0-9a-fA-F]{1,64})*+")


class Problem(NamedTuple):
    """What is wrong with an image: at which element, "range" or "point", and why."""

    element: int
    kind: Literal["range", "point"]
    text: str


@cache
def _context() -> Any:
    return native().Context()


def _group(typ: Typ, curve: Curve) -> Any:
    """The native functions for elements of this type: the curve's module, or one of its groups'."""
    module = getattr(native(), curve.name)
    return getattr(module, typ.group) if isinstance(typ, Point | PointArray) else module


def _view(image: bytearray, item: int) -> Any:
    n = len(image) // item
    return native().View(address_of(image), n, 0, n)


def wide_reduce(stream: bytes | bytearray, curve: Curve) -> bytearray:
    """Scalars in memory form, each from 64 uniform bytes reduced modulo r."""
    image = bytearray(len(stream) // 64 * curve.scalar.bytes)
    module = getattr(native(), curve.name)
    module.wide_reduce(_context(), _view(image, curve.scalar.bytes), stream)
    return image


def wipe(image: bytearray) -> None:
    """Overwrites an image that may hold secrets with zeros, where it lies."""
    if image:
        ctypes.memset(address_of(image), 0, len(image))


def parse(typ: Typ, values: Any, curve: Curve) -> bytearray:
    """The canonical image of values as people write them. Raises BadValue."""
    if isinstance(typ, ScalarArray) and (image := _parse_plain(typ.len, values, curve)) is not None:
        return image
    numbers = parse_values(typ, values, curve)
    if isinstance(typ, Scalar | ScalarArray):
        return bytearray(b"".join([_bytes(number, curve.scalar.bytes) for number in numbers]))
    size, item = curve.base.bytes, element_size(typ, curve)
    image = bytearray()
    position = 0
    while position < len(numbers):
        index = len(image) // item
        if numbers[position] is None:
            image += bytes(item)
            position += 1
            continue
        point = numbers[position : position + item // size]
        if not any(point):
            path = f"/{index}" if isinstance(typ, PointArray) else ""
            raise BadValue(path, "(0, 0) is not on the curve; infinity is written as null")
        image += b"".join([_bytes(number, size) for number in point])
        position += item // size
    return image


def _parse_plain(n: int, values: Any, curve: Curve) -> bytearray | None:
    """The image of a list of short 0x texts below the modulus, as results are written; else None.

    What is looked at in one piece takes a second for a million elements, rather than eight.
    """
    if type(values) is not list or len(values) != n or not n or set(map(type, values)) != {str}:
        return None
    joined = ",".join(values)
    if joined.count(",") != n - 1 or not _PLAIN.fullmatch(joined):
        return None
    size = curve.scalar.bytes
    numbers = [int(text, 16) for text in values]
    if max(numbers) >= curve.r:
        return None
    return bytearray(b"".join([number.to_bytes(size, "little") for number in numbers]))


def _bytes(number: int | None, nbytes: int) -> bytes:
    assert number is not None  # only points are None, at infinity
    return number.to_bytes(nbytes, "little")


def from_canonical(typ: Typ, image: bytearray, curve: Curve, points: bool = True) -> Problem | None:
    """Converts a canonical image to memory form, in place; says what is wrong with it, if anything.

    Elements at or above the modulus are, and with `points`, points off the curve or outside the
    subgroup.
    """
    item = element_size(typ, curve)
    view, group = _view(image, item), _group(typ, curve)
    if isinstance(typ, Scalar | ScalarArray):
        index = group.first_not_canonical(_context(), view)
        if index >= 0:
            return _range_problem(typ, image, index, curve)
        group.to_montgomery(_context(), view)
        return None
    before = bytes(image)
    group.to_montgomery(_context(), view)  # reduces, so a coordinate that is too large comes back
    after = to_canonical(typ, image, curve)  # as another one
    if after != before:
        index = next(i for i in range(len(before)) if before[i] != after[i]) // item
        return _range_problem(typ, before, index, curve)
    return _point_problem(typ, image, curve) if points else None


def to_canonical(typ: Typ, image: bytes | bytearray, curve: Curve) -> bytearray:
    """A copy of an image in memory form, in canonical form."""
    copy = bytearray(image)
    _group(typ, curve).from_montgomery(_context(), _view(copy, element_size(typ, curve)))
    return copy


def check_image(typ: Typ, image: bytes, encoding: Encoding, curve: Curve) -> Problem | None:
    """What is wrong with an image, if anything: the fast form of the analysis's own check."""
    copy = bytearray(image)
    if encoding == "canonical":
        return from_canonical(typ, copy, curve)
    if isinstance(typ, Scalar | ScalarArray):
        view = _view(copy, element_size(typ, curve))
        index = _group(typ, curve).first_not_canonical(_context(), view)
        return _range_problem(typ, copy, index, curve) if index >= 0 else None
    return _point_problem(typ, copy, curve)


def _point_problem(typ: Typ, image: bytearray, curve: Curve) -> Problem | None:
    view = _view(image, element_size(typ, curve))
    index, reason = _group(typ, curve).first_invalid(_context(), view, True)
    if index < 0:
        return None
    if reason == 1:
        return _range_problem(typ, image, index, curve)
    group = typ.group.upper() if isinstance(typ, Point | PointArray) else ""
    fault = "is not on the curve" if reason == 2 else f"is outside the subgroup {group}"
    return Problem(index, "point", f"the point {fault} of {curve.name}")


def _range_problem(typ: Typ, image: bytes | bytearray, index: int, curve: Curve) -> Problem:
    item = element_size(typ, curve)
    scalar = isinstance(typ, Scalar | ScalarArray)
    field, name = (curve.scalar, "r") if scalar else (curve.base, "q")
    raw = image[index * item : (index + 1) * item]
    numbers = [_number(raw, i, field.bytes) for i in range(0, item, field.bytes)]
    large = next(number for number in numbers if number >= field.modulus)
    what = "scalar" if scalar else "coordinate"
    text = f"the {what} {large:#x} is not below {name} = {field.modulus:#x} of {curve.name}"
    return Problem(index, "range", text)


def _number(raw: bytes | bytearray, start: int, nbytes: int) -> int:
    return int.from_bytes(raw[start : start + nbytes], "little")


def render(typ: Typ, image: bytes | bytearray, curve: Curve) -> Any:
    """An image in memory form as people write it: 0x text, None for infinity, lists for arrays."""
    canonical = to_canonical(typ, image, curve)
    item = element_size(typ, curve)
    values: list[Any]
    if isinstance(typ, Scalar | ScalarArray):
        digits, width = canonical[::-1].hex(), 2 * item  # big-endian, the last element first
        starts = range(len(digits) - width, -1, -width)
        values = ["0x" + (digits[i : i + width].lstrip("0") or "0") for i in starts]
    else:
        size = curve.base.bytes
        values = [_point(canonical[i : i + item], size) for i in range(0, len(canonical), item)]
    return values if isinstance(typ, ScalarArray | PointArray) else values[0]


def _point(raw: bytes | bytearray, size: int) -> Any:
    if not any(raw):
        return None
    x = [hex(_number(raw, i, size)) for i in range(0, len(raw), size)]
    return x if len(x) == 2 else [x[:2], x[2:]]
