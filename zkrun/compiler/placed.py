"""From a graph whose vertices have devices to a program: memory, then tracks and instructions."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from zkrun.analysis.rates import Rates
from zkrun.compiler.machine import Machine
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Vertex
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.calls import lower, resolved
from zkrun.compiler.type3.chunk import Chunk
from zkrun.compiler.type3.chunk import gpu as is_gpu
from zkrun.compiler.type3.demand import LOADED, Demands
from zkrun.compiler.type3.emit import emit
from zkrun.compiler.type3.liveness import Liveness, liveness
from zkrun.compiler.type3.plan import Pace, Plan, plan
from zkrun.compiler.type3.predict import Prediction, call_seconds, predict
from zkrun.compiler.type3.residence import DoesNotFit
from zkrun.compiler.type3.tracks import Schedule, schedule
from zkrun.program import types
from zkrun.program.document import Program
from zkrun.program.signature import Call

__all__ = ["Compiled", "Need", "Step", "compile_placed", "least_bytes", "tight_needs"]

_PAGE = 4096
"""Bytes to which devices round up what they take."""

_PUT_TOGETHER = op.Concatenate | op.Update | op.Rotate


@dataclass(frozen=True, slots=True)
class Step:
    """What a pass did: vertices and operands before and after."""

    name: str
    doc: str
    before: int
    after: int


class Need(NamedTuple):
    """The bytes of a device that are `held` all the time, those that are demanded at once at most,
    in whole pages, and the vertex that demands them, if any does."""

    held: int
    demanded: int
    vertex: Vertex | None

    @property
    def nbytes(self) -> int:
        """All of it."""
        return self.held + self.demanded


@dataclass
class Compiled:
    """A program and how it came about: what each pass did, the graph after all of them, the chunk,
    and what to expect.

    `peak` is what each device will hold at most: its arena, on the CPU the inputs and constants,
    on a GPU the scratch of kernels. `evicted`: bytes that left each device for lack of room.
    """

    graph: Graph
    chunk: Chunk
    schedule: Schedule
    prediction: Prediction
    peak: dict[str, int] = field(default_factory=dict)
    evicted: dict[str, int] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    way: tuple[int | None, int | None] = (None, None)  # what passes aimed at: see `Target`

    @cached_property
    def program(self) -> Program:
        """The program, written when it is first asked for."""
        return emit(self.chunk, self.schedule, self.graph)


def compile_placed(graph: Graph, machine: Machine, tight: bool = False) -> Compiled:
    """The program of a graph as it is, each vertex on its device, in its order. DoesNotFit.

    `tight`: in the least memory there can be, however long it takes.
    """
    devices = _devices(graph, machine.tight if tight else ())
    memory = machine.memory
    calls, buffers = _with_buffers(_calls(graph), devices, machine)
    fixed = _fixed(graph, calls, devices, machine)
    budgets: dict[str, int | None] = {}
    for device, most in memory.items():
        taken = fixed.get(device, 0)
        if most is not None and taken > most:
            if device == "cpu" and _held(graph) > most:
                raise DoesNotFit(device, taken, _largest_load(graph))
            largest = _largest_workspace(calls, devices, machine, device)
            raise DoesNotFit(device, taken, graph.vertices[largest])
        budgets[device] = None if most is None else (most - taken) // _PAGE * _PAGE
    live = liveness(graph, devices)
    _check_needs(Demands(graph, devices, buffers, live), budgets)
    if machine.disk:
        budgets["disk"] = None
    pace = _pace(calls, devices, machine.rates)
    if tight:
        found = plan(graph, devices, budgets, pace, buffers, tight=machine.tight, live=live)
    else:
        found = _planned(graph, devices, budgets, pace, buffers, live)
    order = schedule(found.chunk)
    peak = {
        device: -(-found.chunk.memory.get(device, 0) // _PAGE) * _PAGE + fixed.get(device, 0)
        for device in dict.fromkeys((*memory, *found.chunk.memory))
    }
    return Compiled(
        graph,
        found.chunk,
        order,
        predict(found.chunk, order, machine.rates),
        peak,
        found.evicted,
    )


def least_bytes(graph: Graph, machine: Machine, functions: Container[str]) -> dict[str, int]:
    """What the calls of some functions take of each device at once, at least."""
    devices = _devices(graph)
    _, buffers = _with_buffers(_calls(graph), devices, machine)
    found: dict[str, int] = {}
    for demand, vertex in Demands(graph, devices, buffers):
        operation = vertex and vertex.operation
        if isinstance(operation, op.Call) and operation.function in functions:
            found[demand.device] = max(demand.nbytes, found.get(demand.device, 0))
    return found


def tight_needs(graph: Graph, machine: Machine) -> dict[str, Need]:
    """What a tight plan needs of each device that has too little for anything else."""
    devices = _devices(graph, machine.tight)
    calls, buffers = _with_buffers(_calls(graph), devices, machine)
    fixed = _fixed(graph, calls, devices, machine)
    found = {device: Need(fixed.get(device, 0), 0, None) for device in machine.tight}
    for demand, vertex in Demands(graph, devices, buffers):
        need = found.get(demand.device)
        if need is not None and demand.nbytes > need.demanded:
            pages = -(-demand.nbytes // _PAGE)
            found[demand.device] = Need(need.held, pages * _PAGE, vertex)
    return found


def _check_needs(demands: Demands, budgets: Mapping[str, int | None]) -> None:
    """DoesNotFit where a vertex has no room even if nothing else is there: no plan is tried."""
    for demand, vertex in demands:
        most = budgets.get(demand.device)
        if most is not None and demand.nbytes > most:
            raise DoesNotFit(demand.device, demand.nbytes, vertex)


def _devices(graph: Graph, tight: Container[str] = ()) -> list[str]:
    """Where each vertex runs; a view, should it have to be copied, where it is first taken.

    On GPUs that are `tight` nothing is put together: the whole has to be there only if a call needs
    it.
    """
    first: dict[int, str] = {}
    for index in range(len(graph.vertices) - 1, -1, -1):
        vertex = graph.vertices[index]
        if vertex.operation.is_view or vertex.device is None:
            device = first.get(index, "cpu")
        else:
            device = vertex.device
        if device in tight and isinstance(vertex.operation, _PUT_TOGETHER):
            device = "cpu"
        first[index] = device
        for operand in vertex.operands:
            first[operand.vertex] = device
    return [first[index] for index in range(len(graph.vertices))]


def _planned(
    graph: Graph,
    devices: Sequence[str],
    budgets: Mapping[str, int | None],
    pace: Pace,
    buffers: Mapping[int, int],
    live: Liveness,
) -> Plan:
    """The plan. A device's budget binds it only where it would take more without one.

    Where values have to leave a GPU, they are copied out as early as can be.
    """
    binding: dict[str, int | None] = dict.fromkeys(budgets)
    while True:
        found = plan(graph, devices, binding, pace, buffers, live=live)
        if found.spilled:
            with suppress(DoesNotFit):  # copies that are made early take room on the CPU
                found = plan(graph, devices, binding, pace, buffers, found.spilled, live=live)
        over = {
            device: most
            for device, most in budgets.items()
            if most is not None
            and binding[device] is None
            and found.chunk.memory.get(device, 0) > most
        }
        if not over:
            return found
        binding.update(over)


def _fixed(
    graph: Graph, calls: Sequence[Call | None], devices: Sequence[str], machine: Machine
) -> dict[str, int]:
    """What each device holds all the time, beside its arena."""
    fixed = _workspaces(calls, devices, machine)
    fixed["cpu"] = fixed.get("cpu", 0) + _held(graph)
    return fixed


def _held(graph: Graph) -> int:
    """The bytes that inputs, constants and numbers take on the CPU."""
    curve = graph.curve_record
    operations = (vertex.operation for vertex in graph.vertices)
    numbers = {one.value for one in operations if isinstance(one, op.Number)}
    typs = [*graph.inputs.values(), *(entry.typ for entry in graph.constants.values())]
    held = sum(types.size(memory_type(typ), curve) for typ in typs)
    return held + len(numbers) * curve.scalar.bytes


def _calls(graph: Graph) -> list[Call | None]:
    """What each vertex calls; None for one that is no function."""
    found: list[Call | None] = []
    for vertex in graph.vertices:
        operands = tuple(graph.type(value) for value in vertex.operands)
        lowered = lower(vertex.operation, operands, vertex.types)
        if lowered is None:
            found.append(None)
            continue
        written = tuple(map(memory_type, vertex.types))
        read = tuple(memory_type(operands[index]) for index in lowered.reads)
        found.append(resolved(graph.curve, lowered.function, lowered.params, written, read))
    return found


def _with_buffers(
    calls: Sequence[Call | None], devices: Sequence[str], machine: Machine
) -> tuple[list[Call | None], dict[int, int]]:
    """The calls with what each on a GPU works in, and the bytes of that by position."""
    found = list(calls)
    buffers: dict[int, int] = {}
    for position, (call, device) in enumerate(zip(calls, devices, strict=True)):
        nbytes = machine.buffer(call) if call is not None and is_gpu(device) else 0
        if call is not None and nbytes:
            buffers[position] = nbytes
            found[position] = replace(call, workspace=types.GpuBuffer(nbytes))
    return found, buffers


def _workspaces(
    calls: Sequence[Call | None], devices: Sequence[str], machine: Machine
) -> dict[str, int]:
    """The memory that the calls on each device take beside their operands and buffers."""
    found: dict[str, list[Call]] = {}
    for call, device in zip(calls, devices, strict=True):
        if call is not None:
            found.setdefault(device, []).append(call)
    return {device: machine.workspace(device, *some) for device, some in found.items()}


def _largest_workspace(
    calls: Sequence[Call | None], devices: Sequence[str], machine: Machine, device: str
) -> int:
    """The position of the call on a device that takes most beside its operands and buffers."""
    taken = [
        machine.workspace(device, call) if call is not None and place == device else -1
        for call, place in zip(calls, devices, strict=True)
    ]
    return max(range(len(taken)), key=taken.__getitem__)


def _largest_load(graph: Graph) -> Vertex | None:
    """Of the inputs, constants and numbers that are taken the one of most bytes."""
    loads = [vertex for vertex in graph.vertices if isinstance(vertex.operation, LOADED)]

    def nbytes(vertex: Vertex) -> int:
        return types.size(memory_type(vertex.types[0]), graph.curve_record)

    return max(loads, key=nbytes, default=None)


def _pace(calls: Sequence[Call | None], devices: Sequence[str], rates: Rates) -> Pace:
    """How long each vertex takes, by the rates of the machine."""
    seconds = [
        call_seconds(call, device, rates) if call else 0.0
        for call, device in zip(calls, devices, strict=True)
    ]
    rate = rates.link("cpu", "gpu:0")
    return Pace(seconds, 1 / rate if rate else 0.0)
