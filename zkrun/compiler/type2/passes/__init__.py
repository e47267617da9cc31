"""The passes: functions from a graph to one that computes the same, for less.

    for one in PASSES:
        graph = one.run(graph, target)

Any of them may be left out, but `fusion`, without which arithmetic is one call each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zkrun.analysis.rates import Rates
from zkrun.compiler.rates import DEFAULT_RATES
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.calls import recognise_calls
from zkrun.compiler.type2.passes.common import share_common
from zkrun.compiler.type2.passes.dead import remove_dead
from zkrun.compiler.type2.passes.fold import fold_constants

__all__ = ["PASSES", "Pass", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a graph is compiled for: devices, their speed, and the bytes that the operands and
    results of one vertex may take on a GPU; None for no limit."""

    devices: tuple[str, ...] = ("cpu",)
    most: int | None = None
    rates: Rates = DEFAULT_RATES


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass, by the name that reports use."""

    name: str
    doc: str
    run: Callable[[Graph, Target], Graph]


def _plain(name: str, doc: str, run: Callable[[Graph], Graph]) -> Pass:
    return Pass(name, doc, lambda graph, target: run(graph))


PASSES: tuple[Pass, ...] = (
    _plain("calls", "calls that are operations of the graph become those", recognise_calls),
    _plain("dead", "what no result needs is left out", remove_dead),
    _plain("fold", "what is known now is computed now", fold_constants),
    _plain("common", "equal operations are one", share_common),
)
