"""Arithmetic that is too large for a GPU runs in slices.

A slice of a fused call takes slices of its operands, rotated ones too, so only those have to be on
the GPU; its results go to their places in the whole.
"""

from __future__ import annotations

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import Rewriter, base_of
from zkrun.compiler.type2.types import Poly, ValueType, memory_type
from zkrun.program import types

__all__ = ["chunk_fused"]

_LEAST = 64
"""Elements of a slice."""

_MOST_SLICES = 16


def chunk_fused(graph: Graph, most: int | None) -> Graph:
    """Slices fused calls whose operands and results have more than `most` bytes together."""
    if most is None:
        return graph
    rewriter = Rewriter(graph)
    for index, vertex in enumerate(graph.vertices):
        count = 1
        if isinstance(vertex.operation, op.Fused):
            count = _count(_length(vertex.types[0]), _fused_bytes(graph, vertex), most)
        if count > 1:
            _fused(rewriter, index, vertex, count)
        else:
            rewriter.keep(index)
    return rewriter.finish()


def _fused_bytes(graph: Graph, vertex: Vertex) -> int:
    """Bytes of the operands and results; an array that is taken twice, rotated, counts once."""
    bases = {base_of(graph, value) for value in vertex.operands}
    typs = (*(graph.type(value) for value in bases), *vertex.types)
    return sum(types.size(memory_type(typ), graph.curve_record) for typ in typs)


def _count(n: int, nbytes: int, most: int) -> int:
    """Slices of equal length, as few as make one fit."""
    count = 1
    while nbytes // count > most and n // (2 * count) >= _LEAST and count < _MOST_SLICES:
        count *= 2
    return count


def _length(typ: ValueType) -> int:
    return types.length(memory_type(typ))


def _bounds(n: int, count: int) -> list[tuple[int, int]]:
    return [(n * i // count, n * (i + 1) // count) for i in range(count)]


def _fused(rewriter: Rewriter, index: int, vertex: Vertex, count: int) -> None:
    typ = vertex.types[0]
    assert isinstance(typ, Poly)
    parts = []
    for start, end in _bounds(typ.n, count):
        operands = [
            rewriter.add(op.Slice(start, end), [value], vertex)
            if isinstance(rewriter.type(value), Poly)
            else value
            for value in rewriter.operands(index)
        ]
        parts.append(rewriter.add(vertex.operation, operands, vertex))
    for output in range(len(vertex.types)):
        pieces = [Value(part.vertex, output) for part in parts]
        whole = rewriter.add(op.Concatenate(typ.n), pieces, vertex)
        rewriter.put(Value(index, output), whole)
