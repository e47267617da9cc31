"""Zeros behind coefficients are put there after linear arithmetic, which then is on fewer."""

from __future__ import annotations

from collections.abc import Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import Rewriter
from zkrun.compiler.type2.types import Poly

__all__ = ["pad_late", "unpadded"]

_LINEAR = op.Add | op.Subtract | op.Multiply | op.Negate


def pad_late(graph: Graph) -> Graph:
    """Sums and multiples of padded coefficients become padded sums and multiples."""
    rewriter = Rewriter(graph)
    for index, vertex in enumerate(graph.vertices):
        operands = rewriter.operands(index)
        inner = _inner(rewriter, vertex, operands)
        if inner is None:
            rewriter.keep(index)
            continue
        typ = vertex.types[0]
        assert isinstance(typ, Poly)
        result = rewriter.add(vertex.operation, inner, vertex)
        rewriter.put(Value(index), rewriter.add(op.Concatenate(typ.n), [result], vertex))
    return rewriter.finish()


def unpadded(vertices: Sequence[Vertex], value: Value) -> Value:
    """What a value is with zeros behind; itself if it is none."""
    vertex = vertices[value.vertex]
    if isinstance(vertex.operation, op.Concatenate) and len(vertex.operands) == 1:
        return vertex.operands[0]
    return value


def _inner(
    rewriter: Rewriter, vertex: Vertex, operands: Sequence[Value]
) -> tuple[Value, ...] | None:
    """The operands without their zeros; None where one has none, or the operation needs them."""
    typ = vertex.types[0]
    if not isinstance(vertex.operation, _LINEAR) or not isinstance(typ, Poly):
        return None
    if typ.form != "coefficients":
        return None
    inner = tuple(
        unpadded(rewriter.builder.vertices, value)
        if isinstance(rewriter.type(value), Poly)
        else value
        for value in operands
    )
    lengths = [found.n for one in inner if isinstance(found := rewriter.type(one), Poly)]
    return inner if max(lengths) < typ.n else None
