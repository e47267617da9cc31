"""The types of values and the names of devices, as they stand in a program.

Each type is one class; `Typ` is the union that a document may hold. Sizes follow the memory image
that the program format fixes: 8-byte limbs in Montgomery form, contiguous elements.
"""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, FailFast, Field
from pydantic.dataclasses import dataclass

from zkrun.algebra.curves import Curve

__all__ = [
    "KINDS",
    "MAX_INTEGER",
    "Array",
    "Device",
    "Element",
    "GpuBuffer",
    "Group",
    "Point",
    "PointArray",
    "Scalar",
    "ScalarArray",
    "Stream",
    "Text",
    "Transcript",
    "Tuple",
    "Typ",
    "UInt",
    "element",
    "element_size",
    "gpu_index",
    "length",
    "size",
    "with_length",
]

MAX_INTEGER = 2**64 - 1

UInt = Annotated[int, Field(strict=True, ge=0, le=MAX_INTEGER)]
Text = Annotated[str, Field(strict=True)]

_GPU = re.compile(r"gpu:(0|[1-9][0-9]{0,3})")


def _device(text: str) -> str:
    if text in ("cpu", "disk") or _GPU.fullmatch(text):
        return text
    raise ValueError('a device is "cpu", "disk" or "gpu:0", "gpu:1", …')


Device = Annotated[
    str,
    Field(strict=True, json_schema_extra={"pattern": f"^(cpu|disk|{_GPU.pattern})$"}),
    AfterValidator(_device),
]
Group = Literal["g1", "g2"]

_CONFIG = ConfigDict(extra="forbid", defer_build=True)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Scalar:
    """One element of the scalar field Fr."""

    kind: Literal["Scalar"] = "Scalar"

    def __str__(self) -> str:
        return "Scalar"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class ScalarArray:
    """`len` contiguous elements of Fr."""

    len: UInt
    kind: Literal["ScalarArray"] = "ScalarArray"

    def __str__(self) -> str:
        return f"ScalarArray[{self.len}]"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Point:
    """One affine point; infinity is all zero bytes."""

    group: Group = "g1"
    kind: Literal["Point"] = "Point"

    def __str__(self) -> str:
        return f"Point<{self.group}>"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class PointArray:
    """`len` contiguous affine points."""

    len: UInt
    group: Group = "g1"
    kind: Literal["PointArray"] = "PointArray"

    def __str__(self) -> str:
        return f"PointArray<{self.group}>[{self.len}]"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Transcript:
    """The state of a Fiat-Shamir transcript, opaque, on the CPU."""

    hash: Literal["blake2b", "keccak256"]
    kind: Literal["Transcript"] = "Transcript"

    def __str__(self) -> str:
        return f"Transcript<{self.hash}>"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Tuple:
    """References to other variables."""

    items: "Annotated[tuple[Typ, ...], FailFast()]"
    kind: Literal["Tuple"] = "Tuple"

    def __str__(self) -> str:
        """All items, those of inner tuples too; of many only the first ones."""
        return _tuple_text(self, [_SHOWN])


_SHOWN = 32  # items of a tuple, inner ones too: there can be a million


def _tuple_text(typ: Tuple, left: list[int]) -> str:
    parts: list[str] = []
    for item in typ.items:
        left[0] -= 1
        if left[0] < 0:
            parts.append("…")
            break
        parts.append(_tuple_text(item, left) if isinstance(item, Tuple) else str(item))
    return f"({', '.join(parts)})"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Stream:
    """A queue on a GPU."""

    kind: Literal["Stream"] = "Stream"

    def __str__(self) -> str:
        return "Stream"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class GpuBuffer:
    """`nbytes` of scratch memory on a GPU."""

    nbytes: UInt
    kind: Literal["GpuBuffer"] = "GpuBuffer"

    def __str__(self) -> str:
        return f"GpuBuffer[{self.nbytes}]"


Typ: TypeAlias = Annotated[
    Scalar | ScalarArray | Point | PointArray | Transcript | Tuple | Stream | GpuBuffer,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[Any]] = {cls.__name__: cls for cls in Typ.__origin__.__args__}  # type: ignore[attr-defined]  # the members of an Annotated union
"""Every class of type by its `kind`."""


Array: TypeAlias = ScalarArray | PointArray
Element: TypeAlias = Scalar | Point


def element(typ: Array) -> Element:
    """The type of one element of an array."""
    return Scalar() if isinstance(typ, ScalarArray) else Point(typ.group)


def with_length(typ: Array, n: int) -> Array:
    """The array type of `n` elements of the same kind."""
    return ScalarArray(n) if isinstance(typ, ScalarArray) else PointArray(n, typ.group)


def length(typ: "Typ") -> int:
    """Number of elements: `len` of an array, bytes of a buffer, 1 of anything else."""
    if isinstance(typ, ScalarArray | PointArray):
        return typ.len
    return typ.nbytes if isinstance(typ, GpuBuffer) else 1


def element_size(typ: "Typ", curve: Curve) -> int:
    """Bytes of one element in memory; 1 for a buffer, 0 for what has no memory image."""
    match typ:
        case Scalar() | ScalarArray():
            return curve.scalar.bytes
        case Point(group=group) | PointArray(group=group):
            return curve.base.bytes * (2 if group == "g1" else 4)
        case GpuBuffer():
            return 1
        case _:
            return 0


def size(typ: "Typ", curve: Curve) -> int:
    """Bytes that a value of this type takes in memory; 0 for Transcript, Tuple and Stream."""
    return length(typ) * element_size(typ, curve)


def gpu_index(device: str) -> int | None:
    """The index of a GPU (`"gpu:3"` is 3), or None for the CPU and the disk."""
    match = _GPU.fullmatch(device)
    return int(match[1]) if match else None
