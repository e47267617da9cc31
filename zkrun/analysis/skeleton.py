"""The happens-before order between a few of a program's nodes: as few edges as say it all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from zkrun.analysis.clocks import Clock, Node

__all__ = ["chains_of"]


class _Chain:
    """The nodes of one chain: their indices, their positions, and what the last one knows."""

    __slots__ = ("clock", "indices", "known", "positions")

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.positions: list[int] = []
        self.clock: Clock | None = None
        self.known: dict[int, int] = {}  # of each other chain, how many of its nodes


def chains_of(nodes: Sequence[Node]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Chains and edges among nodes that are given in a legal order, all by index.

    First the nodes of each chain, which come one after the other. Then for each node those of other
    chains that it needs and no earlier one of its chain does: the last of each such chain.
    """
    chains: dict[int, _Chain] = {}
    needs: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        own = chains.get(node.chain)
        if own is None:
            own = chains[node.chain] = _Chain()
        others = [node.issuer]
        if node.clock is not own.clock:
            own.clock = node.clock
            among = chains if len(chains) < len(node.clock) else node.clock
            others += [chain for chain in among if chain != node.chain]
        for chain in others:
            other = chains.get(chain)
            if other is not None:
                count = bisect_right(other.positions, node.knows(chain))
                if count > own.known.get(chain, 0):
                    own.known[chain] = count
                    needs.setdefault(index, []).append(other.indices[count - 1])
        own.indices.append(index)
        own.positions.append(node.position)
    return {chain: found.indices for chain, found in chains.items()}, needs
