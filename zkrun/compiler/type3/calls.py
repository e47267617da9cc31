"""The function that computes an operation, and which operand stands where in its call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from zkrun.algebra.curves import CURVES
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.infer import split_call
from zkrun.compiler.type2.types import Poly, ValueType
from zkrun.compiler.type3.chunk import Call, Chunk
from zkrun.program import types
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.functions.registry import signature
from zkrun.program.signature import Call as ResolvedCall

__all__ = ["Lowered", "lower", "resolve", "resolved"]


@dataclass(frozen=True, slots=True)
class Lowered:
    """A call: `updates` has for each result the operand that it overwrites, or None; `reads` the
    operands that are only read, in the order of the function."""

    function: str
    params: op.Params
    updates: tuple[int | None, ...]
    reads: tuple[int, ...]
    elementwise: bool


_EXPRESSIONS = {op.Add: "y0 = x0 + x1", op.Subtract: "y0 = x0 - x1", op.Multiply: "y0 = x0 * x1"}


@lru_cache(maxsize=4096)
def lower(
    operation: op.Operation, operands: tuple[ValueType, ...], results: tuple[ValueType, ...]
) -> Lowered | None:
    """The call of an operation; None for one that is no function."""
    reads = tuple(range(len(operands)))
    match operation:
        case op.Fused(expr=expr):
            return _fused(expr, reads, len(results))
        case op.Add() | op.Subtract():
            if len({typ.n for typ in operands if isinstance(typ, Poly)}) > 1:
                function = "poly_add" if isinstance(operation, op.Add) else "poly_sub"
                return Lowered(function, (), (None,), reads, False)
            return _fused(_EXPRESSIONS[type(operation)], reads, 1)
        case op.Multiply():
            return _fused(_EXPRESSIONS[op.Multiply], reads, 1)
        case op.Negate():
            return _fused("y0 = -x0", reads, 1)
        case op.Power(exponent=exponent):
            return _fused(f"y0 = x0^{exponent}", reads, 1)
        case op.Invert():
            poly = isinstance(operands[0], Poly)
            return Lowered("batch_invert" if poly else "scalar_invert", (), (0,), (), False)
        case op.Call(function=function, params=params):
            found = signature(function)
            split = split_call(found, reads, len(results)) if found else None
            if split is None or found is None:
                raise AssertionError(f"{function} was checked when its vertex was made")
            return Lowered(function, params, split[0], split[1], found.elementwise)
        case _:
            return None


def _fused(expr: str, reads: tuple[int, ...], results: int) -> Lowered:
    return Lowered("fused_arith", (("expr", expr),), (None,) * results, reads, True)


def resolve(chunk: Chunk, call: Call) -> ResolvedCall:
    """A call of a chunk as its function's signature takes it."""
    return resolved(
        chunk.curve,
        call.function,
        call.params,
        tuple(chunk.registers[one].typ for one in call.written),
        tuple(chunk.registers[one].typ for one in call.read),
    )


@lru_cache(maxsize=1 << 16)
def resolved(
    curve: str,
    function: str,
    params: op.Params,
    written: tuple[types.Typ, ...],
    read: tuple[types.Typ, ...],
) -> ResolvedCall:
    """A call of which passes have proved that its function takes it."""
    entry = FunctionEntry(function, dict(params))
    found, problems = resolve_call(entry, CURVES[curve], written, read)
    assert found is not None, problems
    return found
