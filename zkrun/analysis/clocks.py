"""Happens-before of a whole program, by chain clocks.

The order is static: events are recorded at most once and there are no locks, so it does not depend
on the schedule. Its nodes lie on chains, each totally ordered: one chain a thread, and one for each
stream and thread that queues on it. An instruction that is queued has two nodes: its issue, on the
thread, and its execution, on the stream. A node carries a clock: of each other chain, the last node
that happens before (see `clock_tree`). Clocks are shared until they change, so a program of n
instructions takes O(n) memory when few of them synchronise.

Two threads that queue on one stream without an order between them are not ordered there either:
the queue may hold their work in any order. So execution a comes before execution b of one stream
exactly if the issue of a happens before the issue of b.

Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", 1978; Jard and Jourdan,
"Incremental transitive dependency tracking", 1994 (chains instead of processes).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from zkrun.analysis.clock_tree import FEW, Clock, changed, joined, tree_of
from zkrun.analysis.effort import Effort

__all__ = ["Clock", "Line", "Node", "Order", "Strand", "Track"]


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


_Idle = tuple[int, int]
"""A chain that another thread may continue, and its last position."""


@dataclass(slots=True, eq=False)
class Strand:
    """A thread's part of the order: its k-th node lies at position `base` + k of the chain."""

    chain: int
    base: int
    clock: Clock
    effort: Effort
    idle: list[_Idle] | None = None  # chains of threads that were joined

    def node(self, k: int) -> Node:
        return Node(self.chain, self.base + k, self.clock)

    def learn(self, node: Node) -> None:
        """What follows here happens after `node`."""
        if node.chain != self.chain and self.clock.get(node.chain, -1) < node.position:
            self.clock = _gathered(self.clock, (node,), self.chain, self.effort)


@dataclass(slots=True, eq=False)
class Track:
    """What one thread chain has queued on one stream, as far as it has passed."""

    stream: Hashable
    chain: int
    nodes: list[Node] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)  # of the issues
    # Waits for what may not have happened when they are queued: index, and the Record's node.
    waits: list[tuple[int, Node]] = field(default_factory=list)
    lessons: list[Node] = field(default_factory=list)

    def learn(self, node: Node) -> None:
        """What follows here happens after `node`."""
        self.lessons.append(node)

    def issue(self, index: int) -> Node:
        node = self.nodes[index]
        return Node(node.issuer, node.issued, self.clocks[index])


@dataclass(slots=True, eq=False)
class Line:
    """What has passed on a stream: a track of each thread chain that queues there."""

    tracks: dict[int, Track] = field(default_factory=dict)
    issue: Node | None = None  # of the last one that passed
    last: Node | None = None
    loose: bool = False  # whether nothing orders some two of the issues


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

    def __init__(self, effort: Effort | None = None) -> None:
        self._effort = effort or Effort()
        self._chains: list[_Chain] = []
        self.main = self._strand(self._new(), 0, {})
        self.lines: dict[Hashable, Line] = {}  # by stream

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

    def ends(self, stream: Hashable) -> list[Node]:
        """The last execution on a stream of each thread chain that queues there."""
        line = self.lines.get(stream)
        return [track.nodes[-1] for track in line.tracks.values()] if line else []

    def teach(self, node: Node, lesson: Node) -> Node:
        """A node, and all that follows it on its track, as if it came after another one."""
        self.owner(node.chain, node.position)[0].learn(lesson)
        return node._replace(clock=_gathered(node.clock, (lesson,), node.chain, self._effort))

    def fork(self, parent: Strand, node: Node) -> Strand:
        """A new thread after a node of its parent. It continues an idle chain where it can."""
        chain, last = parent.idle.pop() if parent.idle else (self._new(), -1)
        return self._strand(chain, last + 1, _gathered(node.clock, (node,), chain, self._effort))

    def join(self, parent: Strand, child: Strand, count: int) -> None:
        """What follows in the parent happens after all `count` nodes of the child."""
        last = child.node(count)
        parent.learn(last)
        few, many = sorted((parent.idle or [], child.idle or []), key=len)
        many += [(last.chain, last.position), *few]
        parent.idle, child.idle = many, None

    def execute(self, stream: Hashable, issue: Node, waits: Node | None = None) -> Node:
        """The execution of what `issue` has queued, after `waits` where it is a Wait.

        Work must come in the order in which it is queued.
        """
        line = self.lines.get(stream)
        if line is None:
            line = self.lines[stream] = Line()
        track = line.tracks.get(issue.chain)
        if track is None:
            track = line.tracks[issue.chain] = Track(stream, -1)
        nodes = track.nodes
        if (
            nodes
            and waits is None
            and issue.clock is track.clocks[-1]
            and self._chains[track.chain].stretches[-1][0] is track
            and not track.lessons
        ):
            clock = nodes[-1].clock  # nothing new is known
            line.loose = line.loose or line.last is not nodes[-1]
        else:
            clock = self._known(line, track, issue, waits)
        chain = self._chains[track.chain]
        chain.last += 1
        node = Node(track.chain, chain.last, clock, issue.chain, issue.position)
        if waits is not None and not issue.after(waits):
            track.waits.append((len(nodes), waits))
        nodes.append(node)
        track.clocks.append(issue.clock)
        line.issue, line.last = issue, node
        return node

    def _known(self, line: Line, track: Track, issue: Node, waits: Node | None) -> Clock:
        """The clock of the next node of a track; gives the track a chain where it has none."""
        before = [issue, *track.lessons]
        track.lessons = []
        if waits is not None:
            before.append(waits)
        if line.issue is not None and line.last is not None:
            line.loose = line.loose or not issue.after(line.issue)
            if line.loose:
                before += self._earlier(line, track, issue)
            else:
                before.append(line.last)  # which comes after all others
        if track.chain < 0 or self._chains[track.chain].stretches[-1][0] is not track:
            track.chain = self._continued(waits)
            self._chains[track.chain].give(
                track, self._chains[track.chain].last + 1, len(track.nodes)
            )
        return _gathered(issue.clock, before, track.chain, self._effort)

    def _earlier(self, line: Line, track: Track, issue: Node) -> Iterator[Node]:
        """The last nodes of each track whose issues come before this one, as far as that is new."""
        if track.nodes:
            yield track.nodes[-1]
        known: Iterable[tuple[int, int]]
        many = len(line.tracks) > FEW
        if many:
            known = changed(track.clocks[-1] if track.nodes else {}, issue.clock)
            known = reversed([*known])  # young threads often know of older ones
        else:
            known = [(chain, issue.clock.get(chain, -1)) for chain in line.tracks]
        for chain, position in known:
            if many:
                self._effort.spend(1)
            other = line.tracks.get(chain)
            if other is not None and other is not track:
                at = bisect_right(other.nodes, position, key=_issued)
                if at:
                    yield other.nodes[at - 1]

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
        strand = Strand(chain, base, clock, self._effort)
        self._chains[chain].give(strand, base, 0)
        return strand


def _gathered(clock: Clock, nodes: Iterable[Node], own: int, effort: Effort) -> Clock:
    """A clock of chain `own` with all that some nodes know besides, and these nodes."""
    clock = dict(clock) if isinstance(clock, dict) else clock
    for node in nodes:
        if clock.get(node.chain, -1) >= node.position:
            continue  # and so all that the node knows is known
        clock = joined(clock, node.clock, effort)
        if isinstance(clock, dict):
            if clock.get(node.issuer, -1) < node.issued:
                clock[node.issuer] = node.issued
            if clock.get(node.chain, -1) < node.position:
                clock[node.chain] = node.position
        else:
            if node.issuer >= 0:
                clock = clock.known(node.issuer, node.issued, effort)
            clock = clock.known(node.chain, node.position, effort)
    if isinstance(clock, dict):
        clock.pop(own, None)
        if len(clock) > FEW:
            return tree_of(clock, effort)
    return clock
