"""What an author gives to a proof from outside: types, data of constants, parameters of calls."""

from __future__ import annotations

from typing import Any, TypedDict, TypeVar, Unpack

from pydantic import TypeAdapter, ValidationError

from zkrun.algebra.curves import Curve
from zkrun.compiler.type2.recorder import error, integer, text
from zkrun.compiler.type2.types import Form, Poly, ValueType, memory_type
from zkrun.program.constants import BadValue, parse_values
from zkrun.program.document import Bytes, Data, Encoding, File, Values
from zkrun.program.explain import Words, explain, found
from zkrun.program.types import MAX_INTEGER, Point, PointArray, Scalar, size

__all__ = [
    "Coefficients",
    "ConstantData",
    "Lagrange",
    "check_type",
    "constant_data",
    "count",
    "form",
    "parameter",
]

_D = TypeVar("_D", bound=Data)


def Coefficients(n: int) -> Poly:  # noqa: N802  # reads as the type that it gives
    """The type of a polynomial of n coefficients, the constant one first."""
    return Poly(count(n), "coefficients")


def Lagrange(n: int, coset: int = 1) -> Poly:  # noqa: N802  # reads as the type that it gives
    """The type of a polynomial's n values at coset·ω^i, in the order of i."""
    return Poly(count(n), "lagrange", integer(coset, "a coset"))


def count(n: Any) -> int:
    """A number of elements."""
    number = integer(n, "a number of elements")
    if not 0 <= number <= MAX_INTEGER:
        raise error(f"{number} is no number of elements")
    return number


def form(value: Any) -> Form:
    """The form of a polynomial."""
    if value == "coefficients":
        return "coefficients"
    if value == "lagrange":
        return "lagrange"
    raise error(f'the form of a polynomial is "coefficients" or "lagrange", not {found(value)}')


def check_type(name: str, typ: Any) -> None:
    """Refuses what is not the type of an input or a constant."""
    if not isinstance(typ, Poly | Scalar | Point | PointArray):
        raise error(
            f"the type of {name} is Coefficients(n), Lagrange(n), Scalar(), Point() or "
            f"PointArray(n), not {typ if isinstance(typ, type) else found(typ)}"
        )


class ConstantData(TypedDict, total=False):
    """Where a constant comes from: `values`, `data` or `file`, one of the three.

    `values` are canonical integers: one, or a list; a point is (x, y), or None for infinity. `data`
    is the memory image, and `file` has it from byte `offset` (0) on; the elements of images are in
    the `encoding` "montgomery", if not stated, or "canonical". `sha256` is that of the image.
    """

    values: Any
    data: bytes
    file: str
    encoding: Encoding
    offset: int
    sha256: str | None


def constant_data(typ: ValueType, curve: Curve, **given: Unpack[ConstantData]) -> Data:
    """The data of a constant, as a document holds it."""
    if sum(source in given for source in ("values", "data", "file")) != 1:
        raise error("a constant has either values, data or a file")
    if "values" in given:
        values = Values(_written(given["values"]))
        try:
            parse_values(memory_type(typ), values.values, curve)
        except BadValue as bad:
            raise error(f"the values of a {typ}: {bad}") from None
        return values
    nbytes = size(memory_type(typ), curve)
    encoding = given.get("encoding", "montgomery")
    if "file" in given:
        place = {"file": given["file"], "offset": given.get("offset", 0), "nbytes": nbytes}
        return _checked({**place, "sha256": given.get("sha256"), "encoding": encoding}, File)
    if len(given["data"]) != nbytes:
        raise error(f"the data of a {typ} has {nbytes} bytes, not {len(given['data'])}")
    return _checked({"bytes": bytes(given["data"]), "encoding": encoding}, Bytes)


def parameter(value: Any) -> Any:
    """A parameter of a function as graphs hold it: hashable, and text where a number is large."""
    if isinstance(value, list | tuple):
        return tuple(parameter(item) for item in value)
    if isinstance(value, str):
        return text(value, "a parameter")
    if isinstance(value, bool) or value is None:
        return value
    return _number(integer(value, "a parameter is text, a flag, a list or an integer"))


def _written(values: Any) -> Any:
    """Values as a document writes them: integers of more than 64 bits as text."""
    if isinstance(values, list | tuple):
        return [_written(value) for value in values]
    if isinstance(values, str) or values is None:
        return values
    return _number(integer(values, "an element of a constant"))


def _number(value: int) -> int | str:
    return hex(value) if value > MAX_INTEGER else value


def _checked(given: dict[str, Any], form: type[_D]) -> _D:
    try:
        return TypeAdapter(form).validate_python(given)
    except ValidationError as wrong:
        finding = explain(dict(wrong.errors(include_url=False)[0]), given, Words(form))
        raise error(f"{finding.path[1:]}: {finding.message}") from None
