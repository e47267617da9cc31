"""The data of constants and inputs as people write them: nested values, and files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zkrun.algebra.curves import Curve
from zkrun.program.explain import found
from zkrun.program.integers import NotANumber, parse_integer
from zkrun.program.types import Point, PointArray, Scalar, ScalarArray, Typ

__all__ = ["BadFile", "BadValue", "parse_values", "resolve_file"]

_PLAIN = re.compile("0x[0-9a-fA-F]{1,100}|[0-9]{1,120}")


class BadValue(ValueError):
    """A value that does not fit its type; `path` is the JSON pointer to it from the value's root.

    `too_large` tells a number at or above its modulus from a value of the wrong shape.
    """

    def __init__(self, path: str, message: str, *, too_large: bool = False) -> None:
        super().__init__(f"{message} (at {path})" if path else message)
        self.path = path
        self.message = message
        self.too_large = too_large


class BadFile(ValueError):
    """A file of a constant that may not be read; the message says why.

    `outside` tells a file outside the program's folder from one that is not there.
    """

    def __init__(self, message: str, *, outside: bool = False) -> None:
        super().__init__(message)
        self.outside = outside


def parse_values(typ: Typ, values: Any, curve: Curve) -> list[int | None]:
    """The canonical integers of a value, flat, each below the modulus of its field.

    A Scalar gives one integer and a ScalarArray one an element; each point gives its coordinates in
    the order of memory (x, y; in G2 x0, x1, y0, y1), or one None where it is infinity. Whether a
    point lies on the curve is not looked at. Raises BadValue with the place of the first error.
    """
    flat: list[int | None] = []
    if isinstance(typ, Scalar):
        flat.append(_below(values, curve.r, ""))
    elif isinstance(typ, ScalarArray):
        modulus = curve.r
        flat.extend(
            _below(value, modulus, f"/{index}")
            for index, value in enumerate(_list(values, typ.len, "", "elements"))
        )
    elif isinstance(typ, Point):
        _point(flat, values, typ.group, curve.q, "")
    elif isinstance(typ, PointArray):
        for index, value in enumerate(_list(values, typ.len, "", "points")):
            _point(flat, value, typ.group, curve.q, f"/{index}")
    else:
        raise BadValue("", f"a {typ} has no values")
    return flat


def _point(flat: list[int | None], value: Any, group: str, modulus: int, path: str) -> None:
    if value is None:
        flat.append(None)
        return
    for index, coordinate in enumerate(_list(value, 2, path, "coordinates")):
        if group == "g1":
            flat.append(_below(coordinate, modulus, f"{path}/{index}"))
            continue
        parts = _list(coordinate, 2, f"{path}/{index}", "parts of a G2 coordinate")
        flat.extend(_below(part, modulus, f"{path}/{index}/{at}") for at, part in enumerate(parts))


def _list(value: Any, count: int, path: str, what: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise BadValue(path, f"a list of {count} {what} belongs here, not {found(value)}")
    if len(value) != count:
        raise BadValue(path, f"{count} {what} belong here, not {len(value)}")
    return value


def _below(value: Any, modulus: int, path: str) -> int:
    if type(value) is str and _PLAIN.fullmatch(value):  # the usual case, without a second look
        number = int(value, 16) if value[1:2] == "x" else int(value)
    else:
        try:
            number = parse_integer(value)
        except NotANumber as error:
            raise BadValue(path, str(error)) from None
    if number >= modulus:
        message = f"{found(value)} is not below the modulus {modulus:#x}"
        raise BadValue(path, message, too_large=True)
    return number


def resolve_file(folder: Path, relative: str) -> Path:
    """The file of a constant, with all links followed. Raises BadFile where it may not be read.

    The file must lie in the folder, also where links lead to, and be a regular file.
    """
    try:
        root = folder.resolve(strict=True)
        path = (root / relative).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or str(error)
        raise BadFile(f"the file {relative!r} cannot be opened: {reason}") from None
    if not path.is_relative_to(root):
        message = f"the file {relative!r} lies outside the program's folder"
        raise BadFile(message, outside=True)
    if not path.is_file():
        raise BadFile(f"{relative!r} is not a regular file")
    return path
