"""Ways to cut a graph ever finer, and the least memory that it can run in with each.

How finely arithmetic, transforms and multi-scalar multiplications are cut decides what a tight plan
takes: what the vertex takes that demands most at once. Below that no plan can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

from zkrun.compiler.footprint import Footprint, Need
from zkrun.compiler.machine import Machine, Memory
from zkrun.compiler.placed import Step
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes import UNCUT

__all__ = ["Cut", "Cuts", "Way"]

Way: TypeAlias = tuple[int | None, int | None]
"""Bytes that a vertex, and that a multi-scalar multiplication may take; None: it is not cut."""

_LEAST = 1 << 10
"""Bytes of the smallest pieces."""

_MISSED = 2
"""Arithmetic, or a multi-scalar multiplication, that takes more than so many times what the passes
aimed at is as small as they make it; they do not count all that comes with it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A graph after all passes, what the last of them did, and what a tight plan needs of the
    devices that are tight."""

    way: Way
    steps: tuple[Step, ...]
    graph: Graph
    needs: Mapping[str, Need]

    def fits(self, memory: Memory, but: str | None = None) -> bool:
        """Whether the tight devices have as much as it needs, but one that is not asked."""
        needs = ((need.nbytes, memory[one]) for one, need in self.needs.items() if one != but)
        return all(most is not None and nbytes <= most for nbytes, most in needs)


class Cuts:
    """The cuts of a graph, from none to the finest that may be of use: each is made once, when it
    is asked for. `cut` gives the steps and the graph of a way."""

    def __init__(
        self, cut: Callable[[Way], tuple[tuple[Step, ...], Graph]], machine: Machine
    ) -> None:
        self._machine = machine
        self._cut = cut
        self._found: list[Cut] = []
        self._rest = self._all()

    def __iter__(self) -> Iterator[Cut]:
        at = 0
        while True:
            if at == len(self._found):
                following = next(self._rest, None)
                if following is None:
                    return
                self._found.append(following)
            yield self._found[at]
            at += 1

    def _all(self) -> Iterator[Cut]:
        cut = self._made((None, None))
        yield cut
        # The same whichever devices are tight: what fits one alone fits it with others.
        demands = Footprint(cut.graph, self._machine).demands
        most = max(_LEAST, max(demand.nbytes for demand, _ in demands))
        is_finest = False  # a limit alone makes passes do with less: transforms drop their tables
        while most >= _LEAST and not is_finest:
            cut = self._made((most, most))
            yield cut
            is_finest = _is_finest(cut, most)
            most = int(most / sqrt(2))

    def _made(self, way: Way) -> Cut:
        steps, graph = self._cut(way)
        return Cut(way, steps, graph, Footprint(graph, self._machine, tight=True).needs())


def _is_finest(cut: Cut, aim: int) -> bool:
    """Whether finer pieces would not lower what demands most on any device."""
    return all(_is_as_small_as_can_be(need, aim) for need in cut.needs.values())


def _is_as_small_as_can_be(need: Need, aim: int) -> bool:
    """Whether what demands most is never cut, or is larger than passes aimed at."""
    if need.vertex is None:
        return True
    match need.vertex.operation:
        case op.Call(function=name) if name in UNCUT:
            return True
        case op.Fused() | op.Call(function="msm"):
            return need.demanded > _MISSED * aim
        case _:
            return need.demanded > aim
