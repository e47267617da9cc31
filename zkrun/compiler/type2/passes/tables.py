"""Transforms do without tables as long as they are, where memory is short."""

from __future__ import annotations

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value
from zkrun.compiler.type2.passes.rewrite import Rewriter

__all__ = ["drop_tables"]


def drop_tables(graph: Graph, most: int | None) -> Graph:
    """Tells every transform to keep no such table, where there is a limit."""
    if most is None:
        return graph
    rewriter = Rewriter(graph)
    for index, vertex in enumerate(graph.vertices):
        operation = vertex.operation
        if isinstance(operation, op.Call) and operation.function == "ntt":
            params = {**operation.parameters(), "tables": False}
            call = op.call("ntt", params, operation.results)
            first = rewriter.add(call, rewriter.operands(index), vertex)
            rewriter.put(Value(index), first)
        else:
            rewriter.keep(index)
    return rewriter.finish()
