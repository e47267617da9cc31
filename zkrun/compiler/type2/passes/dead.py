"""What no result needs is not computed."""

from __future__ import annotations

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.rewrite import Rewriter

__all__ = ["remove_dead"]


def remove_dead(graph: Graph) -> Graph:
    """Leaves out the vertices that no result needs.

    A Random stays, needed or not: what the others draw depends on it. What is left out cannot fail
    the run any more, as the inverse of a zero that nobody takes would have.
    """
    needed = {value.vertex for value in graph.results()}
    for index in range(len(graph.vertices) - 1, -1, -1):
        vertex = graph.vertices[index]
        if isinstance(vertex.operation, op.Random):
            needed.add(index)
        if index in needed:
            needed.update(value.vertex for value in vertex.operands)
    if len(needed) == len(graph.vertices):
        return graph
    rewriter = Rewriter(graph)
    for index in sorted(needed):
        rewriter.keep(index)
    return rewriter.finish()
