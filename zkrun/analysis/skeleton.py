"""The happens-before order between a few of a program's nodes: as few edges as say it all."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from zkrun.analysis.clock_tree import Clock, ClockTree, changed
from zkrun.analysis.clocks import Node

__all__ = ["STEPS", "Skeleton", "chains_of"]

STEPS = 1_000_000
"""Of a few microseconds each; see `chains_of`."""

_RECENT = 8  # nodes that the first of a chain is compared with


class Skeleton(NamedTuple):
    """Chains and edges among nodes, all by index.

    `chains`: the nodes of each chain, which come one after the other. `needs`: for each node those
    of other chains that it needs and no earlier one of its chain does, the last of each such chain.
    `whole`: whether all edges are there.
    """

    chains: dict[int, list[int]]
    needs: dict[int, list[int]]
    whole: bool


class _Chain:
    """The nodes of one chain: their indices, their positions, and what the last one knows."""

    __slots__ = ("clock", "indices", "known", "positions")

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.positions: list[int] = []
        self.clock: Clock = {}
        self.known: dict[int, int] = {}  # of each other chain, how many of its nodes


def chains_of(nodes: Sequence[Node], steps: int = STEPS) -> Skeleton:
    """The skeleton of nodes, those of each chain in their order.

    Of many chains that all know of each other there may be more edges than can be looked at: when
    no `steps` are left, further edges between chains are left out.
    """
    chains: dict[int, _Chain] = {}
    for index, node in enumerate(nodes):
        own = chains.get(node.chain)
        if own is None:
            own = chains[node.chain] = _Chain()
        own.indices.append(index)
        own.positions.append(node.position)
    needs: dict[int, list[int]] = {}
    recent: deque[Node] = deque(maxlen=_RECENT)
    for index, node in enumerate(nodes):
        own = chains[node.chain]
        others = [node.issuer]
        large = isinstance(node.clock, ClockTree)
        if large and own.indices[0] == index:
            base = next((earlier for earlier in reversed(recent) if node.after(earlier)), None)
            if base is not None:  # by way of which the node knows nearly all that it does
                own.clock = base.clock
                others += [base.chain, base.issuer]
        if node.clock is not own.clock and steps > 0:
            for chain, _ in changed(own.clock, node.clock):
                steps -= large
                others.append(chain)
            own.clock = node.clock
        for chain in others:
            other = chains.get(chain)
            if other is not None and other is not own:
                count = bisect_right(other.positions, node.knows(chain))
                if count > own.known.get(chain, 0):
                    own.known[chain] = count
                    needs.setdefault(index, []).append(other.indices[count - 1])
        recent.append(node)
    return Skeleton({chain: own.indices for chain, own in chains.items()}, needs, steps > 0)
