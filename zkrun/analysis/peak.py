"""The most memory that a device may hold at once, over every order in which a program may run.

What can have happened at some moment of a run is a set of nodes that holds, with each of them, all
that happens before it. The bytes held then are the sum of what the allocations in the set took and
the frees in it gave back. So the peak is a closure of maximum weight in the order of allocations
and frees, which is a minimum cut (Picard, "Maximal closure of a graph and applications to
combinatorial problems", 1976).

Between two places where a chain meets others, only the moment of its own peak and its end matter;
the cut is sought in what is left. A chain alone is one scan.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zkrun.analysis.clocks import Node, Order
from zkrun.analysis.order import Place
from zkrun.analysis.skeleton import chains_of

__all__ = ["Change", "Peak", "find_peak", "queues_can_tie"]

STEPS = 1_000_000
"""How far the search for the cut goes before it settles for a bound."""

_LAST_STEPS = 32  # of each search when those are used up


class Change(NamedTuple):
    """An allocation (bytes above zero) or its free, which names the allocation as well."""

    node: Node
    nbytes: int
    place: Place
    born: Place


@dataclass(frozen=True, slots=True)
class Peak:
    """The peak of one device's pool; where it is not `exact`, it is an upper bound.

    `alive` are the Allocates whose memory makes it up, and `frontier` is the order that reaches it:
    the last allocation or free that each thread and each stream has come to. Of a bound they are
    those of an order that reaches less.
    """

    nbytes: int = 0
    exact: bool = True
    alive: tuple[Place, ...] = ()
    frontier: tuple[Place, ...] = ()


def find_peak(changes: Sequence[Change], steps: int = STEPS) -> Peak:
    """The peak over all orders of changes that are given in one legal order."""
    if not changes:
        return Peak()
    graph, whole = _compress(changes)
    bound, exact, chosen = _closure(graph, steps)
    exact = exact and whole  # where edges are left out, more orders seem possible than are
    happened = set(chosen) if exact else _walked(changes)
    alive: dict[Place, None] = {}
    last: dict[int, Place] = {}
    for index, change in enumerate(changes):
        if index in happened:
            last[change.node.chain] = change.place
            if change.nbytes > 0:
                alive[change.born] = None
            else:
                alive.pop(change.born, None)
    return Peak(bound, exact, tuple(alive), tuple(last.values()))


def queues_can_tie(order: Order) -> bool:
    """Whether two streams each take work from threads that nothing orders.

    Then the queues of the two cannot be in every pair of orders: which work has passed on one can
    rule out what has passed on the other. Closures of the order know nothing of that, so they give
    no more than a bound.
    """
    return sum(line.loose for line in order.lines.values()) > 1


def _walked(changes: Sequence[Change]) -> set[int]:
    """The changes up to the peak of the order in which they are given."""
    held = most = end = 0
    for index, change in enumerate(changes):
        held += change.nbytes
        if held > most:
            most, end = held, index + 1
    return set(range(end))


@dataclass(slots=True)
class _Graph:
    """Pieces of chains, each after those that it needs: what they add, and which they are."""

    chains: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    needs: list[list[int]] = field(default_factory=list)
    pieces: list[list[int]] = field(default_factory=list)  # indices of the changes

    def add(self, chain: int, weight: int, needs: list[int], piece: list[int]) -> int:
        self.chains.append(chain)
        self.weights.append(weight)
        self.needs.append(needs)
        self.pieces.append(piece)
        return len(self.weights) - 1


def _compress(changes: Sequence[Change]) -> tuple[_Graph, bool]:
    """The graph of the pieces of chains between the places where they meet, and if it is whole."""
    chains, needs, whole = chains_of([change.node for change in changes])
    ends = {needed for many in needs.values() for needed in many}
    runs: list[list[int]] = []
    for indices in chains.values():
        run: list[int] = []
        for index in indices:
            if run and index in needs:
                runs.append(run)
                run = []
            run.append(index)
            if index in ends:
                runs.append(run)
                run = []
        if run:
            runs.append(run)
    runs.sort()  # by their first changes: what a run needs ends before it starts
    graph = _Graph()
    ending: dict[int, int] = {}  # the last piece of the run that ends with a change
    previous: dict[int, int] = {}  # the last piece of a chain so far
    for run in runs:
        chain = changes[run[0]].node.chain
        needed = [ending[index] for index in needs.get(run[0], ())]
        if chain in previous:
            needed.insert(0, previous[chain])
        total = most = split = 0
        for at, index in enumerate(run, 1):
            total += changes[index].nbytes
            if total > most:
                most, split = total, at
        if split:
            needed = [graph.add(chain, most, needed, run[:split])]
        if split < len(run):
            needed = [graph.add(chain, total - most, needed, run[split:])]
        ending[run[-1]] = previous[chain] = needed[0]
    return graph, whole


def _closure(graph: _Graph, steps: int) -> tuple[int, bool, list[int]]:
    """The largest weight of a closed set, whether that is exact, and the changes in the set.

    Pieces are taken in order, so that all that they need is there. What a piece adds flows off to
    pieces it needs that give back; where not all of it can, neither can anything that comes there
    later: what has been reached is part of the set, and is not looked at again.
    """
    flow = _Flow(graph, steps)
    left = sum(flow.add(piece, weight) for piece, weight in enumerate(graph.weights))
    inside = [index for piece in flow.stuck() for index in graph.pieces[piece]]
    return left, flow.exact, inside


class _Flow:
    """A flow from pieces that add memory to pieces they need, which give memory back."""

    def __init__(self, graph: _Graph, steps: int) -> None:
        self.exact = True
        self._steps = steps  # that are left
        self._chains = graph.chains
        self._needs = graph.needs
        self._room = [0 for _ in graph.weights]
        self._from: list[dict[int, int]] = [{} for _ in graph.weights]  # what came from where
        self._stuck = [False for _ in graph.weights]
        self._open: dict[int, list[int]] = {}  # by chain, the pieces that have room
        self._known: dict[int, dict[int, int]] = {}  # by chain, the last piece of others it needs

    def add(self, piece: int, weight: int) -> int:
        """Adds the next piece; returns how much of what it adds cannot flow off."""
        chain = self._chains[piece]
        known = self._known.setdefault(chain, {})
        known[chain] = piece
        for need in self._needs[piece]:
            other = self._chains[need]
            if known.get(other, -1) < need:
                known[other] = need
        if weight > 0:
            rest = self._directly(piece, weight, known) if self._steps >= 0 else weight
            return self._search(piece, rest) if rest else 0
        if weight < 0:
            self._room[piece] = -weight
            self._open.setdefault(chain, []).append(piece)
        return 0

    def _directly(self, source: int, amount: int, known: dict[int, int]) -> int:
        """Fills what room there is in pieces that the source needs; returns what is left over."""
        room = self._room
        if len(known) > _LAST_STEPS:
            self._steps -= len(known)
        for chain, last in known.items():
            pieces = self._open.get(chain)
            if not pieces:
                continue
            at = bisect_right(pieces, last)
            end = at
            while at and amount:
                piece = pieces[at - 1]
                sent = min(amount, room[piece])
                if sent:
                    self._from[piece][source] = sent
                    room[piece] -= sent
                    amount -= sent
                if not room[piece]:
                    at -= 1
            del pieces[at:end]
            if not amount:
                return 0
        return amount

    def stuck(self) -> list[int]:
        """The pieces from which nothing more can flow off."""
        return [piece for piece, stuck in enumerate(self._stuck) if stuck]

    def _search(self, source: int, amount: int) -> int:
        """Makes room by sending back what came from others; returns what cannot flow off at all.

        When no steps are left, what was not tried counts as what cannot.
        """
        needs, room, arrived, stuck = self._needs, self._room, self._from, self._stuck
        while True:
            came = {source: source}
            queue = [source]
            for piece in queue:
                self._steps -= 1
                if self._steps < 0 and len(queue) > _LAST_STEPS:
                    self.exact = False
                    return amount
                if room[piece]:
                    sent, again = self._send(came, source, piece, amount)
                    amount -= sent
                    if not amount:
                        return 0
                    if again:
                        break
                for other in needs[piece]:
                    if other not in came and not stuck[other]:
                        came[other] = piece
                        queue.append(other)
                for other in arrived[piece]:  # which may be sent back
                    if other not in came and not stuck[other]:
                        came[other] = piece
                        queue.append(other)
            else:
                for piece in queue:
                    stuck[piece] = True
                return amount

    def _send(self, came: dict[int, int], source: int, piece: int, amount: int) -> tuple[int, bool]:
        """Sends what fits along a way; whether others that were found by it must be found again."""
        way: list[tuple[int, int]] = []
        at = piece
        while at != source:
            way.append((came[at], at))
            at = came[at]
        # A need takes any amount; only what came from a piece can be sent back to it.
        backs = [sent for one, other in way if (sent := self._from[one].get(other))]
        sent = min(amount, self._room[piece], *backs)
        self._room[piece] -= sent
        for one, other in way:
            if other in self._from[one]:
                self._from[one][other] -= sent
                if not self._from[one][other]:
                    del self._from[one][other]
            else:
                self._from[other][one] = self._from[other].get(one, 0) + sent
        return sent, sent in backs
