"""Arithmetic element by element becomes calls of `fused_arith`: one pass over memory each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.expression import write
from zkrun.compiler.type2.passes.pieces import cut
from zkrun.compiler.type2.passes.regions import regions
from zkrun.compiler.type2.passes.rewrite import Rewriter, needs_of, ordered, uses_of
from zkrun.compiler.type2.types import Poly
from zkrun.program.functions.expr import parse
from zkrun.program.functions.graph import Builder

__all__ = ["fuse"]


def fuse(graph: Graph, most: int | None = None) -> Graph:
    """Makes `Fused` of all arithmetic but sums of coefficients of different lengths.

    Each takes at most `most` bytes of arrays, where that is given.
    """
    uses = uses_of(graph)
    units = [piece for region in regions(graph) for piece in cut(graph, region, uses, most)]
    fused = {index for unit in units for index in unit}
    rest = [[index] for index in range(len(graph.vertices)) if index not in fused]
    fuser = _Fuser(graph, units, uses)
    everything = units + rest
    for number in ordered(everything, needs_of(graph)):
        if number < len(units):
            fuser.unit(units[number])
        else:
            fuser.rewriter.keep(everything[number][0])
    return fuser.rewriter.finish()


@dataclass(slots=True)
class _Call:
    """A call in the making: what it takes, the nodes of its expression, by value."""

    builder: Builder
    operands: list[Value]
    nodes: dict[Value, int]


class _Fuser:
    def __init__(
        self, graph: Graph, units: Sequence[Sequence[int]], uses: Mapping[Value, Sequence[int]]
    ) -> None:
        self.graph = graph
        self.rewriter = Rewriter(graph)
        self.modulus = graph.curve_record.r
        self.unit_of = {index: number for number, unit in enumerate(units) for index in unit}
        self.uses = uses

    def unit(self, unit: Sequence[int]) -> None:
        """One call for these vertices, in this order."""
        vertex = self.graph.vertices[unit[-1]]
        alone = len(unit) == 1 and isinstance(vertex.operation, op.Fused)
        if alone and not any(map(self._is_recomputed, vertex.operands)):
            self.rewriter.keep(unit[0])
            return
        call = _Call(Builder(self.modulus), [], {})
        outputs: list[Value] = []
        for index in unit:
            self._compute(call, index)
            count = len(self.graph.vertices[index].types)
            values = (Value(index, output) for output in range(count))
            outputs.extend(value for value in values if self._is_taken_elsewhere(value))
        if not outputs:  # nobody needs any of it
            return
        self._emit(call, outputs)

    def _emit(self, call: _Call, outputs: Sequence[Value]) -> None:
        expression = call.builder.graph([call.nodes[value] for value in outputs])
        last = self.graph.vertices[outputs[-1].vertex]
        operands = [self.rewriter[value] for value in call.operands]
        fused = op.Fused(write(expression), len(outputs))
        first = self.rewriter.add(fused, operands, last)
        for output, value in enumerate(outputs):
            self.rewriter.put(value, Value(first.vertex, output))

    def _compute(self, call: _Call, index: int) -> None:
        """The nodes of what a vertex gives."""
        vertex = self.graph.vertices[index]
        operands = [self._node(call, operand, index) for operand in vertex.operands]
        for output, node in enumerate(_nodes(call.builder, vertex, operands)):
            call.nodes[Value(index, output)] = node

    def _node(self, call: _Call, value: Value, user: int) -> int:
        if value in call.nodes:
            return call.nodes[value]
        producer = self.graph.vertices[value.vertex]
        if isinstance(producer.operation, op.Number):
            return call.builder.constant(producer.operation.value)
        if self._is_recomputed(value):
            self._compute(call, value.vertex)
            return call.nodes[value]
        call.operands.append(value)
        call.nodes[value] = call.builder.input(len(call.operands) - 1)
        return call.nodes[value]

    def _is_recomputed(self, value: Value) -> bool:
        """Whether arithmetic takes less time to do again than its result to store and to read.

        That is one operation on one array and scalars; the array is read instead of the result.
        """
        vertex = self.graph.vertices[value.vertex]
        if not isinstance(vertex.operation, op.Add | op.Subtract | op.Multiply | op.Negate):
            return False
        if value.vertex not in self.unit_of or not isinstance(vertex.types[0], Poly):
            return False
        arrays = [one for one in vertex.operands if isinstance(self.graph.type(one), Poly)]
        return len(arrays) == 1 and arrays[0].vertex not in self.unit_of

    def _is_taken_elsewhere(self, value: Value) -> bool:
        """Whether a value is needed outside of its call."""
        own = self.unit_of[value.vertex]
        for user in self.uses.get(value, ()):
            if user < 0 or user not in self.unit_of:
                return True
            if self.unit_of[user] != own and not self._is_recomputed(value):
                return True
        return False


def _nodes(builder: Builder, vertex: Vertex, operands: Sequence[int]) -> list[int]:
    """The nodes of what an operation gives."""
    match vertex.operation:
        case op.Add():
            return [builder.binary("+", *operands)]
        case op.Subtract():
            return [builder.binary("-", *operands)]
        case op.Multiply():
            return [builder.binary("*", *operands)]
        case op.Negate():
            return [builder.negate(operands[0])]
        case op.Power(exponent=exponent):
            return [_power(builder, operands[0], exponent)]
        case op.Fused(expr=expr):
            return _inlined(builder, expr, operands)
        case _:
            raise AssertionError(f"{vertex.operation} is no arithmetic")


def _power(builder: Builder, base: int, exponent: int) -> int:
    """Square and multiply, from the highest bit."""
    if exponent == 0:
        return builder.constant(1)
    result = base
    for bit in f"{exponent:b}"[1:]:
        result = builder.binary("*", result, result)
        if bit == "1":
            result = builder.binary("*", result, base)
    return result


def _inlined(builder: Builder, expr: str, operands: Sequence[int]) -> list[int]:
    graph = parse(expr, builder.modulus)
    nodes: list[int] = []
    for operation, a, b in graph.nodes:
        match operation:
            case "input":
                node = operands[a]
            case "constant":
                node = builder.constant(a)
            case "negate":
                node = builder.negate(nodes[a])
            case "square":
                node = builder.binary("*", nodes[a], nodes[a])
            case "double":
                node = builder.binary("+", nodes[a], nodes[a])
            case _:
                node = builder.binary(operation, nodes[a], nodes[b])
        nodes.append(node)
    return [nodes[node] for node in graph.outputs]
