"""Expressions that differ in numbers only become one, with the numbers as operands.

On a GPU each expression is a kernel of its own, which takes seconds to compile; a number that is
read takes next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value
from zkrun.compiler.type2.passes.rewrite import Rewriter
from zkrun.compiler.type2.types import Poly

__all__ = ["share_kernels"]

_NUMBER = re.compile("0x[0-9a-f]+")
"""Numbers as `write` has them from 2^16 on; smaller ones may be exponents and stay."""

_Shape = tuple[str, int]


def share_kernels(graph: Graph) -> Graph:
    """Passes numbers of fused expressions over polynomials as scalars, where that makes several
    expressions one."""
    numbers: dict[_Shape, list[list[str]]] = {}
    for vertex in graph.vertices:
        shape = _shape(vertex.operation, len(vertex.operands), vertex.types)
        if shape is not None and isinstance(vertex.operation, op.Fused):
            numbers.setdefault(shape, []).append(_NUMBER.findall(vertex.operation.expr))
    varying = {shape: _varying(found) for shape, found in numbers.items()}
    if not any(varying.values()):
        return graph
    rewriter = Rewriter(graph)
    for index, vertex in enumerate(graph.vertices):
        shape = _shape(vertex.operation, len(vertex.operands), vertex.types)
        places = varying[shape] if shape is not None else []
        if not places or not isinstance(vertex.operation, op.Fused):
            rewriter.keep(index)
            continue
        own = _NUMBER.findall(vertex.operation.expr)
        expr = _with_inputs(vertex.operation.expr, places, len(vertex.operands))
        operands = [
            *rewriter.operands(index),
            *(rewriter.number(int(own[place], 16), vertex) for place in places),
        ]
        first = rewriter.add(op.Fused(expr, vertex.operation.outputs), operands, vertex)
        for output in range(len(vertex.types)):
            rewriter.put(Value(index, output), Value(first.vertex, output))
    return rewriter.finish()


def _shape(operation: op.Operation, operands: int, types: Sequence[object]) -> _Shape | None:
    """What expressions have to have in common: their text without numbers, and their operands."""
    if not isinstance(operation, op.Fused) or not isinstance(types[0], Poly):
        return None
    return _NUMBER.sub("#", operation.expr), operands


def _varying(numbers: Sequence[Sequence[str]]) -> list[int]:
    """The places at which expressions of one shape have different numbers."""
    return [place for place, column in enumerate(zip(*numbers, strict=True)) if len({*column}) > 1]


def _with_inputs(expr: str, places: Sequence[int], operands: int) -> str:
    """The expression with inputs in place of the numbers at these places."""
    inputs = {place: f"x{operands + at}" for at, place in enumerate(places)}
    count = -1

    def replaced(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return inputs.get(count, match[0])

    return _NUMBER.sub(replaced, expr)
