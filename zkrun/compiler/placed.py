"""From a graph whose vertices have devices to a program: memory, then tracks and instructions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial

from zkrun.compiler.footprint import Footprint, whole_pages
from zkrun.compiler.machine import Machine
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type3.chunk import Chunk
from zkrun.compiler.type3.emit import emit
from zkrun.compiler.type3.plan import Pace, Plan, plan
from zkrun.compiler.type3.predict import Prediction, call_seconds, predict
from zkrun.compiler.type3.residence import DoesNotFit
from zkrun.compiler.type3.tracks import Schedule, schedule
from zkrun.program.document import Program

__all__ = ["Compiled", "Step", "compile_placed"]


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


def compile_placed(graph: Graph, machine: Machine, tight: bool = False) -> Compiled:
    """The program of a graph as it is, each vertex on its device, in its order. DoesNotFit.

    `tight`: in the least memory there can be, however long it takes.
    """
    footprint = Footprint(graph, machine, tight)
    budgets = footprint.budgets()
    if machine.disk:
        budgets["disk"] = None
    found = _planned(footprint, budgets, tight)
    order = schedule(found.chunk)
    peak = {
        device: whole_pages(found.chunk.memory.get(device, 0)) + footprint.held.get(device, 0)
        for device in dict.fromkeys((*machine.memory, *found.chunk.memory))
    }
    return Compiled(
        graph,
        found.chunk,
        order,
        predict(found.chunk, order, machine.rates),
        peak,
        found.evicted,
    )


def _planned(footprint: Footprint, budgets: Mapping[str, int | None], tight: bool) -> Plan:
    """The plan. A device's budget binds it only where it would take more without one.

    Where values have to leave a GPU, they are copied out as early as can be.
    """
    known = partial(
        plan,
        footprint.graph,
        footprint.devices,
        pace=_pace(footprint),
        buffers=footprint.buffers,
        live=footprint.live,
    )
    if tight:
        return known(budgets, tight=footprint.machine.tight)
    binding: dict[str, int | None] = dict.fromkeys(budgets)
    while True:
        found = known(binding)
        if found.spilled:
            with suppress(DoesNotFit):  # copies that are made early take room on the CPU
                found = known(binding, spilled=found.spilled)
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


def _pace(footprint: Footprint) -> Pace:
    """How long each vertex takes, by the rates of the machine."""
    rates = footprint.machine.rates
    seconds = [
        call_seconds(call, device, rates) if call else 0.0
        for call, device in zip(footprint.calls, footprint.devices, strict=True)
    ]
    rate = rates.link("cpu", "gpu:0")
    return Pace(seconds, 1 / rate if rate else 0.0)
