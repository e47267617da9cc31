"""The ways to compile a graph for a machine whose memory is short, and the fastest of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from itertools import takewhile

from zkrun.compiler.cuts import Cut, Cuts, Way
from zkrun.compiler.footprint import Footprint, Need
from zkrun.compiler.machine import Machine
from zkrun.compiler.placed import Compiled, Step, compile_placed
from zkrun.compiler.type2.graph import Graph, Vertex
from zkrun.compiler.type2.passes import PASSES, UNCUT, Pass, Target
from zkrun.compiler.type3.residence import DoesNotFit

__all__ = ["SHARES", "SHARES_OF_SUMS", "SHARE_OF_WHOLE_SUMS", "Search"]

SHARES = (1, 1.5, 2, 3, 4, 8)
"""What parts of the memory a vertex may take in the ways that are tried: one over each."""

SHARE_OF_WHOLE_SUMS = 1.25
"""The same for a multi-scalar multiplication that is not to be cut if that can be helped."""

SHARES_OF_SUMS = (1.05, 2, 4, 8)
"""The same where it is cut."""

_UNCUT: Way = (None, None)


class Search:
    """The best way so far, and why the last one that did not fit did not.

    `share` is what part of the memory a vertex may take in the best one: one over it.
    """

    def __init__(self, graph: Graph, machine: Machine, common: _Common | None = None) -> None:
        self.machine = machine
        self.best: Compiled | None = None
        self.share: float | None = None
        self.failure: DoesNotFit | None = None
        self._common = common or _Common(graph, machine)
        self._tried: list[tuple[Vertex, ...]] = []

    def on(self, machine: Machine) -> Search:
        """A search of its own for the same graph and devices, with other memory."""
        return Search(self._common.graph, machine, self._common)

    @property
    def is_short(self) -> bool:
        """Whether cutting may help: the best does not fit without anything leaving a device."""
        machine = self.machine
        limited = any(machine.memory[device] is not None for device in machine.computing)
        return limited and (self.best is None or bool(self.best.evicted))

    def least_bytes(self, device: str) -> int:
        """What a device needs whatever the way, by the vertices that no pass cuts."""
        return self._common.least_bytes.get(device, 0)

    @property
    def is_hopeless(self) -> bool:
        """Whether a device has too little whatever the way."""
        limits = self.machine.memory.items()
        return any(most is not None and self.least_bytes(device) > most for device, most in limits)

    def attempt(self, share: float, share_of_sums: float | None) -> None:
        """Compiles with cuts: a vertex takes one over `share` of the smallest memory, a
        multi-scalar multiplication one over `share_of_sums`; nothing is cut where that is None."""
        way = self._way(share, share_of_sums)
        if self._is_too_fine(way):
            return
        steps, optimised = self._common.cut(way)
        if optimised.vertices in self._tried:
            return
        self._tried.append(optimised.vertices)
        try:
            found = compile_placed(optimised, self.machine)
        except DoesNotFit as error:
            self.failure = error
            return
        found.steps, found.way = (*self._common.steps, *steps), way
        if self.best is None or found.prediction.seconds < self.best.prediction.seconds:
            self.best, self.share = found, share

    def attempt_tight(self) -> None:
        """Compiles with the fewest cuts that let a tight plan fit: the least memory, not fast."""
        for cut in self._cuts():
            if cut.fits(self.machine.memory):
                try:
                    found = compile_placed(cut.graph, self.machine, tight=True)
                except DoesNotFit as error:  # on the CPU, where what leaves has to go
                    self.failure = error
                    return
                found.steps, found.way = (*self._common.steps, *cut.steps), cut.way
                self.best = found
                return

    def least_need(self, device: str) -> Need | None:
        """What a limited device needs, at least, so that a tight plan fits, with what the others
        have; None where nothing can leave it, or where others have too little."""
        if device not in self.machine.tight:
            return None
        cuts = (cut for cut in self._cuts() if cut.fits(self.machine.memory, but=device))
        needs = (cut.needs[device] for cut in cuts)
        return min(needs, key=lambda need: need.nbytes, default=None)

    def _is_too_fine(self, way: Way) -> bool:
        """Whether pieces take less than half of what is not cut: then the least depends on that
        alone, and where that has no room beside anything, a tight plan is as good."""
        computing = self.machine.computing
        least = max(map(self.least_bytes, computing)) if self.machine.tight & {*computing} else 0
        return any(most is not None and 2 * most < least for most in way)

    def _cuts(self) -> Iterable[Cut]:
        return self._common.cuts(self.machine) if self.machine.tight else ()

    def _way(self, share: float, share_of_sums: float | None) -> Way:
        memory = (self.machine.memory[device] for device in self.machine.computing)
        limits = [most for most in memory if most is not None]
        if share_of_sums is None or not limits:
            return _UNCUT
        return int(min(limits) / share), int(min(limits) / share_of_sums)


class _Common:
    """What is the same for a graph on the devices of a machine, however much memory they have."""

    def __init__(self, graph: Graph, machine: Machine) -> None:
        self.machine = machine
        target = Target(machine.devices, rates=machine.rates)
        self.steps, self.graph = _optimise(graph, _ALIKE, target)
        self._cuts: dict[frozenset[str], Cuts] = {}

    @cached_property
    def _uncut(self) -> tuple[tuple[Step, ...], Graph]:
        return self._made(_UNCUT)

    @cached_property
    def least_bytes(self) -> dict[str, int]:
        """By device what the vertices take that no pass cuts."""
        return Footprint(self._uncut[1], self.machine).least_bytes(UNCUT)

    def cut(self, way: Way) -> tuple[tuple[Step, ...], Graph]:
        """The graph after all passes, which cut so much, and what those did that depend on it."""
        return self._uncut if way == _UNCUT else self._made(way)

    def _made(self, way: Way) -> tuple[tuple[Step, ...], Graph]:
        machine = self.machine
        workspace = partial(machine.workspace, machine.computing[0])
        target = Target(machine.devices, *way, machine.rates, workspace)
        return _optimise(self.graph, _DIFFERENT, target)

    def cuts(self, machine: Machine) -> Cuts:
        """The ways to make tight plans, which differ by the devices that are tight alone."""
        if machine.tight not in self._cuts:
            self._cuts[machine.tight] = Cuts(self.cut, machine)
        return self._cuts[machine.tight]


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
