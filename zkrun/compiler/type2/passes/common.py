"""Equal operations on equal operands are computed once."""

from __future__ import annotations

from dataclasses import replace

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value
from zkrun.compiler.type2.passes.rewrite import Rewriter

__all__ = ["share_common"]


def share_common(graph: Graph) -> Graph:
    """Merges equal vertices. a + b and b + a are equal; what is not pure is never merged."""
    rewriter = Rewriter(graph)
    known: dict[tuple[op.Operation, tuple[Value, ...], str], int] = {}
    for index, vertex in enumerate(graph.vertices):
        operands = rewriter.operands(index)
        if isinstance(vertex.operation, op.Add | op.Multiply):
            operands = tuple(sorted(operands))
        key = (vertex.operation, operands, _exact(vertex.operation))
        first = known.get(key) if vertex.operation.pure else None
        if first is None:
            known[key] = rewriter.keep(index, operands).vertex
            continue
        for output in range(len(vertex.types)):
            rewriter.put(Value(index, output), Value(first, output))
        same = rewriter.builder.vertices[first]
        if same.label is None and vertex.label is not None:
            rewriter.builder.vertices[first] = replace(same, label=vertex.label)
    return rewriter.finish()


def _exact(operation: op.Operation) -> str:
    """What tells parameters apart that Python holds for equal, such as 1 and True."""
    return repr(operation.params) if isinstance(operation, op.Call) else ""
