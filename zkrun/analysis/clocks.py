"""Happens-before of a whole program, by chain clocks.

The order is static: events are recorded at most once and there are no locks, so it does not depend
on the schedule. Its nodes lie on chains, each totally ordered: one chain a thread, and one for each
stream and thread that queues on it. An instruction that is queued has two nodes: its issue, on the
thread, and its execution, on the stream. A node carries a clock: of each other chain, the last node
that happens before. Clocks are shared until they change, so a program of n instructions takes O(n)
memory when few of them synchronise.

Two threads that queue on one stream without an order between them are not ordered there either:
the queue may hold their work in any order. So execution a comes before execution b of one stream
exactly if the issue of a happens before the issue of b.

Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", 1978; Jard and Jourdan,
"Incremental transitive dependency tracking", 1994 (chains instead of processes).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

__all__ = ["Clock", "Node", "Order", "Strand", "Track"]

Clock = dict[int, int]


class Node(NamedTuple):
    """A point of the order: a position of a chain, and what it knows of other chains.

    An execution also knows its issue, at position `issued` of the chain `issuer`: apart from the
    clock, which a run of executions then shares.
    """

    chain: int
    position: int
    clock: Clock
    issuer: int = -1
    issued: int = -1

    def knows(self, chain: int) -> int:
        """The last position of a chain that happens before this node, or is it; -1 for none."""
        if chain == self.chain:
            return self.position
        known = self.clock.get(chain, -1)
        return max(known, self.issued) if chain == self.issuer else known

    def after(self, other: Node) -> bool:
        """Whether `other` happens before this node, or is this node."""
        chain, position = other.chain, other.position
        if chain == self.chain:
            return position <= self.position
        if chain == self.issuer and position <= self.issued:
            return True
        return self.clock.get(chain, -1) >= position

    @property
    def issue(self) -> tuple[int, int]:
        """Chain and position of the thread's side: of the issue, or of the node itself."""
        return (self.chain, self.position) if self.issuer < 0 else (self.issuer, self.issued)


@dataclass(slots=True, eq=False)
class Strand:
    """A thread's part of the order: its k-th node lies at position `base` + k of the chain."""

    chain: int
    base: int
    clock: Clock
    idle: list[tuple[int, int]] = field(default_factory=list)  # joined chains, their last positions
    shared: bool = False  # whether a node has the clock too

    def node(self, k: int) -> Node:
        self.shared = True
        return Node(self.chain, self.base + k, self.clock)

    def learn(self, node: Node) -> None:
        """What follows here happens after `node`."""
        chain = self.chain
        if node.chain == chain or self.clock.get(node.chain, -1) >= node.position:
            return
        if self.shared:
            self.clock = dict(self.clock)
            self.shared = False
        _add(self.clock, node, chain)


@dataclass(slots=True, eq=False)
class Track:
    """What one thread chain has queued on one stream, as far as it has passed."""

    stream: Hashable
    chain: int
    nodes: list[Node] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)  # of the issues
    waits: list[int] = field(default_factory=list)  # which of them are Waits
    lessons: list[Node] = field(default_factory=list)

    def learn(self, node: Node) -> None:
        """What follows here happens after `node`."""
        self.lessons.append(node)

    def issue(self, index: int) -> Node:
        node = self.nodes[index]
        return Node(node.issuer, node.issued, self.clocks[index])


class _Chain:
    """Whose nodes lie on a chain: (first position, whose, index of its node there), in order."""

    __slots__ = ("last", "starts", "stretches")

    def __init__(self) -> None:
        self.last = -1  # of a stream's chain
        self.starts: list[int] = []
        self.stretches: list[tuple[Strand | Track, int]] = []

    def give(self, owner: Strand | Track, start: int, index: int) -> None:
        self.starts.append(start)
        self.stretches.append((owner, index))


_issued = attrgetter("issued")


class Order:
    """The order so far. Nodes must be added in some order that the program can run in."""

    def __init__(self) -> None:
        self._chains: list[_Chain] = []
        self.main = self._strand(self._new(), 0, {})
        self.tracks: dict[Hashable, dict[int, Track]] = {}  # by stream, then by the thread's chain

    def owner(self, chain: int, position: int) -> tuple[Strand | Track, int]:
        """Whose node lies at a position of a chain, and which of its nodes it is."""
        found = self._chains[chain]
        at = bisect_right(found.starts, position) - 1
        owner, index = found.stretches[at]
        return owner, index + position - found.starts[at]

    def stream_of(self, node: Node) -> Hashable | None:
        """The stream that an execution is on; None of a thread's node."""
        owner, _ = self.owner(node.chain, node.position)
        return owner.stream if isinstance(owner, Track) else None

    def teach(self, node: Node, lesson: Node) -> Node:
        """A node, and all that follows it on its track, as if it came after another one."""
        self.owner(node.chain, node.position)[0].learn(lesson)
        clock = dict(node.clock)
        _add(clock, lesson, node.chain)
        return node._replace(clock=clock)

    def fork(self, parent: Strand, node: Node) -> Strand:
        """A new thread after a node of its parent. It continues an idle chain where it can."""
        chain, last = parent.idle.pop() if parent.idle else (self._new(), -1)
        clock = dict(node.clock)
        clock.pop(chain, None)
        clock[node.chain] = node.position
        return self._strand(chain, last + 1, clock)

    def join(self, parent: Strand, child: Strand, count: int) -> None:
        """What follows in the parent happens after all `count` nodes of the child."""
        last = child.node(count)
        parent.learn(last)
        parent.idle += [(last.chain, last.position), *child.idle]
        child.idle = []

    def execute(self, stream: Hashable, issue: Node, waits: Node | None = None) -> Node:
        """The execution of what `issue` has queued, after `waits` where it is a Wait.

        Work must come in the order in which it is queued.
        """
        tracks = self.tracks.get(stream)
        if tracks is None:
            tracks = self.tracks[stream] = {}
        track = tracks.get(issue.chain)
        if track is None:
            track = tracks[issue.chain] = Track(stream, -1)
        nodes = track.nodes
        if (
            nodes
            and waits is None
            and issue.clock is track.clocks[-1]
            and self._chains[track.chain].stretches[-1][0] is track
            and not track.lessons
        ):
            clock = nodes[-1].clock  # nothing new is known
        else:
            clock = self._known(tracks, track, issue, waits)
        chain = self._chains[track.chain]
        chain.last += 1
        node = Node(track.chain, chain.last, clock, issue.chain, issue.position)
        if waits is not None:
            track.waits.append(len(nodes))
        nodes.append(node)
        track.clocks.append(issue.clock)
        return node

    def _known(
        self, tracks: dict[int, Track], track: Track, issue: Node, waits: Node | None
    ) -> Clock:
        """The clock of the next node of a track; gives the track a chain where it has none."""
        before = [issue]
        if track.nodes:
            before.append(track.nodes[-1])
        if waits is not None:
            before.append(waits)
        for chain, other in tracks.items():
            if other is not track:
                at = bisect_right(other.nodes, issue.clock.get(chain, -1), key=_issued)
                if at:
                    before.append(other.nodes[at - 1])
        before += track.lessons
        track.lessons = []
        if track.chain < 0 or self._chains[track.chain].stretches[-1][0] is not track:
            track.chain = self._continued(waits)
            self._chains[track.chain].give(
                track, self._chains[track.chain].last + 1, len(track.nodes)
            )
        clock: Clock = {}
        for node in before:
            _add(clock, node, track.chain)
        return clock

    def _continued(self, waits: Node | None) -> int:
        """A chain of a stream that ends in what is waited for, or a new one."""
        if (
            waits is not None
            and waits.issuer >= 0
            and self._chains[waits.chain].last == (waits.position)
        ):
            return waits.chain
        return self._new()

    def _new(self) -> int:
        self._chains.append(_Chain())
        return len(self._chains) - 1

    def _strand(self, chain: int, base: int, clock: Clock) -> Strand:
        strand = Strand(chain, base, clock)
        self._chains[chain].give(strand, base, 0)
        return strand


def _add(clock: Clock, node: Node, own: int) -> None:
    """Adds to the clock of a node of chain `own` all that another node knows, and that node."""
    get = clock.get
    for chain, position in node.clock.items():
        if get(chain, -1) < position:
            clock[chain] = position
    if get(node.issuer, -1) < node.issued:
        clock[node.issuer] = node.issued
    if get(node.chain, -1) < node.position:
        clock[node.chain] = node.position
    clock.pop(own, None)
