"""What the passes share: a graph that replaces another one, value by value."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, Graph, Value, Vertex, map_result
from zkrun.compiler.type2.types import Poly, ValueType

__all__ = ["Rewriter", "base_of", "needs_of", "ordered", "uses_of", "zeros"]


class Rewriter:
    """Writes a graph anew, vertex by vertex: each value of the old one has one in the new one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.builder = Builder.like(graph)
        self._values: dict[Value, Value] = {}

    def __getitem__(self, old: Value) -> Value:
        """The value that stands for one of the old graph."""
        return self._values[old]

    def type(self, new: Value) -> ValueType:
        return self.builder.vertices[new.vertex].types[new.output]

    def operands(self, index: int) -> tuple[Value, ...]:
        """The new operands of an old vertex."""
        return tuple(self._values[value] for value in self.graph.vertices[index].operands)

    def keep(self, index: int, operands: Sequence[Value] | None = None) -> Value:
        """Takes over a vertex of the old graph; operands, where given, have the types of its own.

        Its types are those that it had, so nothing is inferred again.
        """
        vertex = self.graph.vertices[index]
        taken = self.operands(index) if operands is None else tuple(operands)
        self.builder.vertices.append(
            Vertex(
                vertex.operation, taken, vertex.types, vertex.source, vertex.label, vertex.device
            )
        )
        number = len(self.builder.vertices) - 1
        for output in range(len(vertex.types)):
            self._values[Value(index, output)] = Value(number, output)
        return Value(number)

    def put(self, old: Value, new: Value) -> None:
        """A value of the new graph stands for an old one from here on."""
        if self.type(new) != self.graph.type(old):
            raise AssertionError(f"a {self.type(new)} cannot stand for a {self.graph.type(old)}")
        self._values[old] = new

    def add(self, operation: op.Operation, operands: Sequence[Value], like: Vertex) -> Value:
        """A new vertex in place of an old one, whose line of the author's file it has."""
        return self.builder.add(
            operation, operands, source=like.source, label=like.label, device=like.device
        )

    def number(self, value: int, like: Vertex) -> Value:
        """A known scalar."""
        r = self.builder.curve.r
        return self.builder.add(op.Number(value % r), source=like.source)

    def finish(self) -> Graph:
        """The new graph, with the result of the old one."""
        return self.builder.graph(map_result(self.graph.result, self.__getitem__), self.graph)


def base_of(graph: Graph, value: Value) -> Value:
    """What a value is a view of; itself if it is none."""
    while graph.vertices[value.vertex].operation.is_view:
        value = graph.vertices[value.vertex].operands[0]
    return value


def zeros(typ: Poly) -> op.Call:
    """The polynomial 0 of a type."""
    return op.call("fill", {"value": "zero"}, [typ])


def uses_of(graph: Graph) -> dict[Value, list[int]]:
    """By value the vertices that take it, each as often as it does; −1 for the result."""
    uses = graph.uses()
    for value in graph.results():
        uses.setdefault(value, []).append(-1)
    return uses


def needs_of(graph: Graph) -> list[list[int]]:
    """By vertex the vertices that must come before it: its operands', and for a Random the one
    before, since what they draw depends on their order."""
    needs = [list({value.vertex for value in vertex.operands}) for vertex in graph.vertices]
    last = None
    for index, vertex in enumerate(graph.vertices):
        if isinstance(vertex.operation, op.Random):
            if last is not None:
                needs[index].append(last)
            last = index
    return needs


def ordered(units: Sequence[Sequence[int]], needs: Sequence[Iterable[int]]) -> list[int]:
    """Units of vertices, by number, in a legal order that is close to the given one.

    A unit runs as one; the units together are all vertices. AssertionError where they wait for
    each other.
    """
    unit_of = {index: number for number, unit in enumerate(units) for index in unit}
    waiting = [0] * len(units)
    users: list[set[int]] = [set() for _ in units]
    for number, unit in enumerate(units):
        before = {unit_of[need] for index in unit for need in needs[index]} - {number}
        waiting[number] = len(before)
        for other in before:
            users[other].add(number)
    ready = [(max(unit), number) for number, unit in enumerate(units) if not waiting[number]]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, number = heapq.heappop(ready)
        order.append(number)
        for user in users[number]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, (max(units[user]), user))
    if len(order) < len(units):
        raise AssertionError("units that wait for each other")
    return order
