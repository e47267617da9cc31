"""Regions of element-wise arithmetic: what may become one call of `fused_arith`.

Every vertex has a stage, and an edge between two vertices that are not arithmetic of one type leads
to a later stage. So arithmetic of one type and one stage can be one call: no path leaves it and
comes back. Stages are as late as they can be, since what is computed late takes memory late.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.types import ValueType
from zkrun.program.types import Scalar

__all__ = ["arithmetic_type", "regions"]

_ARITHMETIC = op.Add | op.Subtract | op.Multiply | op.Negate | op.Power | op.Fused


def arithmetic_type(graph: Graph, vertex: Vertex) -> ValueType | None:
    """The type of what an element-wise vertex gives; None for all other vertices."""
    if not isinstance(vertex.operation, _ARITHMETIC):
        return None
    typ = vertex.types[0]
    for operand in vertex.operands:
        if graph.type(operand) not in (typ, Scalar()):
            return None
    return typ


def regions(graph: Graph) -> list[list[int]]:
    """Sets of vertices, each ascending: arithmetic of one stage and type that belongs together.

    Vertices belong together where one takes what the other gives, or both take the same: one
    array, or if they are scalars one scalar.
    """
    types = [arithmetic_type(graph, vertex) for vertex in graph.vertices]
    stages = _stages(graph, types)
    joined = list(range(len(graph.vertices)))

    def root(index: int) -> int:
        while joined[index] != index:
            joined[index] = joined[joined[index]]
            index = joined[index]
        return index

    readers: dict[tuple[Value, int, ValueType], int] = {}
    for index, vertex in enumerate(graph.vertices):
        typ = types[index]
        if typ is None:
            continue
        for operand in vertex.operands:
            producer = operand.vertex
            if types[producer] == typ and stages[producer] == stages[index]:
                joined[root(producer)] = root(index)
            elif graph.type(operand) == typ and not _is_number(graph, operand):
                first = readers.setdefault((operand, stages[index], typ), index)
                joined[root(first)] = root(index)
    found: dict[int, list[int]] = {}
    for index, typ in enumerate(types):
        if typ is not None:
            found.setdefault(root(index), []).append(index)
    return list(found.values())


def _is_number(graph: Graph, value: Value) -> bool:
    return isinstance(graph.vertices[value.vertex].operation, op.Number)


def _stages(graph: Graph, types: Sequence[ValueType | None]) -> list[int]:
    def step(producer: int, user: int) -> int:
        return int(types[producer] is None or types[producer] != types[user])

    stages: list[int] = []
    users: list[list[int]] = [[] for _ in graph.vertices]
    for index, vertex in enumerate(graph.vertices):
        stage = 0
        for producer, _ in vertex.operands:
            stage = max(stage, stages[producer] + step(producer, index))
            users[producer].append(index)
        stages.append(stage)
    for index in range(len(stages) - 1, -1, -1):
        if types[index] is None or not users[index]:
            continue
        latest = min(stages[user] - step(index, user) for user in users[index])
        if any(stages[user] == latest and not step(index, user) for user in users[index]):
            stages[index] = latest
    return stages
