"""The program as decoded: one class for each map of the document.

Nothing here looks at meaning: an id may still be unbound, a file missing, a point off the curve.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from zkrun.algebra.curves import CURVES, Curve
from zkrun.program.instructions import Fork, Instruction
from zkrun.program.types import (
    MAX_INTEGER,
    Device,
    Point,
    PointArray,
    Scalar,
    ScalarArray,
    Text,
    UInt,
)

__all__ = [
    "Bytes",
    "Constant",
    "Data",
    "Encoding",
    "File",
    "FunctionEntry",
    "Input",
    "Program",
    "ValueTyp",
    "Values",
    "walk",
]

_CONFIG = ConfigDict(extra="forbid", defer_build=True)

ValueTyp: TypeAlias = Annotated[
    Scalar | ScalarArray | Point | PointArray, Field(discriminator="kind")
]
"""The types that constants and inputs may have."""

Encoding = Literal["montgomery", "canonical"]


def _binary(value: Any, info: ValidationInfo) -> Any:
    """The bytes of a constant: binary as it is, base64 text (strict, canonical) in JSON only."""
    if info.context != "json":
        if isinstance(value, bytes):
            return value
        raise PydanticCustomError("ZK013", "here `bytes` is binary, not text")
    if not isinstance(value, str):
        raise PydanticCustomError("ZK013", "in JSON `bytes` is base64 text")
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        reason = {"reason": str(error)}
        raise PydanticCustomError("ZK013", "this is not base64 text: {reason}", reason) from None
    if base64.b64encode(decoded).decode() != value:
        raise PydanticCustomError("ZK013", "this base64 text has stray bits at its end")
    return decoded


def _relative(path: str) -> str:
    """Refuses what is no plain relative path; links are looked at when the file is opened."""
    parts = PurePosixPath(path).parts
    if not parts or parts[-1] == ".." or "\0" in path:
        raise PydanticCustomError("ZK017", "a file needs a name")
    depth = 0
    for part in parts:
        depth += -1 if part == ".." else 1
        if path.startswith("/") or depth < 0:
            raise PydanticCustomError("ZK017", "a file's path may not leave the program's folder")
    return path


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise PydanticCustomError("ZK017", "a sha256 is 64 hexadecimal digits")
    return text.lower()


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Values:
    """Data for people: canonical integers, nested as the type says."""

    values: Any


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Bytes:
    """Data as a memory image inside the document."""

    bytes: Annotated[
        Any,
        BeforeValidator(_binary),
        WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
    ]
    encoding: Encoding


@dataclass(frozen=True, slots=True, config=_CONFIG)
class File:
    """Data as a memory image in a file beside the program."""

    file: Annotated[Text, AfterValidator(_relative)]
    nbytes: UInt
    encoding: Encoding
    offset: UInt = 0
    sha256: (
        Annotated[
            Text,
            AfterValidator(_sha256),
            WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}),
        ]
        | None
    ) = None


def _data_form(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((f"={key}" for key in ("values", "bytes", "file") if key in value), None)
    return f"={type(value).__name__.lower()}"


Data: TypeAlias = Annotated[
    Annotated[Values, Tag("=values")]
    | Annotated[Bytes, Tag("=bytes")]
    | Annotated[File, Tag("=file")],
    Discriminator(_data_form),
]
"""The three forms of DATA. The tags start with "=" so that error locations can drop them."""


def _no_binary(value: Any) -> Any:
    """Refuses binary, which MessagePack could put anywhere."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, bytes):
            raise PydanticCustomError("ZK004", "binary stands only under the `bytes` of a constant")
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            left += one
    return value


@dataclass(frozen=True, slots=True, config=_CONFIG)
class FunctionEntry:
    """An entry of the function table: what `func_id` names."""

    name: Text
    params: Annotated[dict[Text, Any], BeforeValidator(_no_binary)] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Equal as texts: in Python True equals 1, but only one of the two is a flag."""
        if not isinstance(other, FunctionEntry):
            return NotImplemented
        return self.name == other.name and repr(self.params) == repr(other.params)

    def __hash__(self) -> int:
        return hash((self.name, repr(self.params)))  # parameters may hold lists


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Constant:
    """An entry of the constant table."""

    name: Text
    typ: ValueTyp
    data: Data
    device: Device = "cpu"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Input:
    """A value that is given at run time, on the CPU."""

    name: Text
    typ: ValueTyp


_ID = re.compile("0|[1-9][0-9]{0,19}")


def _ids(value: Any) -> Any:
    """Refuses names of variables whose keys are no ids (the first one is enough to say so)."""
    for key in value:
        if not _ID.fullmatch(key) or int(key) > MAX_INTEGER:
            found = {"at": key}
            raise PydanticCustomError("ZK018", 'a key of `variables` is an id such as "7"', found)
    return value


def _first_bad(kind: type, what: str) -> Any:
    """A check before pydantic's own that stops at the first bad value of a large map."""

    def check(value: Any) -> Any:
        if isinstance(value, dict):
            for key, item in value.items():
                if type(key) is not str or type(item) is not kind:
                    raise PydanticCustomError("ZK008", what, {"at": key})
        return value

    return BeforeValidator(check)


def _distinct(inputs: list[Input]) -> list[Input]:
    seen: set[str] = set()
    for index, entry in enumerate(inputs):
        if entry.name in seen:
            found = {"at": f"{index}", "name": entry.name}
            raise PydanticCustomError("ZK014", 'a second input is named "{name}"', found)
        seen.add(entry.name)
    return inputs


@dataclass(slots=True, kw_only=True, config=_CONFIG)
class Program:
    """One program. `folder` is where its files lie, which the document itself does not say."""

    format: Literal["zkrun"] = "zkrun"
    version: Literal[1] = 1
    name: Text | None = None
    curve: Literal["bn254", "bls12_381"]
    functions: Annotated[list[FunctionEntry], FailFast()] = field(default_factory=list)
    constants: Annotated[list[Constant], FailFast()] = field(default_factory=list)
    inputs: Annotated[list[Input], FailFast(), AfterValidator(_distinct)] = field(
        default_factory=list
    )
    instructions: Annotated[list[Instruction], FailFast()]
    memory: Annotated[
        dict[Device, UInt], _first_bad(int, "the bytes of a device are an integer")
    ] = field(default_factory=dict)
    variables: Annotated[
        dict[Text, Text],
        _first_bad(str, "the name of a variable is text"),
        AfterValidator(_ids),
    ] = field(default_factory=dict)
    folder: Path | None = field(default=None, init=False, compare=False)

    @property
    def curve_record(self) -> Curve:
        """The parameters of the program's curve."""
        return CURVES[self.curve]


def walk(program: Program) -> Iterator[tuple[str, int | None, Instruction]]:
    """All instructions as (JSON pointer, thread, instruction), each Fork before its own ones.

    The main thread is None. The position in this order is what spans of a trace call `at`.
    """
    stack: list[tuple[str, int | None, Iterator[tuple[int, Instruction]]]] = [
        ("/instructions", None, enumerate(program.instructions))
    ]
    while stack:
        prefix, thread, items = stack[-1]
        for index, instruction in items:
            path = f"{prefix}/{index}"
            yield path, thread, instruction
            if isinstance(instruction, Fork):
                inner = enumerate(instruction.instructions)
                stack.append((f"{path}/instructions", instruction.new_thread, inner))
                break
        else:
            stack.pop()
