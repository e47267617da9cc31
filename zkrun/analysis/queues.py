"""Deadlocks that depend on the order in which threads come to queue on a stream.

The walk gets stuck exactly where every schedule does, but for one thing: where two threads queue
on one stream without an order between them, it sees one order of the queue. In another, a Wait w of
one thread may stand before work b of another: "b may be behind w".

Take any run that is stuck. Whatever has not happened there waits for something else that has not:
for what the order of the program says, or for what stands before it in a queue. So there is a
circle, and as the order of the program has none, some of its steps are queues: a Wait w, work b
behind it, the Record r that happens only after b, and the next Wait, which is for r. (What stands
first of some that have passed into a queue waits for nothing but an event.) Both w and b have been
queued, and where the program orders them, that step is no step of the queue. So:

- where the order of the program together with all "b may be behind a Wait for r", as steps from r
  to b, has no circle, no run is ever stuck. That is seen in one pass, and is how it is in nearly
  every program;
- else circles are looked at, the short ones first, until one is found of which all steps can be
  true at once, or until there are no more. So a program that can get stuck never passes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from zkrun.analysis.clocks import Node, Track
from zkrun.analysis.effort import Effort, Exhausted
from zkrun.analysis.skeleton import chains_of

if TYPE_CHECKING:
    from zkrun.analysis.clocks import Order

__all__ = ["Behind", "circle"]

_issued = attrgetter("issued")

_CHOICE, _LOOK, _STEP = 20, 4, 20  # steps of effort


class Behind(NamedTuple):
    """A Wait, and work that may be behind it in the queue and that leads to the next Wait."""

    wait: Node
    wait_issue: Node
    record: Node  # that is waited for
    work: Node
    work_issue: Node


class _Choice(NamedTuple):
    """A Wait, and the work lower ≤ index < upper of another track that may be behind it."""

    wait: Node
    issue: Node
    record: Node
    other: Track
    lower: int
    upper: int


def circle(order: Order, effort: Effort) -> list[Behind]:
    """A deadlock that some order of the queues leads to, one of the fewest Waits; else empty.

    Raises Exhausted where that would take too long to say.
    """
    choices: list[_Choice] = []
    for line in order.lines.values():
        if line.loose:
            choices += _choices(line.tracks, effort)
    if not choices:
        return []
    for group in _entangled(choices, effort):
        if found := _shortest(group, effort):
            return found
    return []


def _choices(tracks: dict[int, Track], effort: Effort) -> Iterator[_Choice]:
    for track in tracks.values():
        for index, record in track.waits:
            wait, issue = track.nodes[index], track.issue(index)
            for chain, other in tracks.items():
                if other is track:
                    continue
                effort.spend(_CHOICE)
                lower = bisect_right(other.nodes, issue.clock.get(chain, -1), key=_issued)
                upper = bisect_left(
                    range(len(other.nodes)),
                    True,
                    lower,
                    key=lambda at: other.issue(at).after(issue),
                )
                if lower < upper:
                    yield _Choice(wait, issue, record, other, lower, upper)


def _entangled(choices: Sequence[_Choice], effort: Effort) -> Iterator[list[_Choice]]:
    """The choices whose Waits can lead to one another, group by group."""
    places = [(choice.record.chain, choice.record.position) for choice in choices]
    firsts = [choice.other.nodes[choice.lower] for choice in choices]
    nodes = {place: choice.record for place, choice in zip(places, choices, strict=True)}
    nodes |= {(first.chain, first.position): first for first in firsts}
    ids = {place: id for id, place in enumerate(sorted(nodes))}
    chains, needs, whole = chains_of([nodes[place] for place in ids])
    if not whole:
        raise Exhausted
    after: list[list[int]] = [[] for _ in ids]
    for chain in chains.values():
        for one, other in pairwise(chain):
            after[one].append(other)
    for other, earlier in needs.items():
        for one in earlier:
            after[one].append(other)
    for place, first in zip(places, firsts, strict=True):
        after[ids[place]].append(ids[first.chain, first.position])
    effort.spend(_LOOK * sum(map(len, after)))
    groups: dict[int, list[_Choice]] = {}
    components = _components(after)
    sizes = [0] * len(after)
    for component in components:
        sizes[component] += 1
    for place, first, choice in zip(places, firsts, choices, strict=True):
        component = components[ids[place]]
        if sizes[component] > 1 or place == (first.chain, first.position):
            groups.setdefault(component, []).append(choice)
    yield from groups.values()


def _components(after: Sequence[Sequence[int]]) -> list[int]:
    """Which nodes of a graph can reach each other, as one number a node (Tarjan, 1972)."""
    count = len(after)
    number, low, component = [-1] * count, [0] * count, [-1] * count
    stack: list[int] = []
    numbers = 0
    for root in range(count):
        if number[root] >= 0:
            continue
        way: list[tuple[int, Iterator[int]]] = []
        at: int | None = root
        while at is not None or way:
            if at is not None:
                number[at] = low[at] = numbers
                numbers += 1
                stack.append(at)
                way.append((at, iter(after[at])))
            node, rest = way[-1]
            at = None
            for other in rest:
                if number[other] < 0:
                    at = other
                    break
                if component[other] < 0:
                    low[node] = min(low[node], number[other])
            if at is not None:
                continue
            way.pop()
            if way:
                low[way[-1][0]] = min(low[way[-1][0]], low[node])
            if low[node] == number[node]:
                while component[node] < 0:
                    component[stack.pop()] = node
    return component


def _shortest(choices: Sequence[_Choice], effort: Effort) -> list[Behind]:
    """The circle of the fewest Waits of which all steps can be true at once; else empty.

    Each is looked for from its Wait that comes first here, by way of ever more others.
    """
    by_wait: dict[tuple[int, int], list[_Choice]] = {}
    for choice in choices:
        by_wait.setdefault((choice.wait.chain, choice.wait.position), []).append(choice)
    waits = sorted(by_wait)
    ways: deque[tuple[list[int], list[Behind]]] = deque(([at], []) for at in range(len(waits)))
    while ways:
        passed, steps = ways.popleft()
        effort.spend(_STEP)
        start, last = passed[0], passed[-1]
        for other in range(start, len(waits)):
            if other != start and other in passed:
                continue
            target = by_wait[waits[other]][0].record
            for choice in by_wait[waits[last]]:
                effort.spend(_LOOK)
                step = _leads_to(choice, target)
                if step is None or not _possible([*steps, step]):
                    continue
                effort.spend(_STEP * len(passed))
                if other == start:
                    return [*steps, step]
                ways.append(([*passed, other], [*steps, step]))
    return []


def _leads_to(choice: _Choice, record: Node) -> Behind | None:
    """The last work that may be behind a Wait and that happens before another Wait's Record.

    Where earlier work may be behind it as well, the same is true of this, and less comes after it.
    """
    nodes = choice.other.nodes
    count = bisect_left(range(len(nodes)), True, key=lambda at: not record.after(nodes[at]))
    if count <= choice.lower:
        return None
    at = min(count, choice.upper) - 1
    work_issue = choice.other.issue(at)
    return Behind(choice.wait, choice.issue, choice.record, nodes[at], work_issue)


def _possible(circle: Sequence[Behind]) -> bool:
    """Whether all Waits of a circle can be queued before the work that is to be behind them."""
    stuck = [node for step in circle for node in (step.wait, step.record, step.work)]
    if any(step.wait_issue.after(node) for step in circle for node in stuck):
        return False
    # Each step adds "issue of the Wait before issue of the work" to the order.
    left = list(circle)
    while left:
        free = [step for step in left if not any(_follows(other, step) for other in left)]
        if not free:
            return False
        left = [step for step in left if step not in free]
    return True


def _follows(step: Behind, other: Behind) -> bool:
    """Whether the other step's Wait is issued only after this step's work."""
    return other.wait_issue.after(step.work_issue)
