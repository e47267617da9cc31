"""What a function is to a program: its arguments, its parameters, its cost.

A signature is defined once, here or in an installed package. The analysis checks calls against it,
the devices bind it to an implementation, the report takes rates from its cost, and the reference is
printed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from zkrun.algebra.curves import Curve
from zkrun.program.types import GpuBuffer, Typ

__all__ = ["Argument", "Call", "Cost", "Signature", "arguments_of", "form", "match", "no_check"]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument, or a run of arguments, of a function.

    `kinds` are the `kind`s of TYP that fit. `effect` says what happens to the bytes: "updates" is
    read and written, "writes" is written in full without being read. `repeat`: how often the
    argument may stand: "one", "optional" (the last ones only), "some" (one or more), "any" (zero or
    more). Arguments that repeat under the same `group` name stand equally often (msm's results and
    scalars).
    """

    name: str
    kinds: tuple[str, ...]
    effect: Literal["reads", "writes", "updates"] = "reads"
    repeat: Literal["one", "optional", "some", "any"] = "one"
    group: str = ""


def match(arguments: Sequence[Argument], count: int) -> tuple[Argument, ...] | None:
    """The argument that each of `count` operands stands for, or None where that many do not fit.

    Arguments of one list that repeat all stand equally often, each a run of its own: [x…, y…].
    """
    repeating = [argument for argument in arguments if argument.repeat in ("some", "any")]
    if not repeating:
        needed = sum(argument.repeat == "one" for argument in arguments)
        return tuple(arguments[:count]) if needed <= count <= len(arguments) else None
    times, rest = divmod(count - (len(arguments) - len(repeating)), len(repeating))
    least = int(any(argument.repeat == "some" for argument in repeating))
    if rest or times < least:
        return None
    return tuple(
        argument for argument in arguments for _ in range(1 if argument.repeat == "one" else times)
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call needs at least: field multiplications (of the base field for points), bytes."""

    multiplications: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call with everything known before the run: the stream is left out of `immutable`.

    `workspace` is the buffer that the program gave for what the function needs beside its operands;
    it stands behind `mutable` in the instruction.
    """

    signature: Signature
    curve: Curve
    params: Any  # an instance of signature.params
    mutable: tuple[Typ, ...]
    immutable: tuple[Typ, ...]
    workspace: GpuBuffer | None = None

    @property
    def written(self) -> tuple[Typ, ...]:
        """The types of all that stands in `arg_mut`."""
        return (*self.mutable, self.workspace) if self.workspace else self.mutable


def arguments_of(call: Call) -> tuple[tuple[Argument, ...], tuple[Argument, ...]]:
    """The argument that each operand of a resolved call stands for: (mutable, immutable)."""
    return (
        match(call.signature.mutable, len(call.mutable)) or (),
        match(call.signature.immutable, len(call.immutable)) or (),
    )


def form(signature: Signature) -> str:
    """`[c] ← [a, b]`, with ? for what may be left out, + and * for what may repeat."""
    repeats = {"one": "", "optional": "?", "some": "+", "any": "*"}
    mutable, immutable = (
        ", ".join(argument.name + repeats[argument.repeat] for argument in arguments)
        for arguments in (signature.mutable, signature.immutable)
    )
    return f"[{mutable}] ← [{immutable}]"


def no_check(call: Call) -> Iterable[str]:
    """For functions whose kinds say everything."""
    return ()


def no_check_of_params(params: Any, curve: Curve) -> Iterable[str]:
    """For functions whose parameters are right wherever their class takes them."""
    return ()


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that programs can name.

    `params` is a pydantic dataclass (extra keys forbidden) or None where there are none;
    `check_params` yields one text for each of its values that fits no call on the curve. `check`
    yields one for each thing of a call that does not fit (lengths, parameters against them), after
    the kinds have been checked. `devices`: the kinds of device it may run on.
    `elementwise`: a written operand may be exactly an input (same elements, same order).

    `touched`, where given, says how many leading elements of each argument (the mutable ones, then
    the others) a call reads or writes, for functions that leave the rest of some argument alone; a
    "writes" argument is then defined only that far. Without it every call touches all.
    """

    name: str
    doc: str
    mutable: tuple[Argument, ...]
    immutable: tuple[Argument, ...] = ()
    params: type[Any] | None = None
    check_params: Callable[[Any, Curve], Iterable[str]] = no_check_of_params
    check: Callable[[Call], Iterable[str]] = no_check
    cost: Callable[[Call], Cost] = field(default=lambda call: Cost())
    devices: tuple[str, ...] = ("cpu", "gpu")
    elementwise: bool = False
    touched: Callable[[Call], tuple[int, ...]] | None = None
