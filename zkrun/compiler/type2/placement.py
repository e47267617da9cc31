"""Which devices a vertex may run on."""

from __future__ import annotations

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Vertex
from zkrun.compiler.type3.calls import lower
from zkrun.compiler.type3.chunk import gpu
from zkrun.program.functions.registry import signature

__all__ = ["may_run_on"]


def may_run_on(graph: Graph, vertex: Vertex, device: str) -> bool:
    """Whether a vertex may run on a device. Views run nowhere, so they may anywhere."""
    if not gpu(device):
        return device == "cpu"
    operation = vertex.operation
    if isinstance(operation, op.Input | op.Constant | op.Number | op.Random | op.NewTranscript):
        return False
    operands = tuple(graph.type(value) for value in vertex.operands)
    lowered = lower(operation, operands, vertex.types)
    if lowered is None:
        return True
    found = signature(lowered.function)
    return found is not None and "gpu" in found.devices
