"""The operations of a graph: one class each, with the rule for the types of its results.

An operation is a value: two vertices with equal operations and equal operands compute the same,
unless the operation is not `pure`. Its operands are not part of it.

| operation | operands → results |
|---|---|
| `Input`, `Constant`, `Number` | → the value |
| `Add`, `Subtract`, `Multiply` | a, b → a ∘ b |
| `Negate`, `Power` | a → −a, a^exponent |
| `Invert` | a → 1/a; of a polynomial value by value, zeros stay zero |
| `Fused` | x0, x1, … → y0, y1, …: an expression of `fused_arith` |
| `Rotate`, `Slice` | a → a view of a |
| `View` | a → the same elements as a polynomial of another form |
| `Element` | a → a[index] |
| `Concatenate` | a, b, … → one array, padded with zeros to n elements |
| `Update` | a, part → a with `part` at `start` |
| `Random` | → n uniform random elements |
| `NewTranscript` | → an empty transcript |
| `Call` | a function of the registry |

What `Call` reads and writes follows from the signature of the function: its operands are those of
its mutable arguments that are updated, then the immutable ones; its results are the mutable ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from zkrun.compiler.type2.types import Form, ValueType

__all__ = [
    "Add",
    "Call",
    "Concatenate",
    "Constant",
    "Element",
    "Fused",
    "Input",
    "Invert",
    "Multiply",
    "Negate",
    "NewTranscript",
    "Number",
    "Operation",
    "Params",
    "Power",
    "Random",
    "Rotate",
    "Slice",
    "Subtract",
    "Update",
    "View",
    "call",
]

Params: TypeAlias = tuple[tuple[str, Any], ...]
"""The parameters of a function, sorted by name; values are hashable."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What all operations share. `name` is how texts call it."""

    name: ClassVar[str] = ""
    pure: ClassVar[bool] = True  # equal vertices are one
    is_view: ClassVar[bool] = False  # the result is the memory of the operand


@dataclass(frozen=True, slots=True)
class Input(Operation):
    """The value of an input of the program."""

    name: ClassVar[str] = "input"
    entry: str


@dataclass(frozen=True, slots=True)
class Constant(Operation):
    """A constant of the graph, by its name."""

    name: ClassVar[str] = "constant"
    entry: str


@dataclass(frozen=True, slots=True)
class Number(Operation):
    """A scalar that is known, canonical."""

    name: ClassVar[str] = "number"
    value: int


@dataclass(frozen=True, slots=True)
class Add(Operation):
    """a + b. Coefficients of different counts add as if the shorter had zeros behind."""

    name: ClassVar[str] = "add"


@dataclass(frozen=True, slots=True)
class Subtract(Operation):
    """a − b, of coefficients as `Add`."""

    name: ClassVar[str] = "subtract"


@dataclass(frozen=True, slots=True)
class Multiply(Operation):
    """a·b, value by value where a or b is a polynomial."""

    name: ClassVar[str] = "multiply"


@dataclass(frozen=True, slots=True)
class Negate(Operation):
    """−a."""

    name: ClassVar[str] = "negate"


@dataclass(frozen=True, slots=True)
class Power(Operation):
    """a^exponent, with 0^0 = 1."""

    name: ClassVar[str] = "power"
    exponent: int


@dataclass(frozen=True, slots=True)
class Invert(Operation):
    """1/a. Inverting the scalar zero fails the run; zeros of a polynomial stay zero."""

    name: ClassVar[str] = "invert"


@dataclass(frozen=True, slots=True)
class Fused(Operation):
    """An expression of `fused_arith`. Its results have the type of its polynomial operands."""

    name: ClassVar[str] = "fused"
    expr: str
    outputs: int = 1


@dataclass(frozen=True, slots=True)
class Rotate(Operation):
    """The polynomial p(ω^`by`·X): element i is a[(i + by) mod n]."""

    name: ClassVar[str] = "rotate"
    is_view: ClassVar[bool] = True
    by: int


@dataclass(frozen=True, slots=True)
class Slice(Operation):
    """a[start:end], of coefficients or points."""

    name: ClassVar[str] = "slice"
    is_view: ClassVar[bool] = True
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class View(Operation):
    """The same elements taken as a polynomial of another form."""

    name: ClassVar[str] = "view"
    is_view: ClassVar[bool] = True
    form: Form
    coset: int = 1


@dataclass(frozen=True, slots=True)
class Element(Operation):
    """The element at `index`."""

    name: ClassVar[str] = "element"
    index: int


@dataclass(frozen=True, slots=True)
class Concatenate(Operation):
    """All operands one after the other, then zeros up to `n` elements. The first says the form."""

    name: ClassVar[str] = "concatenate"
    n: int


@dataclass(frozen=True, slots=True)
class Update(Operation):
    """The first operand with the elements of the second, of any form, from `start` on."""

    name: ClassVar[str] = "update"
    start: int


@dataclass(frozen=True, slots=True)
class Random(Operation):
    """`n` uniform random elements. What they are depends on the order of all Randoms."""

    name: ClassVar[str] = "random"
    pure: ClassVar[bool] = False
    n: int
    form: Form


@dataclass(frozen=True, slots=True)
class NewTranscript(Operation):
    """An empty transcript."""

    name: ClassVar[str] = "transcript"
    hash: Literal["blake2b", "keccak256"]


@dataclass(frozen=True, slots=True)
class Call(Operation):
    """A call of a function; `results` are stated of those of packages, and of `fill`."""

    name: ClassVar[str] = "call"
    function: str
    params: Params = ()
    results: tuple[ValueType, ...] | None = None

    def parameters(self) -> dict[str, Any]:
        """The parameters as the function table of a program holds them."""
        return dict(self.params)


def call(
    function: str,
    params: Mapping[str, Any] | None = None,
    results: Sequence[ValueType] | None = None,
) -> Call:
    """A Call with its parameters in the form that compares."""
    given = tuple(sorted((params or {}).items()))
    return Call(function, given, None if results is None else tuple(results))
