"""From a graph to a program: passes, then the plan of its memory, then tracks and instructions.

What the passes cut into pieces, and how small, decides both the least memory and the speed. So
several ways are tried where memory is short, from no pieces to ever smaller ones, and of those that
fit the one is taken that is predicted to be the fastest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import Literal, TypeAlias

from zkrun.analysis.rates import Rates
from zkrun.compiler.rates import DEFAULT_RATES
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes import PASSES, Pass, Target
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.calls import lower, resolved
from zkrun.compiler.type3.chunk import Chunk
from zkrun.compiler.type3.chunk import gpu as is_gpu
from zkrun.compiler.type3.emit import emit
from zkrun.compiler.type3.plan import Pace, Plan, plan
from zkrun.compiler.type3.predict import Prediction, call_seconds, predict
from zkrun.compiler.type3.residence import DoesNotFit
from zkrun.compiler.type3.tracks import Schedule, schedule
from zkrun.errors import ResourceLimit, UsageError
from zkrun.program import types
from zkrun.program.document import Program
from zkrun.program.signature import Call

__all__ = ["Compiled", "Machine", "Memory", "Step", "compile_graph", "compile_placed"]

Memory: TypeAlias = Mapping[str, int | None]
"""The devices that a program may use, and the most bytes of each; None for no limit."""

_PAGE = 4096
"""Bytes to which devices round up what they take."""

_LEAST_BUFFER = 1 << 16
"""Bytes from which on what a call needs to work in has a place in the plan."""

_LEAST_SHARE = 32
"""Of what a program takes without a limit: whether less would do is not tried."""

_LARGE_GRAPH = 3000
"""Vertices from which on fewer ways are tried."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a pass did: vertices and operands before and after."""

    name: str
    doc: str
    before: int
    after: int


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


@dataclass(frozen=True, slots=True)
class Machine:
    """What a program is compiled for.

    `memory` names the CPU and each GPU that the program may use; with `disk` what fits nowhere else
    goes there. `gpu`: whether GPUs are real, or virtual ones, whose kernels take no memory there.
    """

    memory: Memory = field(default_factory=lambda: {"cpu": None})
    disk: bool = False
    rates: Rates = DEFAULT_RATES
    gpu: Literal["real", "virtual"] = "real"

    @property
    def devices(self) -> tuple[str, ...]:
        """GPUs first, by name, then the CPU."""
        return tuple(sorted(self.memory, key=lambda device: (not is_gpu(device), device)))

    def workspace(self, *calls: Call) -> int:
        """The memory that a GPU takes for calls beside their operands."""
        from zkrun.devices.registry import workspace  # here: nothing else asks devices anything

        return workspace("gpu:0", calls) if self.gpu == "real" else 0

    def buffer(self, call: Call) -> int:
        """The bytes that a call on a GPU needs to work in; 0 where they are not worth a plan."""
        from zkrun.devices.registry import buffer

        nbytes = buffer("gpu:0", call) if self.gpu == "real" else 0
        return nbytes if nbytes >= _LEAST_BUFFER else 0

    def with_memory(self, device: str, nbytes: int) -> Machine:
        """The same machine with so much on one device."""
        return replace(self, memory={**self.memory, device: nbytes})


def compile_graph(graph: Graph, machine: Machine | None = None) -> Compiled:
    """The program of a graph (by default for the CPU alone, without a limit).

    Raises ResourceLimit, which says a budget that would do and is little more than the least, where
    the graph cannot run in the memory there is.
    """
    machine = machine or Machine()
    _check_devices(graph, machine)
    best, failure = _best(graph, machine)
    if best is not None:
        return best
    assert failure is not None
    raise _refusal(graph, machine, failure)


Way: TypeAlias = tuple[int | None, int | None]
"""Bytes that a vertex, and that a multi-scalar multiplication may take."""


def _check_devices(graph: Graph, machine: Machine) -> None:
    """UsageError where a vertex is placed on a device that the machine does not have."""
    for vertex in graph.vertices:
        if vertex.device is not None and vertex.device not in machine.memory:
            where = f"{vertex.source}: " if vertex.source else ""
            raise UsageError(
                f"{where}{vertex.operation.name} is placed on {vertex.device}, which is not among "
                f"the devices to compile for ({', '.join(machine.memory)})"
            )


def _best(graph: Graph, machine: Machine) -> tuple[Compiled | None, DoesNotFit | None]:
    """The fastest of the ways that fit, by prediction; else why the last one did not.

    First nothing is cut. If that does not fit without anything leaving a GPU, arithmetic is cut
    more and more, and then, with the best cut, multi-scalar multiplications are.
    """
    search = _Search(graph, machine)
    search.attempt((None, None))
    limits = [most for device, most in machine.memory.items() if is_gpu(device) and most]
    if limits and (search.best is None or search.best.evicted):
        least = min(limits)
        large = len(graph.vertices) > _LARGE_GRAPH
        for share in (4,) if large else (1, 1.5, 2, 4, 8):
            search.attempt((int(least / share), least // 3))
        if search.best is None or not large:
            for share in (2, 4, 6, 8):
                most = search.best.way[0] if search.best else least // 8
                search.attempt((most, least // share))
    return search.best, search.failure


class _Search:
    """The best way so far, and why the last one that did not fit did not."""

    def __init__(self, graph: Graph, machine: Machine) -> None:
        self.machine = machine
        target = Target(machine.devices, rates=machine.rates)
        self.steps, self.graph = _optimise(graph, _ALIKE, target)
        self.best: Compiled | None = None
        self.failure: DoesNotFit | None = None

    def attempt(self, way: Way) -> None:
        machine = self.machine
        target = Target(machine.devices, *way, machine.rates, machine.workspace)
        steps, optimised = _optimise(self.graph, _DIFFERENT, target)
        try:
            found = compile_placed(optimised, machine)
        except DoesNotFit as error:
            self.failure = error
            return
        found.steps, found.way = (*self.steps, *steps), way
        if self.best is None or found.prediction.seconds < self.best.prediction.seconds:
            self.best = found


_ALIKE = tuple(takewhile(lambda one: one.name != "split", PASSES))
"""Passes that do the same whatever the way."""

_DIFFERENT = PASSES[len(_ALIKE) :]


def _optimise(
    graph: Graph, passes: Sequence[Pass], target: Target
) -> tuple[tuple[Step, ...], Graph]:
    steps = []
    for one in passes:
        before = len(graph.vertices)
        graph = one.run(graph, target)
        steps.append(Step(one.name, one.doc, before, len(graph.vertices)))
    return tuple(steps), graph


def compile_placed(graph: Graph, machine: Machine) -> Compiled:
    """The program of a graph as it is, each vertex on its device, in its order. DoesNotFit."""
    devices = _devices(graph)
    memory = machine.memory
    calls, buffers = _with_buffers(_calls(graph), devices, machine)
    fixed = {**_workspaces(calls, devices, machine), "cpu": _held(graph)}
    budgets: dict[str, int | None] = {}
    for device, most in memory.items():
        taken = fixed.get(device, 0)
        if most is not None and taken > most:
            raise DoesNotFit(device, taken)
        budgets[device] = None if most is None else (most - taken) // _PAGE * _PAGE
    if machine.disk:
        budgets["disk"] = None
    pace = _pace(calls, devices, machine.rates)
    found = _planned(graph, devices, budgets, pace, buffers)
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


def _devices(graph: Graph) -> list[str]:
    """Where each vertex runs; a view, should it have to be copied, where it is first taken."""
    first: dict[int, str] = {}
    for index in range(len(graph.vertices) - 1, -1, -1):
        vertex = graph.vertices[index]
        if vertex.operation.is_view or vertex.device is None:
            device = first.get(index, "cpu")
        else:
            device = vertex.device
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
) -> Plan:
    """The plan. A device's budget binds it only where it would take more without one.

    Where values have to leave a GPU, they are copied out as early as can be.
    """
    binding: dict[str, int | None] = dict.fromkeys(budgets)
    while True:
        found = plan(graph, devices, binding, pace, buffers)
        if found.spilled:
            with suppress(DoesNotFit):  # copies that are made early take room on the CPU
                found = plan(graph, devices, binding, pace, buffers, found.spilled)
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


def _refusal(graph: Graph, machine: Machine, failure: DoesNotFit) -> ResourceLimit:
    """Why a graph cannot run in so little memory, and in how much it could."""
    device = failure.device
    given = machine.memory.get(device) or 0
    last = failure

    def fits(nbytes: int) -> bool:
        nonlocal last
        search = _Search(graph, machine.with_memory(device, nbytes))
        for share, share_of_sums in ((4, 3), (8, 8)):  # two of the ways that `_best` tries
            search.attempt((nbytes // share, nbytes // share_of_sums))
            if search.best is not None:
                return True
        last = search.failure or last
        return False

    free = _Search(graph, replace(machine, memory=dict.fromkeys(machine.memory)))
    free.attempt((None, None))
    most = free.best.peak[device] if free.best else 0
    enough = max(given, most // _LEAST_SHARE, 1)
    while not fits(enough):
        if enough >= 1 << 50:
            return ResourceLimit(
                f"{device}: {given} bytes are too little, and more would not help: another "
                "device has no room either"
            )
        enough *= 2
    least = max(given, enough // 2)
    while enough - least > max(enough // 16, 64):
        middle = (enough + least) // 2
        least, enough = (least, middle) if fits(middle) else (middle, enough)
    needs = _needs(last)
    return ResourceLimit(f"{device}: {given} bytes are too little; {enough} would do. {needs}")


def _needs(failure: DoesNotFit) -> str:
    """Which vertex has no room."""
    if failure.what is None:
        return "Inputs, constants and the scratch of kernels alone take more."
    where = f" at {failure.what.source}" if failure.what.source else ""
    label = f" ({failure.what.label})" if failure.what.label else ""
    return f"With less, {failure.what.operation.name}{label}{where} has no room."


def _held(graph: Graph) -> int:
    """The bytes that inputs and constants take on the CPU."""
    typs = [*graph.inputs.values(), *(entry.typ for entry in graph.constants.values())]
    return sum(types.size(memory_type(typ), graph.curve_record) for typ in typs)


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
    """The memory that the calls on each GPU take beside their operands and buffers."""
    found: dict[str, list[Call]] = {}
    for call, device in zip(calls, devices, strict=True):
        if call is not None and is_gpu(device):
            found.setdefault(device, []).append(call)
    return {device: machine.workspace(*some) for device, some in found.items()}


def _pace(calls: Sequence[Call | None], devices: Sequence[str], rates: Rates) -> Pace:
    """How long each vertex takes, by the rates of the machine."""
    seconds = [
        call_seconds(call, device, rates) if call else 0.0
        for call, device in zip(calls, devices, strict=True)
    ]
    rate = rates.link("cpu", "gpu:0")
    return Pace(seconds, 1 / rate if rate else 0.0)
