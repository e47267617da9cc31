"""The order of vertices: each as late as what needs it allows, so that few arrays are alive.

Every value is computed where it is first needed, by a walk from the result down to the operands;
of the operands of a vertex that comes first which takes the most memory beyond its own result
(Sethi and Ullman, "The generation of optimal code for arithmetic expressions", 1970; exact for
trees and a heuristic here, where values are shared).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex, map_result
from zkrun.compiler.type2.passes.rewrite import needs_of
from zkrun.compiler.type2.types import Poly, memory_type
from zkrun.program.types import PointArray, Transcript, size

__all__ = ["peak_bytes", "schedule_vertices"]


def schedule_vertices(graph: Graph) -> Graph:
    """The graph in the order that keeps less memory alive: the walk's, or the given one.

    What makes something small of arrays, such as a value or a commitment, comes as soon as it can,
    so that a GPU has it done before anything waits for it. Random elements come first of all: they
    wait for nothing, and are drawn while others compute.
    """
    found = _reordered(graph, _walk(graph))
    best = found if peak_bytes(found) < peak_bytes(graph) else graph
    return _reordered(best, _small_early(best))


def _small_early(graph: Graph) -> list[int]:
    """The order in which vertices with small results follow their operands, and Randoms nothing."""
    keys: list[tuple[int, int, int]] = []
    for index, vertex in enumerate(graph.vertices):
        if isinstance(vertex.operation, op.Random):
            keys.append((-1, 0, index))
        elif vertex.operands and (vertex.operation.is_view or _reduces(graph, vertex)):
            last = max(keys[operand.vertex] for operand in vertex.operands)
            keys.append((last[0], 1, index))
        else:
            keys.append((index, 0, index))
    return sorted(range(len(keys)), key=keys.__getitem__)


def _reduces(graph: Graph, vertex: Vertex) -> bool:
    """Whether a vertex makes scalars or points of arrays."""
    arrays = (Poly, PointArray)
    return any(isinstance(graph.type(value), arrays) for value in vertex.operands) and not any(
        isinstance(typ, (*arrays, Transcript)) for typ in vertex.types
    )


def peak_bytes(graph: Graph) -> int:
    """The most bytes alive at once when the vertices run in order, inputs and constants aside."""
    sizes = _result_bytes(graph)
    last: dict[int, int] = {}
    owner = list(range(len(graph.vertices)))  # of a view, the vertex whose memory it is
    for index, vertex in enumerate(graph.vertices):
        if vertex.operation.is_view:
            owner[index] = owner[vertex.operands[0].vertex]
        for operand in vertex.operands:
            last[owner[operand.vertex]] = index
    for value in graph.results():
        last[owner[value.vertex]] = len(graph.vertices)
    ending: dict[int, list[int]] = {}
    for index, end in last.items():
        ending.setdefault(end, []).append(index)
    alive = peak = 0
    for index in range(len(graph.vertices)):
        if index in last:
            alive += sizes[index]
        peak = max(peak, alive)
        alive -= sum(sizes[one] for one in ending.get(index, ()))
    return peak


def _result_bytes(graph: Graph) -> list[int]:
    """The bytes that each vertex takes for its results: none for views and what is there anyway."""
    free = op.Input | op.Constant | op.Number
    return [
        0
        if vertex.operation.is_view or isinstance(vertex.operation, free)
        else sum(size(memory_type(typ), graph.curve_record) for typ in vertex.types)
        for vertex in graph.vertices
    ]


def _walk(graph: Graph) -> list[int]:
    """The vertices in the order of the walk."""
    needs = needs_of(graph)
    sizes = _result_bytes(graph)
    order = _by_need(needs, sizes)
    seen = [False] * len(graph.vertices)
    found: list[int] = []
    roots = [value.vertex for value in graph.results()]
    roots += range(len(graph.vertices))  # what no result needs comes last
    for root in roots:
        stack = [(root, 0)]
        while stack:
            index, at = stack.pop()
            if seen[index]:
                continue
            operands = order[index]
            while at < len(operands) and seen[operands[at]]:
                at += 1
            if at < len(operands):
                stack += [(index, at + 1), (operands[at], 0)]
            else:
                seen[index] = True
                found.append(index)
    return found


def _by_need(needs: Sequence[Sequence[int]], sizes: Sequence[int]) -> list[list[int]]:
    """What each vertex needs, in the order in which it is best computed."""
    most: list[int] = []  # bytes that it takes to compute each vertex, were nothing shared
    order: list[list[int]] = []
    for index, needed in enumerate(needs):
        ordered = sorted(needed, key=lambda one: (sizes[one] - most[one], one))
        held = peak = 0
        for one in ordered:
            peak = max(peak, held + most[one])
            held += sizes[one]
        most.append(max(peak, held + sizes[index]))
        order.append(ordered)
    return order


def _reordered(graph: Graph, order: Sequence[int]) -> Graph:
    place = {index: position for position, index in enumerate(order)}

    def moved(value: Value) -> Value:
        return Value(place[value.vertex], value.output)

    vertices = [graph.vertices[index] for index in order]
    return replace(
        graph,
        vertices=tuple(
            replace(vertex, operands=tuple(map(moved, vertex.operands))) for vertex in vertices
        ),
        result=map_result(graph.result, moved),
    )
