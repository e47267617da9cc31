"""From a graph to a program: passes, then the plan of its memory, then tracks and instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from zkrun.analysis.rates import Rates
from zkrun.compiler.rates import DEFAULT_RATES
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.placement import may_run_on
from zkrun.compiler.type2.types import Poly, memory_type
from zkrun.compiler.type3.calls import lower
from zkrun.compiler.type3.chunk import Chunk, gpu
from zkrun.compiler.type3.emit import emit
from zkrun.compiler.type3.plan import DoesNotFit, plan
from zkrun.compiler.type3.predict import Prediction, predict
from zkrun.compiler.type3.tracks import Schedule, schedule
from zkrun.program import types
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry, Program

__all__ = ["Compiled", "Memory", "compile_graph", "compile_placed"]

Memory: TypeAlias = Mapping[str, int | None]
"""The devices that a program may use, and the most bytes of each; None for no limit."""


@dataclass(slots=True)
class Compiled:
    """A program and how it came about: the graph after the passes, the chunk, and what to expect.

    `peak` is what each device will hold at most: its arena and, of a GPU, the scratch of kernels.
    """

    program: Program
    graph: Graph
    chunk: Chunk
    schedule: Schedule
    prediction: Prediction
    peak: dict[str, int] = field(default_factory=dict)
    evicted: dict[str, int] = field(default_factory=dict)


def compile_graph(
    graph: Graph,
    memory: Memory | None = None,
    *,
    disk: bool = False,
    rates: Rates = DEFAULT_RATES,
) -> Compiled:
    """The program of a graph on devices with so much memory.

    `memory` names the CPU and each GPU that the program may use (default: the CPU alone, without a
    limit); with `disk` what fits nowhere else goes there. Raises ResourceLimit, with the smallest
    budget that would do, where the graph cannot run in so little.
    """
    devices = dict(memory or {})
    devices.setdefault("cpu", None)
    placed = _place(graph, devices)
    return compile_placed(placed, devices, disk=disk, rates=rates)


def compile_placed(
    graph: Graph, memory: Memory, *, disk: bool = False, rates: Rates = DEFAULT_RATES
) -> Compiled:
    """The program of a graph as it is, each vertex on its device, in its order. DoesNotFit."""
    devices = [vertex.device or "cpu" for vertex in graph.vertices]
    scratch = _workspaces(graph, devices)
    held = {"cpu": _held(graph)}
    budgets: dict[str, int | None] = {}
    for device, most in memory.items():
        fixed = scratch.get(device, 0) + held.get(device, 0)
        if most is not None and fixed > most:
            raise DoesNotFit(device, 0, fixed)
        budgets[device] = None if most is None else most - fixed
    if disk:
        budgets["disk"] = None
    found = plan(graph, devices, budgets)
    if found.spilled:
        found = plan(graph, devices, budgets, found.spilled)
    order = schedule(found.chunk)
    peak = {
        device: nbytes + scratch.get(device, 0) + held.get(device, 0)
        for device, nbytes in found.chunk.memory.items()
    }
    return Compiled(
        emit(found.chunk, order, graph),
        graph,
        found.chunk,
        order,
        predict(found.chunk, order, rates),
        peak,
        found.evicted,
    )


def _place(graph: Graph, memory: Memory) -> Graph:
    """Every vertex on a device: on the first GPU, if there is one and the vertex can run there."""
    target = min((device for device in memory if gpu(device)), default="cpu")
    vertices = []
    for vertex in graph.vertices:
        typs = (*vertex.types, *(graph.type(value) for value in vertex.operands))
        large = any(isinstance(typ, Poly | types.PointArray) for typ in typs)
        chosen = target if large and may_run_on(graph, vertex, target) else "cpu"
        vertices.append(replace(vertex, device=vertex.device or chosen))
    return replace(graph, vertices=tuple(vertices))


def _held(graph: Graph) -> int:
    """The bytes that inputs and constants take on the CPU."""
    typs = [*graph.inputs.values(), *(entry.typ for entry in graph.constants.values())]
    return sum(types.size(memory_type(typ), graph.curve_record) for typ in typs)


def _workspaces(graph: Graph, devices: Sequence[str]) -> dict[str, int]:
    """The most scratch memory that any call takes on each GPU."""
    from zkrun.devices.registry import workspace  # here: compiling needs no device otherwise

    most: dict[str, int] = {}
    for vertex, device in zip(graph.vertices, devices, strict=True):
        operands = tuple(graph.type(value) for value in vertex.operands)
        lowered = lower(vertex.operation, operands, vertex.types) if gpu(device) else None
        if lowered is None:
            continue
        call, _ = resolve_call(
            FunctionEntry(lowered.function, dict(lowered.params)),
            graph.curve_record,
            tuple(map(memory_type, vertex.types)),
            tuple(memory_type(operands[index]) for index in lowered.reads),
        )
        if call is not None:
            most[device] = max(most.get(device, 0), workspace(device, call))
    return most
