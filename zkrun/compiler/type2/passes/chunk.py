"""Calls that are too large for a GPU run in slices: element-wise arithmetic and sums of products.

A slice of a fused call takes slices of its operands, rotated ones too, so only those have to be on
the GPU; its results go to their places in the whole. A sum of products is the sum of its slices'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import Rewriter
from zkrun.compiler.type2.types import Poly, ValueType, memory_type
from zkrun.program import types
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.signature import Call

__all__ = ["Workspace", "chunk_calls", "no_workspace"]

Workspace = Callable[[Call], int]
"""The bytes of scratch that a GPU takes for a call."""

_LEAST = 64
"""Elements of a slice."""

_MOST_SLICES = 64


def no_workspace(call: Call) -> int:
    """For devices whose scratch memory is not planned."""
    return 0


def chunk_calls(graph: Graph, most: int | None, workspace: Workspace = no_workspace) -> Graph:
    """Slices calls whose operands, results and scratch memory are more than `most` bytes."""
    if most is None:
        return graph
    rewriter = Rewriter(graph)
    for index, vertex in enumerate(graph.vertices):
        operands = tuple(graph.type(value) for value in vertex.operands)
        match vertex.operation:
            case op.Fused():
                count = _count(_length(vertex.types[0]), _fused_bytes(graph, vertex), most)
                if count > 1:
                    _fused(rewriter, index, vertex, count)
                    continue
            case op.Call(function="msm"):
                count = _msm_count(graph, operands, vertex, most, workspace)
                if count > 1:
                    _msm(rewriter, index, vertex, operands, count)
                    continue
            case _:
                pass
        rewriter.keep(index)
    return rewriter.finish()


def _fused_bytes(graph: Graph, vertex: Vertex) -> int:
    """Bytes of the operands and results; an array that is taken twice, rotated, counts once."""
    bases = {_base(graph, value) for value in vertex.operands}
    typs = (*(graph.type(value) for value in bases), *vertex.types)
    return sum(types.size(memory_type(typ), graph.curve_record) for typ in typs)


def _base(graph: Graph, value: Value) -> Value:
    while graph.vertices[value.vertex].operation.is_view:
        value = graph.vertices[value.vertex].operands[0]
    return value


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


def _msm_count(
    graph: Graph,
    operands: Sequence[ValueType],
    vertex: Vertex,
    most: int,
    workspace: Workspace,
) -> int:
    """Slices of the bases and scalars, as few as make one fit with its scratch memory."""
    points = max((_length(typ) for typ in operands[1:]), default=0)
    bases = operands[0]
    assert isinstance(bases, types.PointArray)

    def nbytes(count: int) -> int:
        size = -(-points // count)
        sliced: list[types.Typ] = [types.PointArray(size, bases.group)]
        sliced += [types.ScalarArray(min(_length(typ), size)) for typ in operands[1:]]
        call, _ = resolve_call(
            FunctionEntry("msm", {}),
            graph.curve_record,
            tuple(map(memory_type, vertex.types)),
            sliced,
        )
        held = sum(types.size(typ, graph.curve_record) for typ in sliced)
        return held + (workspace(call) if call else 0)

    count = 1
    while nbytes(count) > most and points // (2 * count) >= _LEAST and count < _MOST_SLICES:
        count *= 2
    return count


def _msm(
    rewriter: Rewriter, index: int, vertex: Vertex, operands: Sequence[ValueType], count: int
) -> None:
    """Each slice gives a sum for each vector that has elements there; those are added up."""
    bases, *vectors = rewriter.operands(index)
    lengths = [_length(typ) for typ in operands[1:]]
    sums: list[list[Value]] = [[] for _ in vectors]
    for start, end in _bounds(max(lengths), count):
        inside = [number for number, n in enumerate(lengths) if n > start]
        slices = [
            rewriter.add(op.Slice(start, min(end, lengths[number])), [vectors[number]], vertex)
            for number in inside
        ]
        part = rewriter.add(op.Slice(start, end), [bases], vertex)
        total = rewriter.add(vertex.operation, [part, *slices], vertex)
        for output, number in enumerate(inside):
            sums[number].append(Value(total.vertex, output))
    for output, points in enumerate(sums):
        found = points[0] if len(points) == 1 else _added(rewriter, points, vertex)
        rewriter.put(Value(index, output), found)


def _added(rewriter: Rewriter, points: Sequence[Value], like: Vertex) -> Value:
    """The sum of points: that of their products with 1, on the CPU."""
    ones = op.call("fill", {"value": "one_lagrange"}, [Poly(len(points), "lagrange")])
    weights = rewriter.builder.add(ones, source=like.source, device="cpu")
    array = rewriter.builder.add(
        op.call("assemble_points"), points, source=like.source, device="cpu"
    )
    return rewriter.builder.add(
        op.call("msm"), [array, weights], source=like.source, label=like.label, device="cpu"
    )
