"""What an author gives to a proof from outside: types, data of constants, parameters of calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Never, TypeAlias, TypedDict, TypeVar, Unpack

from pydantic import TypeAdapter, ValidationError

from zkrun.algebra.curves import Curve
from zkrun.analysis.points import point_fault_text
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.recorder import described, error, integer, text
from zkrun.compiler.type2.types import Form, Poly, ValueType, memory_type
from zkrun.program import types as memory
from zkrun.program.constants import BadValue, parse_values
from zkrun.program.document import Bytes, Data, Encoding, File, Values
from zkrun.program.explain import Words, did_you_mean, explain, found
from zkrun.program.types import MAX_INTEGER, Group, size

__all__ = [
    "Coefficients",
    "ConstantData",
    "Lagrange",
    "Point",
    "PointArray",
    "Scalar",
    "Transcript",
    "check_type",
    "constant_data",
    "count",
    "fill_value",
    "folder",
    "form",
    "hash_name",
    "is_zero",
    "parameters",
    "position",
    "slice_of",
]

_D = TypeVar("_D", bound=Data)

Hash: TypeAlias = Literal["blake2b", "keccak256"]


def Coefficients(n: int) -> Poly:  # noqa: N802  # reads as the type that it gives
    """The type of a polynomial of n coefficients, the constant one first."""
    return Poly(count(n), "coefficients")


def Lagrange(n: int, coset: int = 1) -> Poly:  # noqa: N802  # reads as the type that it gives
    """The type of a polynomial's n values at coset·ω^i, in the order of i."""
    return Poly(count(n), "lagrange", integer(coset, "a coset"))


def Scalar(*nothing: Never) -> memory.Scalar:  # noqa: N802  # reads as the type that it gives
    """The type of one element of the scalar field."""
    if nothing:
        raise error("a Scalar is one element: of several, write Coefficients(n) or Lagrange(n)")
    return memory.Scalar()


def Point(group: Group = "g1") -> memory.Point:  # noqa: N802  # reads as the type that it gives
    """The type of one point, of "g1" or "g2"."""
    return memory.Point(_group(group))


def PointArray(n: int, group: Group = "g1") -> memory.PointArray:  # noqa: N802  # as above
    """The type of n points, of "g1" or "g2"."""
    return memory.PointArray(count(n), _group(group))


def Transcript(hash: Hash) -> memory.Transcript:  # noqa: N802  # reads as the type that it gives
    """The type of a transcript, for the results of functions of packages."""
    return memory.Transcript(hash_name(hash))


def hash_name(value: Any) -> Hash:
    """The hash of a transcript."""
    if value == "blake2b":
        return "blake2b"
    if value == "keccak256":
        return "keccak256"
    raise error(f"the hash of a transcript is blake2b or keccak256, not {found(value)}")


def _group(value: Any) -> Group:
    if value == "g1":
        return "g1"
    if value == "g2":
        return "g2"
    raise error(f'points are of the group "g1" or "g2", not {found(value)}')


def folder(value: Any) -> Path:
    """The folder of a proof."""
    try:
        return Path(value)
    except TypeError:
        raise error(f"the folder of a proof is a path, not {described(value)}") from None


def count(n: Any) -> int:
    """A number of elements."""
    number = integer(n, "a number of elements")
    if not 0 <= number <= MAX_INTEGER:
        raise error(f"{number} is no number of elements: that is between 0 and 2^64 − 1")
    return number


def position(at: Any, n: int) -> int:
    """A position of n elements; a negative one counts from their end, as everywhere in Python."""
    place = integer(at, "a position")
    if place < -n:
        raise error(f"there is no element {place} of {n}")
    return place + n if place < 0 else place


def slice_of(at: slice, n: int) -> op.Slice:
    """The elements that `[start:end]` means of n."""
    if at.step not in (None, 1):
        raise error("a slice has every element from its start to its end, no step")
    start = 0 if at.start is None else position(at.start, n)
    return op.Slice(start, n if at.stop is None else position(at.stop, n))


def is_zero(value: Any) -> bool:
    """Whether it is the number 0, which sums start with."""
    return type(value) is int and value == 0


def form(value: Any) -> Form:
    """The form of a polynomial."""
    if value == "coefficients":
        return "coefficients"
    if value == "lagrange":
        return "lagrange"
    raise error(f'the form of a polynomial is "coefficients" or "lagrange", not {found(value)}')


def fill_value(value: Any, form: Form) -> str:
    """The parameter of `fill`: the numbers 0 and 1 are those polynomials, in this form."""
    if isinstance(value, str):
        return value  # the function says what it takes
    if type(value) is not int or value not in (0, 1):
        raise error(f"0 or 1 fills a polynomial, not {found(value)}: take a multiple of 1")
    return "zero" if value == 0 else "one_lagrange" if form == "lagrange" else "one_coef"


def check_type(name: str, typ: Any) -> None:
    """Refuses what is not the type of an input or a constant."""
    if not isinstance(typ, Poly | memory.Scalar | memory.Point | memory.PointArray):
        raise error(
            f"the type of {name} is Coefficients(n), Lagrange(n), Scalar(), Point() or "
            f"PointArray(n), not {typ if isinstance(typ, type) else found(typ)}"
        )


_MOST_CHECKED = 64
"""Points of a constant whose group is looked at at once: of all of them it is before a run."""

_BESIDE = {"values": (), "data": ("encoding",), "file": ("encoding", "offset", "sha256")}
"""Where data may come from, and what more is said of it then."""


class ConstantData(TypedDict, total=False):
    """Where a constant comes from: `values`, `data` or `file`, one of the three.

    `values` are canonical integers: one, or a list; a point is (x, y), or None for infinity. `data`
    is the memory image, and `file` has it from byte `offset` (0) on; the elements of images are in
    the `encoding` "montgomery", if not stated, or "canonical". `sha256` is that of a file's image.
    """

    values: Any
    data: bytes
    file: str
    encoding: Encoding
    offset: int
    sha256: str | None


def constant_data(typ: ValueType, curve: Curve, **given: Unpack[ConstantData]) -> Data:
    """The data of a constant, as a document holds it."""
    sources = [source for source in _BESIDE if source in given]
    known = {*_BESIDE, *_BESIDE["file"]}
    for key in given:
        if key not in known:
            mend = did_you_mean(key, known)
            raise error(f'no data of a constant is called "{key}"' + (f" ({mend})" if mend else ""))
    if len(sources) != 1:
        raise error("a constant has either values, data or a file")
    for key in given:
        if key not in (sources[0], *_BESIDE[sources[0]]):
            raise error(f"`{key}` says nothing of a constant that is given by `{sources[0]}`")
    if "values" in given:
        values = Values(_written(given["values"]))
        try:
            flat = parse_values(memory_type(typ), values.values, curve)
        except BadValue as bad:
            raise error(f"the values of a {typ}: {bad}") from None
        if isinstance(typ, memory.Point | memory.PointArray):
            _check_points(typ, flat, curve)
        return values
    nbytes = size(memory_type(typ), curve)
    encoding = given.get("encoding", "montgomery")
    if "file" in given:
        place = {"file": given["file"], "offset": given.get("offset", 0), "nbytes": nbytes}
        return _checked({**place, "sha256": given.get("sha256"), "encoding": encoding}, File)
    try:
        image = memoryview(given["data"]).tobytes()
    except TypeError:
        raise error(f"the data of a constant is bytes, not {described(given['data'])}") from None
    if len(image) != nbytes:
        raise error(f"the data of a {typ} has {nbytes} bytes, not {len(image)}")
    return _checked({"bytes": image, "encoding": encoding}, Bytes)


def _check_points(
    typ: memory.Point | memory.PointArray, flat: list[int | None], curve: Curve
) -> None:
    """Refuses what is no point of the group, as far as that takes no time."""
    place, each = 0, 2 if typ.group == "g1" else 4
    for index in range(_MOST_CHECKED):
        if place == len(flat):
            return
        if flat[place] is None:  # infinity
            place += 1
            continue
        coordinates = [number or 0 for number in flat[place : place + each]]
        place += each
        if fault := point_fault_text(curve, coordinates):
            which = f"/{index}: " if isinstance(typ, memory.PointArray) else ""
            raise error(f"the values of a {typ}: {which}{fault}")


def parameters(given: Any) -> dict[str, Any]:
    """The parameters of a function as graphs hold them."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise error(f"the parameters of a call are a map, not {described(given)}")
    return {text(key, "the name of a parameter"): _parameter(value) for key, value in given.items()}


def _parameter(value: Any) -> Any:
    """A parameter of a function: hashable, and text where a number is large."""
    if isinstance(value, list | tuple):
        return tuple(_parameter(item) for item in value)
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
