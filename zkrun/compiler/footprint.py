"""What a graph takes of each device: all the time, and for each of its vertices."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from zkrun.compiler.machine import Machine
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Vertex
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.calls import lower, resolved
from zkrun.compiler.type3.chunk import gpu as is_gpu
from zkrun.compiler.type3.demand import LOADED, Demands
from zkrun.compiler.type3.liveness import liveness
from zkrun.compiler.type3.residence import DoesNotFit
from zkrun.program import types
from zkrun.program.signature import Call

__all__ = ["Footprint", "Need", "whole_pages"]

_PAGE = 4096
"""Bytes to which devices round up what they take."""

_PUT_TOGETHER = op.Concatenate | op.Update | op.Rotate


def whole_pages(nbytes: int) -> int:
    """So many bytes as devices take them."""
    return -(-nbytes // _PAGE) * _PAGE


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


class Footprint:
    """A graph on a machine: where each vertex runs and what it calls, and the memory that takes.

    `buffers` are the bytes that vertices take, by position, to work in; `held` those of a device
    that are taken all the time, beside its arena.
    """

    def __init__(self, graph: Graph, machine: Machine, tight: bool = False) -> None:
        self.graph = graph
        self.machine = machine
        self.devices = _devices(graph, machine.tight if tight else ())
        self.calls, self.buffers = _with_buffers(_calls(graph), self.devices, machine)
        self.live = liveness(graph, self.devices)
        self.demands = Demands(graph, self.devices, self.buffers, self.live)

    @cached_property
    def held(self) -> dict[str, int]:
        held = _workspaces(self.calls, self.devices, self.machine)
        held["cpu"] = held.get("cpu", 0) + _loaded(self.graph)
        return held

    def budgets(self) -> dict[str, int | None]:
        """The bytes that are left for the arena of each device, None for no limit.

        Raises DoesNotFit where that is too little for a vertex even if nothing else is there.
        """
        found: dict[str, int | None] = {}
        for device, most in self.machine.memory.items():
            held = self.held.get(device, 0)
            if most is not None and held > most:
                raise DoesNotFit(device, held, self._holder(device, most))
            found[device] = None if most is None else (most - held) // _PAGE * _PAGE
        for demand, vertex in self.demands:
            most = found.get(demand.device)
            if most is not None and demand.nbytes > most:
                raise DoesNotFit(demand.device, demand.nbytes, vertex)
        return found

    def needs(self) -> dict[str, Need]:
        """What a plan needs, at least, of each device that values can leave."""
        found = {one: Need(self.held.get(one, 0), 0, None) for one in self.machine.tight}
        for demand, vertex in self.demands:
            need = found.get(demand.device)
            if need is not None and demand.nbytes > need.demanded:
                found[demand.device] = Need(need.held, whole_pages(demand.nbytes), vertex)
        return found

    def least_bytes(self, functions: Container[str]) -> dict[str, int]:
        """What the calls of some functions take of each device at once, at least."""
        found: dict[str, int] = {}
        for demand, vertex in self.demands:
            operation = vertex and vertex.operation
            if isinstance(operation, op.Call) and operation.function in functions:
                found[demand.device] = max(demand.nbytes, found.get(demand.device, 0))
        return found

    def _holder(self, device: str, most: int) -> Vertex | None:
        """What most of the bytes that a device holds all the time are for."""
        if device == "cpu" and _loaded(self.graph) > most:
            return _largest_load(self.graph)
        taken = [
            self.machine.workspace(device, call) if call is not None and place == device else -1
            for call, place in zip(self.calls, self.devices, strict=True)
        ]
        return self.graph.vertices[max(range(len(taken)), key=taken.__getitem__)]


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


def _loaded(graph: Graph) -> int:
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


def _largest_load(graph: Graph) -> Vertex | None:
    """Of the inputs, constants and numbers that are taken the one of most bytes."""
    loads = [vertex for vertex in graph.vertices if isinstance(vertex.operation, LOADED)]

    def nbytes(vertex: Vertex) -> int:
        return types.size(memory_type(vertex.types[0]), graph.curve_record)

    return max(loads, key=nbytes, default=None)
