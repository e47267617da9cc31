"""What a function is to a program: its arguments, its parameters, its cost.

A signature is defined once, here or in an installed package. The analysis checks calls against it,
the devices bind it to an implementation, the report takes rates from its cost, and the reference is
printed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from zkrun.algebra.curves import Curve
from zkrun.program.types import Typ

__all__ = ["Argument", "Call", "Cost", "Signature", "no_check"]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument, or a run of arguments, of a function.

    `kinds` are the `kind`s of TYP that fit. `effect` says what happens to the bytes: "updates" is
    read and written, "writes" is written in full without being read. `repeat`: how often the argument
    may stand: "one", "optional" (the last ones only), "some" (one or more), "any" (zero or more).
    Arguments that repeat under the same `group` name stand equally often (msm's results and scalars).
    """

    name: str
    kinds: tuple[str, ...]
    effect: Literal["reads", "writes", "updates"] = "reads"
    repeat: Literal["one", "optional", "some", "any"] = "one"
    group: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call needs at least: field multiplications (base field for groups) and bytes moved."""

    multiplications: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call with everything known before the run: the stream is left out of `immutable`."""

    signature: Signature
    curve: Curve
    params: Any  # an instance of signature.params
    mutable: tuple[Typ, ...]
    immutable: tuple[Typ, ...]


def no_check(call: Call) -> Iterable[str]:
    """For functions whose kinds say everything."""
    return ()


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that programs can name.

    `params` is a pydantic dataclass (extra keys forbidden) or None where there are none. `check`
    yields one text for each thing that does not fit (lengths, sizes, parameter values against the
    curve), after the kinds have been checked. `devices`: the kinds of device it may run on.
    `elementwise`: a written operand may be exactly an input (same elements, same order).
    """

    name: str
    doc: str
    mutable: tuple[Argument, ...]
    immutable: tuple[Argument, ...] = ()
    params: type[Any] | None = None
    check: Callable[[Call], Iterable[str]] = no_check
    cost: Callable[[Call], Cost] = field(default=lambda call: Cost())
    devices: tuple[str, ...] = ("cpu", "gpu")
    elementwise: bool = False
