"""From a graph to a program: passes, then the plan of its memory, then tracks and instructions.

What the passes cut into pieces, and how small, decides both the least memory and the speed. So
several ways are tried where memory is short, from no pieces to ever smaller ones, and of those that
fit the one is taken that is predicted to be the fastest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from zkrun.analysis.rates import Rates
from zkrun.compiler.rates import DEFAULT_RATES
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes import PASSES, Target
from zkrun.compiler.type2.placement import place
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.calls import lower
from zkrun.compiler.type3.chunk import Chunk, gpu
from zkrun.compiler.type3.emit import emit
from zkrun.compiler.type3.plan import DoesNotFit, Plan, plan
from zkrun.compiler.type3.predict import Prediction, predict
from zkrun.compiler.type3.tracks import Schedule, schedule
from zkrun.errors import ResourceLimit
from zkrun.program import types
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry, Program

__all__ = ["Compiled", "Memory", "Step", "compile_graph", "compile_placed"]

Memory: TypeAlias = Mapping[str, int | None]
"""The devices that a program may use, and the most bytes of each; None for no limit."""

_SMALL_GRAPH = 3000
"""Vertices up to which all ways of cutting are tried, however well the first one does."""

_GOOD_ENOUGH = 1.02
"""Times the prediction without any limit: then no other way is tried."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a pass did: vertices and operands before and after."""

    name: str
    doc: str
    before: int
    after: int


@dataclass(slots=True)
class Compiled:
    """A program and how it came about: what each pass did, the graph after all of them, the chunk,
    and what to expect.

    `peak` is what each device will hold at most: its arena, on the CPU the inputs and constants,
    on a GPU the scratch of kernels. `evicted`: bytes that left each device for lack of room.
    """

    program: Program
    graph: Graph
    chunk: Chunk
    schedule: Schedule
    prediction: Prediction
    peak: dict[str, int] = field(default_factory=dict)
    evicted: dict[str, int] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    most: int | None = None  # bytes of the operands and results of one vertex that passes aimed at


def compile_graph(
    graph: Graph,
    memory: Memory | None = None,
    *,
    disk: bool = False,
    rates: Rates = DEFAULT_RATES,
) -> Compiled:
    """The program of a graph on devices with so much memory.

    `memory` names the CPU and each GPU that the program may use (default: the CPU alone, without a
    limit); with `disk` what fits nowhere else goes there. Raises ResourceLimit, which says the
    smallest budget that would do, where the graph cannot run in so little.
    """
    budget = dict(memory or {})
    budget.setdefault("cpu", None)
    best, failure = _best(graph, budget, disk, rates)
    if best is not None:
        return best
    assert failure is not None
    raise _refusal(graph, budget, disk, rates, failure)


def _best(
    graph: Graph, memory: Memory, disk: bool, rates: Rates
) -> tuple[Compiled | None, DoesNotFit | None]:
    """The fastest of the ways that fit, by prediction; else why the last one did not."""
    best: Compiled | None = None
    failure: DoesNotFit | None = None
    for most in _ways(memory):
        steps, optimised = _optimise(graph, Target(tuple(_order(memory)), most, rates))
        try:
            found = compile_placed(optimised, memory, disk=disk, rates=rates)
        except DoesNotFit as error:
            failure = error
            continue
        found.steps, found.most = steps, most
        if best is None or found.prediction.seconds < best.prediction.seconds:
            best = found
        if len(graph.vertices) > _SMALL_GRAPH or not best.evicted:
            break
    return best, failure


def _ways(memory: Memory) -> Iterator[int | None]:
    """Bytes that a vertex may take: no limit, then shares of the smallest GPU."""
    yield None
    limits = [most for device, most in memory.items() if gpu(device) and most is not None]
    if limits:
        for share in (2, 4, 8, 16):
            yield min(limits) // share


def _order(memory: Memory) -> list[str]:
    """GPUs first, by name, then the CPU."""
    return sorted(memory, key=lambda device: (not gpu(device), device))


def _optimise(graph: Graph, target: Target) -> tuple[tuple[Step, ...], Graph]:
    steps = []
    for one in PASSES:
        before = len(graph.vertices)
        graph = one.run(graph, target)
        steps.append(Step(one.name, one.doc, before, len(graph.vertices)))
    return tuple(steps), place(graph, target.devices)


def compile_placed(
    graph: Graph, memory: Memory, *, disk: bool = False, rates: Rates = DEFAULT_RATES
) -> Compiled:
    """The program of a graph as it is, each vertex on its device, in its order. DoesNotFit."""
    devices = [vertex.device or "cpu" for vertex in graph.vertices]
    scratch = _workspaces(graph, devices)
    fixed = {**scratch, "cpu": _held(graph)}
    budgets: dict[str, int | None] = {}
    for device, most in memory.items():
        taken = fixed.get(device, 0)
        if most is not None and taken > most:
            raise DoesNotFit(device, taken)
        budgets[device] = None if most is None else most - taken
    if disk:
        budgets["disk"] = None
    found = _planned(graph, devices, budgets)
    order = schedule(found.chunk)
    peak = {
        device: found.chunk.memory.get(device, 0) + fixed.get(device, 0)
        for device in dict.fromkeys((*memory, *found.chunk.memory))
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


def _planned(graph: Graph, devices: Sequence[str], budgets: Mapping[str, int | None]) -> Plan:
    """The plan; where values have to leave a GPU, one that copies them out as early as can be."""
    first = plan(graph, devices, budgets)
    if not first.spilled:
        return first
    try:
        return plan(graph, devices, budgets, first.spilled)
    except DoesNotFit:  # copies that are made early take room on the CPU
        return first


def _refusal(
    graph: Graph, memory: Memory, disk: bool, rates: Rates, failure: DoesNotFit
) -> ResourceLimit:
    """Why a graph cannot run in so little memory, and in how much it could."""
    device = failure.device
    given = memory.get(device) or 0

    def fits(nbytes: int) -> bool:
        return _best(graph, {**memory, device: nbytes}, disk, rates)[0] is not None

    enough = max(given, 1)
    while not fits(enough):
        if enough >= 1 << 50:
            return ResourceLimit(
                f"{device}: {given} bytes are too little, and more would not help: another "
                "device has no room either"
            )
        enough *= 2
    least = max(given, enough // 2)
    while enough - least > max(enough // 128, 64):
        middle = (enough + least) // 2
        least, enough = (least, middle) if fits(middle) else (middle, enough)
    _, last = _best(graph, {**memory, device: least}, disk, rates)
    needs = _needs(graph, last or failure)
    return ResourceLimit(f"{device}: {given} bytes are too little; {enough} would do. {needs}")


def _needs(graph: Graph, failure: DoesNotFit) -> str:
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
