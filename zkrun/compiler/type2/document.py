"""The document of a graph: one class for each map, made from the operations themselves.

A vertex is a map with the name of its operation, the fields of that, its `operands` and, where they
are known, `label`, `source` and `device`. Values are the index of a vertex or, of one with several
results, `{"vertex": i, "output": j}`. Nothing here looks at meaning.
"""

from __future__ import annotations

from dataclasses import MISSING, field, fields
from typing import Annotated, Any, Literal, TypeAlias, Union

import pydantic
from pydantic import ConfigDict, FailFast, WithJsonSchema
from pydantic.dataclasses import dataclass

from zkrun.compiler.type2 import operations
from zkrun.compiler.type2.types import Form
from zkrun.program.document import Data
from zkrun.program.explain import Words
from zkrun.program.functions.parameters import Integer
from zkrun.program.shape import Format
from zkrun.program.types import Device, Point, PointArray, Scalar, Text, Transcript, UInt

__all__ = ["FORMAT", "OPERATIONS", "GraphConstant", "GraphDocument", "GraphInput", "Poly"]

_CONFIG = ConfigDict(extra="forbid", defer_build=True)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Poly:
    """A polynomial: `n` coefficients, or its values at `coset`·ω^i."""

    n: UInt
    form: Form
    coset: Integer = 1
    kind: Literal["Poly"] = "Poly"


GivenTyp: TypeAlias = Annotated[
    Poly | Scalar | Point | PointArray, pydantic.Field(discriminator="kind")
]
ResultTyp: TypeAlias = Annotated[
    Poly | Scalar | Point | PointArray | Transcript, pydantic.Field(discriminator="kind")
]

_FIELDS: dict[str, Any] = {
    "by": Annotated[int, pydantic.Field(strict=True, ge=-(2**63), le=2**63 - 1)],
    "coset": Integer,
    "end": UInt,
    "entry": Text,
    "exponent": UInt,
    "expr": Text,
    "form": Form,
    "function": Text,
    "hash": Literal["blake2b", "keccak256"],
    "index": UInt,
    "n": UInt,
    "outputs": UInt,
    "params": dict[Text, Any],
    "results": Annotated[list[ResultTyp], FailFast()],
    "start": UInt,
    "value": Integer,
}
"""What may stand in each field of an operation."""

_VALUES = Annotated[list[Any], FailFast(), WithJsonSchema({"type": "array"})]


def _vertex(operation: type[operations.Operation]) -> type[Any]:
    """The class of the vertices with this operation."""
    name = operation.__name__
    types: dict[str, Any] = {"op": Literal[name]}
    defaults: dict[str, Any] = {"op": name}
    for one in fields(operation):
        types[one.name] = _FIELDS[one.name]
        if one.default is not MISSING:
            defaults[one.name] = one.default
    if "params" in types:
        defaults["params"] = field(default_factory=dict)
    types |= {"operands": _VALUES, "label": Text, "source": Text, "device": Device}
    defaults |= {"operands": field(default_factory=list)}
    defaults |= dict.fromkeys(("label", "source", "device"))
    made = type(name, (), {"__annotations__": types, "__module__": __name__, **defaults})
    return dataclass(made, config=_CONFIG, kw_only=True, frozen=True)


OPERATIONS: dict[str, type[operations.Operation]] = {
    name: cls
    for name, cls in vars(operations).items()
    if isinstance(cls, type) and issubclass(cls, operations.Operation) and cls.name
}
"""Every operation by the name that documents know it by."""

_VERTICES = {name: _vertex(cls) for name, cls in OPERATIONS.items()}
_Vertex: Any = Annotated[Union[*_VERTICES.values()], pydantic.Field(discriminator="op")]


@dataclass(frozen=True, slots=True, config=_CONFIG)
class GraphInput:
    """A value that is given when the program runs."""

    name: Text
    typ: GivenTyp


@dataclass(frozen=True, slots=True, config=_CONFIG)
class GraphConstant:
    """A value that is part of the program."""

    name: Text
    typ: GivenTyp
    data: Data


@dataclass(slots=True, kw_only=True, config=_CONFIG)
class GraphDocument:
    """One graph. `result` is a value, or a list of such for a tuple."""

    format: Literal["zkrun-graph"] = "zkrun-graph"
    version: Literal[1] = 1
    name: Text | None = None
    curve: Literal["bn254", "bls12_381"]
    inputs: Annotated[list[GraphInput], FailFast()] = field(default_factory=list)
    constants: Annotated[list[GraphConstant], FailFast()] = field(default_factory=list)
    vertices: Annotated[list[_Vertex], FailFast()]
    result: Any


_KINDS = {cls.__name__: cls for cls in (Poly, Scalar, Point, PointArray, Transcript)}

FORMAT = Format(
    "zkrun-graph",
    "graph",
    Words(
        GraphDocument,
        {"inputs": GraphInput, "constants": GraphConstant},
        _VERTICES,
        _KINDS,
        "operation",
    ),
    {"inputs": GraphInput, "constants": GraphConstant, "vertices": _Vertex},
)
"""The format of graphs."""
