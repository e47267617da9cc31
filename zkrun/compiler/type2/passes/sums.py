"""Multi-scalar multiplications that are too large for a GPU take fewer vectors, or go in slices.

Their scratch memory grows with both. The sum of a vector is the sum of its slices' sums.
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

__all__ = ["Workspace", "cut_sums", "no_workspace"]

Workspace = Callable[[Call], int]
"""The bytes of scratch that a GPU takes for a call."""

_NO_LIMIT = 1 << 59
"""A call of which no device knows its scratch memory takes more."""

_LEAST = 64
"""Scalars of a slice."""

_MOST_SLICES = 16


def no_workspace(call: Call) -> int:
    """For devices whose scratch memory is not planned."""
    return 0


def cut_sums(graph: Graph, most: int | None, workspace: Workspace = no_workspace) -> Graph:
    """Cuts what takes more than `most` bytes with its scratch memory, into as few as do; where that
    is None, what takes more than there can be."""
    most = _NO_LIMIT if most is None else most
    rewriter = Rewriter(graph)
    for index, vertex in enumerate(graph.vertices):
        operation = vertex.operation
        if isinstance(operation, op.Call) and operation.function == "msm":
            operands = tuple(graph.type(value) for value in vertex.operands)
            vectors, slices = _cut(graph, operands, most, workspace)
            if (vectors, slices) != (len(operands) - 1, 1):
                _rewrite(rewriter, index, vertex, vectors, slices)
                continue
        rewriter.keep(index)
    return rewriter.finish()


def _cut(
    graph: Graph, operands: Sequence[ValueType], most: int, workspace: Workspace
) -> tuple[int, int]:
    """How many vectors a call takes, and into how many slices they are cut."""
    bases, *vectors = operands
    assert isinstance(bases, types.PointArray)
    points = max((_length(typ) for typ in vectors), default=0)

    def fits(count: int, slices: int) -> bool:
        size = -(-points // slices)
        taken: list[types.Typ] = [types.PointArray(size, bases.group)]
        taken += [types.ScalarArray(size)] * count
        sums = [types.Point(bases.group)] * count
        call, problems = resolve_call(FunctionEntry("msm", {}), graph.curve_record, sums, taken)
        assert call is not None, problems
        held = sum(types.size(typ, graph.curve_record) for typ in taken)
        return held + workspace(call) <= most

    count, slices = len(vectors), 1
    while count > 1 and not fits(count, 1):
        count = -(-count // 2)
    while slices < _MOST_SLICES and points // (2 * slices) >= _LEAST and not fits(count, slices):
        slices *= 2
    return count, slices


def _rewrite(rewriter: Rewriter, index: int, vertex: Vertex, count: int, slices: int) -> None:
    """Calls of `count` vectors, each in slices; what the slices give is added up."""
    bases, *vectors = rewriter.operands(index)
    for first in range(0, len(vectors), count):
        numbers = range(first, min(first + count, len(vectors)))
        sums: dict[int, list[Value]] = {number: [] for number in numbers}
        lengths = {number: _length(rewriter.type(vectors[number])) for number in numbers}
        longest = max(lengths.values())
        for at in range(slices):
            start, end = longest * at // slices, longest * (at + 1) // slices
            inside = [number for number in numbers if lengths[number] > start or not at]
            operands = [
                rewriter.add(op.Slice(start, min(end, lengths[number])), [vectors[number]], vertex)
                for number in inside
            ]
            part = rewriter.add(op.Slice(start, end), [bases], vertex)
            total = rewriter.add(vertex.operation, [part, *operands], vertex)
            for output, number in enumerate(inside):
                sums[number].append(Value(total.vertex, output))
        for number in numbers:
            found = sums[number]
            whole = found[0] if len(found) == 1 else _added(rewriter, found, vertex)
            rewriter.put(Value(index, number), whole)


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


def _length(typ: ValueType) -> int:
    return types.length(memory_type(typ))
