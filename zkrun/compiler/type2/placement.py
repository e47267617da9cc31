"""Which devices vertices may run on, and where they run if nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Vertex
from zkrun.compiler.type2.types import Poly
from zkrun.compiler.type3.calls import lower
from zkrun.compiler.type3.chunk import gpu
from zkrun.program.functions.registry import signature
from zkrun.program.types import PointArray

__all__ = ["may_run_on", "place"]


def place(graph: Graph, devices: Sequence[str]) -> Graph:
    """Every vertex that has no device yet on one: what has arrays on the first that it may run on,
    anything else on the CPU."""
    vertices = []
    for vertex in graph.vertices:
        typs = (*vertex.types, *(graph.type(value) for value in vertex.operands))
        found = "cpu"
        if any(isinstance(typ, Poly | PointArray) for typ in typs):
            found = next((one for one in devices if may_run_on(graph, vertex, one)), "cpu")
        vertices.append(replace(vertex, device=vertex.device or found))
    return replace(graph, vertices=tuple(vertices))


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
