"""The types of values in a graph: those of programs, and polynomials that know their form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from zkrun.program import types as memory
from zkrun.program.types import Point, PointArray, Scalar, Transcript

__all__ = ["Form", "Poly", "Refusal", "ValueType", "memory_type"]

Form = Literal["coefficients", "lagrange"]


@dataclass(frozen=True, slots=True)
class Poly:
    """A polynomial of `n` elements: its coefficients from the constant one on, or its values.

    The values of form "lagrange" are those at `coset`·ω^i, in natural order, where ω is the n-th
    root of unity that the program format fixes.
    """

    n: int
    form: Form
    coset: int = 1

    def __str__(self) -> str:
        coset = "" if self.coset == 1 else f", coset {self.coset:#x}"
        return f"Poly[{self.n}, {self.form}{coset}]"


ValueType: TypeAlias = Poly | Scalar | Point | PointArray | Transcript


def memory_type(typ: ValueType) -> memory.Typ:
    """What a value of this type is in a program."""
    return _array(typ.n) if isinstance(typ, Poly) else typ


_array = lru_cache(maxsize=1 << 12)(memory.ScalarArray)  # made a million times in a compilation


class Refusal(ValueError):
    """Why an operation does not take operands of these types; `help` is the likely mend."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help
