"""Ways to cut a graph ever finer, and the least memory that it can run in with each.

How finely arithmetic, transforms and multi-scalar multiplications are cut decides what a tight plan
takes: what the vertex takes that demands most at once. Below that no plan can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

from zkrun.compiler.machine import Machine
from zkrun.compiler.placed import Need, Step, tight_needs
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes import UNCUT

__all__ = ["Cut", "Cuts", "Way"]

Way: TypeAlias = tuple[int | None, int | None]
"""Bytes that a vertex, and that a multi-scalar multiplication may take; None: it is not cut."""

_PATIENCE = 4
"""Ways in a row, each of pieces smaller by √2, that need no less: then finer ones are not tried."""

_LEAST = 1 << 10
"""Bytes of the smallest pieces."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A graph after all passes, what the last of them did, and what a tight plan needs of the
    devices that are tight."""

    way: Way
    steps: tuple[Step, ...]
    graph: Graph
    needs: Mapping[str, Need]


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
        uncut = self._made((None, None))
        yield uncut
        least = {device: need.nbytes for device, need in uncut.needs.items()}
        most, in_vain, last = max(least.values(), default=0), 0, uncut
        while most >= _LEAST and in_vain < _PATIENCE and not _is_finest(last):
            last = self._made((most, most))
            yield last
            less = {device: min(least[device], need.nbytes) for device, need in last.needs.items()}
            in_vain = in_vain + 1 if less == least else 0
            least, most = less, int(most / sqrt(2))

    def _made(self, way: Way) -> Cut:
        steps, graph = self._cut(way)
        return Cut(way, steps, graph, tight_needs(graph, self._machine))


def _is_finest(cut: Cut) -> bool:
    """Whether what needs most, on each device, is what no pass cuts."""
    vertices = (need.vertex for need in cut.needs.values())
    return all(
        vertex is not None
        and isinstance(vertex.operation, op.Call)
        and vertex.operation.function in UNCUT
        for vertex in vertices
    )
