"""Deadlocks that depend on the order in which threads come to queue on a stream.

The walk gets stuck exactly where every schedule does, but for one thing: where two threads queue
on one stream without an order between them, it sees one order of the queue. In another, a Wait w of
one thread may stand before work b of another: "b may be behind w". A circle of such steps, each
followed by "the next Wait happens after b", is a deadlock if all of them can be true at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from zkrun.analysis.clocks import Node, Track

if TYPE_CHECKING:
    from zkrun.analysis.clocks import Order

__all__ = ["Behind", "circles"]

MOST = 300  # Waits of which circles of several are looked for

_issued = attrgetter("issued")


class Behind(NamedTuple):
    """A Wait, and work that may be behind it in the queue and that leads to the next Wait."""

    wait: Node
    wait_issue: Node
    work: Node
    work_issue: Node


class _Choice(NamedTuple):
    """A Wait, and the work lower ≤ index < upper of another track that may be behind it."""

    wait: Node
    issue: Node
    other: Track
    lower: int
    upper: int


def circles(order: Order) -> Iterator[list[Behind]]:
    """Deadlocks that some order of the queues leads to, one for each Wait at most."""
    choices = [choice for tracks in order.tracks.values() for choice in _choices(tracks)]
    for choice in choices:
        if (step := _leads_to(choice, choice.wait)) and _possible([step]):
            yield [step]
            return
    yield from _longer(choices[:MOST])


def _choices(tracks: dict[int, Track]) -> Iterator[_Choice]:
    if len(tracks) < 2:
        return
    for track in tracks.values():
        for index in track.waits:
            wait, issue = track.nodes[index], track.issue(index)
            for chain, other in tracks.items():
                if other is track:
                    continue
                lower = bisect_right(other.nodes, issue.clock.get(chain, -1), key=_issued)
                upper = bisect_left(
                    range(len(other.nodes)),
                    True,
                    lower,
                    key=lambda at: other.issue(at).after(issue),
                )
                if lower < upper:
                    yield _Choice(wait, issue, other, lower, upper)


def _leads_to(choice: _Choice, wait: Node) -> Behind | None:
    """The last work that may be behind a Wait and that happens before another Wait."""
    nodes = choice.other.nodes
    count = bisect_left(range(len(nodes)), True, key=lambda at: not wait.after(nodes[at]))
    if count <= choice.lower:
        return None
    at = min(count, choice.upper) - 1
    return Behind(choice.wait, choice.issue, nodes[at], choice.other.issue(at))


def _longer(choices: list[_Choice]) -> Iterator[list[Behind]]:
    steps: list[list[tuple[int, Behind]]] = [[] for _ in choices]
    for one, choice in enumerate(choices):
        for other, target in enumerate(choices):
            if target.wait is not choice.wait and (step := _leads_to(choice, target.wait)):
                steps[one].append((other, step))
    for start in range(len(choices)):
        circle = _shortest(steps, start)
        if circle and _possible(circle):
            yield circle
            return


def _shortest(steps: list[list[tuple[int, Behind]]], start: int) -> list[Behind]:
    """The shortest circle through a Wait."""
    came: dict[int, tuple[int, Behind]] = {}
    ready = deque([start])
    while ready:
        at = ready.popleft()
        for other, step in steps[at]:
            if other == start:
                circle = [step]
                while at != start:
                    at, step = came[at]
                    circle.append(step)
                return circle[::-1]
            if other not in came:
                came[other] = (at, step)
                ready.append(other)
    return []


def _possible(circle: list[Behind]) -> bool:
    """Whether all Waits of a circle can be queued before the work that is to be behind them."""
    stuck = [node for step in circle for node in (step.wait, step.work)]
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
