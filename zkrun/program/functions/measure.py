"""Lengths and costs that several functions share."""

from __future__ import annotations

from zkrun.program.signature import Call, Cost, arguments_of
from zkrun.program.types import element_size, length

__all__ = ["cost", "lengths", "traffic"]


def lengths(call: Call) -> tuple[list[int], list[int]]:
    """Elements of each operand of a call: (mutable, immutable)."""
    return [length(typ) for typ in call.mutable], [length(typ) for typ in call.immutable]


def traffic(call: Call) -> int:
    """Bytes that a call reads and writes at least: every element once, updated ones twice."""
    mutable, immutable = arguments_of(call)
    arguments = (*mutable, *immutable)
    types = (*call.mutable, *call.immutable)
    touched = call.signature.touched
    counts = touched(call) if touched else [length(typ) for typ in types]
    return sum(
        count * element_size(typ, call.curve) * (2 if argument.effect == "updates" else 1)
        for argument, typ, count in zip(arguments, types, counts, strict=True)
    )


def cost(call: Call, multiplications: int = 0) -> Cost:
    """A cost with the traffic of the call."""
    return Cost(multiplications, traffic(call))
