"""Threads, events and stream queues of the abstract machine, and how queued work advances."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zkrun.analysis.clocks import Node, Strand
from zkrun.analysis.values import Storage, Value
from zkrun.program.instructions import Instruction

__all__ = ["Demands", "Event", "Place", "Queue", "Queued", "Thread", "Work", "advance"]


class Place(NamedTuple):
    """An instruction: the thread that it stands in, and its place in it."""

    thread: Thread
    at: int

    @property
    def path(self) -> str:
        """Its JSON pointer."""
        return f"{self.thread.prefix}/{self.at}"

    @property
    def node(self) -> Node:
        """Where in the order it stands, without what it knows."""
        return Node(self.thread.strand.chain, self.thread.strand.base + self.at, {})

    @property
    def instruction(self) -> Instruction:
        return self.thread.instructions[self.at]


@dataclass(slots=True, eq=False)
class Thread:
    """One thread: its instructions, and how far it has come."""

    id: int | None  # None is the main thread
    prefix: str  # the JSON pointer of its list of instructions
    instructions: Sequence[Instruction]
    strand: Strand  # its part of the order
    at: int = 0
    forked: Place | None = None
    joined: Place | None = None
    joiner: Thread | None = None  # the thread that is blocked in its Join
    waits_for: str = ""  # while blocked, in words
    demands: Demands | None = None  # what a blocked Wait has still to see done

    @property
    def ended(self) -> bool:
        return self.at >= len(self.instructions)

    @property
    def place(self) -> Place:
        return Place(self, self.at)

    @property
    def node(self) -> Node:
        """The instruction that runs, as a point of the order."""
        return self.strand.node(self.at)

    def __str__(self) -> str:
        return "the main thread" if self.id is None else f"thread {self.id}"


@dataclass(slots=True, eq=False)
class Event:
    """Recorded when its Record is reached; complete when what is queued before that has passed."""

    id: int
    recorded: Place | None = None
    complete: bool = False
    node: Node | None = None  # of its Record, once that has happened
    queue: Queue | None = None
    position: int = 0  # of its Record in the queue
    waiters: list[Thread] = field(default_factory=list)


class Work(NamedTuple):
    """What an instruction does with bytes: the views that it reads, and those that it writes."""

    place: Place
    reads: Sequence[Value]
    writes: Sequence[Value]
    issue: Node


class Free(NamedTuple):
    """Memory that goes back when the queue comes here."""

    place: Place
    storage: Storage
    issue: Node


class Completes(NamedTuple):
    place: Place
    event: Event
    issue: Node


class WaitsFor(NamedTuple):
    place: Place
    event: Event
    issue: Node


Queued = Work | Free | Completes | WaitsFor


@dataclass(slots=True, eq=False)
class Queue:
    """The work of a stream in order. `done` items have passed; the rest waits in `items`."""

    born: Place
    variable: int  # that Allocate bound
    device: str
    items: deque[Queued] = field(default_factory=deque)
    done: int = 0

    def put(self, item: Queued) -> int:
        """Queues one item; returns its position."""
        self.items.append(item)
        return self.done + len(self.items) - 1


class Demands:
    """That queues come to positions, all items before them passed: the last of these at first."""

    __slots__ = ("left", "queues")

    def __init__(self, queue: Queue, position: int) -> None:
        self.left = [(queue, position)]
        self.queues = {queue}

    def add(self, queue: Queue, position: int) -> None:
        self.left.append((queue, position))
        self.queues.add(queue)


def advance(demands: Demands, passes: Callable[[Queue, Queued], None]) -> Event | Queue | None:
    """Lets queues advance until all demands are met, and no further.

    Queued work runs as late as the program allows. That order is as legal as any other, and it is
    the one in which a forgotten Wait shows: the work is not done yet when its result is used.

    `passes` is told of each item that passes. Returns None when all is done; the Event that nothing
    has recorded yet and that all else waits for (what is left of `demands` can be taken up again
    once it is); or the Queue that waits for itself through others. Each item passes once, so the
    whole costs as much as there is work.
    """
    while demands.left:
        queue, position = demands.left[-1]
        items = queue.items
        while queue.done < position:
            item = items[0]
            if isinstance(item, WaitsFor) and not item.event.complete:
                event = item.event
                if event.recorded is None or event.queue is None:
                    return event
                if event.queue in demands.queues:
                    return event.queue
                demands.add(event.queue, event.position + 1)
                break
            items.popleft()
            queue.done += 1
            passes(queue, item)
        else:
            demands.left.pop()
            demands.queues.discard(queue)
    return None
