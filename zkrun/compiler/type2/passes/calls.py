"""Calls of functions that are operations of the graph become those, which passes know more of."""

from __future__ import annotations

from collections.abc import Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.infer import Refusal, infer
from zkrun.compiler.type2.passes.rewrite import Rewriter
from zkrun.compiler.type2.passes.transform import transform_of
from zkrun.program.integers import parse_integer

__all__ = ["recognise_calls"]

_ARITHMETIC: dict[str, op.Operation] = {
    "poly_add": op.Add(),
    "poly_sub": op.Subtract(),
    "poly_mul": op.Multiply(),
    "poly_scale": op.Multiply(),
    "batch_invert": op.Invert(),
    "scalar_invert": op.Invert(),
}


def recognise_calls(graph: Graph) -> Graph:
    """Writes calls as operations where the types stay what they are, and transforms in one way."""
    rewriter = Rewriter(graph)
    for index, vertex in enumerate(graph.vertices):
        operands = rewriter.operands(index)
        found = _operation(rewriter, vertex, operands)
        if found is None:
            rewriter.keep(index)
            continue
        first = rewriter.add(found, operands, vertex)
        for output in range(len(vertex.types)):
            rewriter.put(Value(index, output), Value(first.vertex, output))
    return rewriter.finish()


def _operation(
    rewriter: Rewriter, vertex: Vertex, operands: Sequence[Value]
) -> op.Operation | None:
    """The operation that a call is, with the same operands; None to keep it."""
    call = vertex.operation
    if not isinstance(call, op.Call):
        return None
    if (transform := transform_of(vertex)) is not None:
        return transform.operation
    found = _ARITHMETIC.get(call.function)
    params = call.parameters()
    if call.function == "fused_arith":
        found = op.Fused(params["expr"], len(vertex.types))
    elif call.function == "scalar_pow" and not parse_integer(params["exp"]) >> 64:
        found = op.Power(parse_integer(params["exp"]))
    if found is None:
        return None
    types = tuple(rewriter.type(operand) for operand in operands)
    try:
        fits = infer(found, types, rewriter.builder.curve) == vertex.types
    except Refusal:  # coefficients times coefficients, say
        return None
    return found if fits else None
