"""The graph: vertices in an order in which operands come before what takes them.

That order is also the one in which the vertices would run one after the other, so a pass that
schedules gives a graph with its vertices in another order. Graphs are values: a pass takes one and
gives another, built vertex by vertex with a `Builder`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from zkrun.algebra.curves import CURVES, Curve
from zkrun.compiler.type2.infer import Refusal, infer
from zkrun.compiler.type2.operations import Constant as ConstantOperation
from zkrun.compiler.type2.operations import Input as InputOperation
from zkrun.compiler.type2.operations import Operation
from zkrun.compiler.type2.types import ValueType
from zkrun.errors import InvalidProgram
from zkrun.program.document import Data

__all__ = [
    "Builder",
    "ConstantEntry",
    "Graph",
    "GraphError",
    "Result",
    "Value",
    "Vertex",
    "map_result",
]


class GraphError(InvalidProgram):
    """An operation does not take its operands; the message says at which line of whose file."""


class Value(NamedTuple):
    """One result of a vertex."""

    vertex: int
    output: int = 0


Result: TypeAlias = Value | tuple["Result", ...]
"""What a program gives: a value, or a tuple of such."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """An operation on operands. `device`, once chosen, is where it runs."""

    operation: Operation
    operands: tuple[Value, ...]
    types: tuple[ValueType, ...]
    source: str | None = None  # "file.py:12"
    label: str | None = None  # the author's name for the value
    device: str | None = None


@dataclass(frozen=True, slots=True)
class ConstantEntry:
    """A constant of the program: its type in the graph, and where its data is."""

    typ: ValueType
    data: Data


@dataclass(frozen=True, slots=True)
class Graph:
    """Vertices by index, the types of inputs and the constants by name, and the result.

    `folder` is where files of constants lie, which the graph's document does not say.
    """

    curve: str
    vertices: tuple[Vertex, ...]
    result: Result
    inputs: dict[str, ValueType] = field(default_factory=dict)
    constants: dict[str, ConstantEntry] = field(default_factory=dict)
    name: str | None = None
    folder: Path | None = field(default=None, compare=False)

    @property
    def curve_record(self) -> Curve:
        return CURVES[self.curve]

    def type(self, value: Value) -> ValueType:
        return self.vertices[value.vertex].types[value.output]

    def results(self) -> Iterator[Value]:
        """The values of the result, inner tuples' too, in order."""
        stack: list[Result] = [self.result]
        while stack:
            one = stack.pop()
            if isinstance(one, Value):
                yield one
            else:
                stack.extend(reversed(one))

    def uses(self) -> dict[Value, list[int]]:
        """By value the vertices that take it, ascending, each as often as it does."""
        found: dict[Value, list[int]] = {}
        for index, vertex in enumerate(self.vertices):
            for operand in vertex.operands:
                found.setdefault(operand, []).append(index)
        return found


def map_result(result: Result, change: Callable[[Value], Value]) -> Result:
    """The result with every value in it changed."""
    if isinstance(result, Value):
        return change(result)
    return tuple(map_result(one, change) for one in result)


class Builder:
    """Collects the vertices of a graph, and infers their types."""

    def __init__(self, curve: str) -> None:
        self.curve = CURVES[curve]
        self.vertices: list[Vertex] = []
        self.inputs: dict[str, ValueType] = {}
        self.constants: dict[str, ConstantEntry] = {}

    @classmethod
    def like(cls, graph: Graph) -> Builder:
        """An empty builder with the inputs and constants of a graph."""
        builder = cls(graph.curve)
        builder.inputs = dict(graph.inputs)
        builder.constants = dict(graph.constants)
        return builder

    def type(self, value: Value) -> ValueType:
        return self.vertices[value.vertex].types[value.output]

    def add(
        self,
        operation: Operation,
        operands: Sequence[Value] = (),
        *,
        source: str | None = None,
        label: str | None = None,
        device: str | None = None,
    ) -> Value:
        """Adds a vertex and gives its first result. GraphError where operands do not fit."""
        taken = tuple(operands)
        if isinstance(operation, InputOperation):
            types: tuple[ValueType, ...] = (self.inputs[operation.entry],)
        elif isinstance(operation, ConstantOperation):
            types = (self.constants[operation.entry].typ,)
        else:
            try:
                types = infer(operation, tuple(self.type(value) for value in taken), self.curve)
            except Refusal as refusal:
                where = f"{source}: " if source else ""
                mend = f" ({refusal.help})" if refusal.help else ""
                raise GraphError(f"{where}{refusal}{mend}") from None
        self.vertices.append(Vertex(operation, taken, types, source, label, device))
        return Value(len(self.vertices) - 1)

    def copy(self, vertex: Vertex, operands: Sequence[Value]) -> Value:
        """Adds a vertex of another graph with other operands; the first of its results."""
        return self.add(
            vertex.operation,
            operands,
            source=vertex.source,
            label=vertex.label,
            device=vertex.device,
        )

    def graph(self, result: Result, like: Graph | None = None) -> Graph:
        """The graph with this result; its name and folder those of another one."""
        return Graph(
            self.curve.name,
            tuple(self.vertices),
            result,
            self.inputs,
            self.constants,
            like.name if like else None,
            like.folder if like else None,
        )
