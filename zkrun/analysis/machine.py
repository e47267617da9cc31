"""The abstract machine: one walk over the whole program in one legal order.

Values have no contents here, only places, lengths, owners and which of their elements are written.
Threads run until they block, the one that forks before the one that is forked; queued work runs as
late as the program allows (see `order.advance`). Both make forgotten synchronisation show. What is
reported happens in a legal order, so it is a fault of the program; what only other orders show is
found by the clocks of the same walk (see `clocks` and `races`).

The handlers of instructions are in `handlers/`; this file holds what they share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from zkrun.analysis import ending
from zkrun.analysis.bindings import Bindings
from zkrun.analysis.calls import Calls
from zkrun.analysis.clocks import Node, Order
from zkrun.analysis.cost import Done
from zkrun.analysis.effort import STEPS_EACH, Effort
from zkrun.analysis.forecast import Ledger
from zkrun.analysis.intervals import IntervalMap
from zkrun.analysis.operands import BINDING, Operands
from zkrun.analysis.order import (
    Completes,
    Demands,
    Event,
    Free,
    Place,
    Queue,
    Queued,
    Thread,
    WaitsFor,
    Work,
    advance,
)
from zkrun.analysis.races import Races
from zkrun.analysis.reporter import Refused, Reporter, Skipped
from zkrun.analysis.rules import binding, definedness
from zkrun.analysis.search import element_range, queued_writes, running
from zkrun.analysis.values import (
    POISON,
    Bound,
    Storage,
    Value,
    leaves,
    unwritten,
    write,
)
from zkrun.program.document import Program
from zkrun.program.instructions import Effect, Instruction
from zkrun.program.instructions import operands as marks

__all__ = ["Handler", "Machine"]


class Machine(Bindings):
    """The state of the walk. `run` walks; findings go to the reporter."""

    def __init__(
        self,
        program: Program,
        reporter: Reporter,
        handlers: dict[type, Handler],
        collected: Operands | None = None,
        effort: Effort | None = None,
    ) -> None:
        super().__init__(program, reporter)
        self.effort = effort or Effort()
        self.curve = program.curve_record
        self.calls = Calls(program)
        self.ledger = Ledger()
        self.done: list[Done] | None = None  # the work, where it is asked for
        self.arenas: dict[str, IntervalMap] = {}
        self.live: dict[Storage, None] = {}  # what Allocate made and nothing has freed, in order
        self.threads: dict[int, Thread] = {}
        self.events: dict[int, Event] = {}
        self.queues: list[Queue] = []
        self.result: tuple[Place, Bound] | None = None
        self.order = Order(self.effort)
        self.races = Races(self)
        self.main = Thread(None, "/instructions", program.instructions, self.order.main)
        self.all_threads: list[Thread] = []
        self.ready: deque[Thread] = deque()
        self.start(self.main)
        self.thread = self.main  # the one that runs
        self._handlers = handlers
        self._collected = collected
        self.tables: dict[tuple[str, int], Value] = {}  # constants and inputs that were loaded

    # The walk

    def run(self) -> None:
        """Walks the program to its end, or to where nothing can go on."""
        while self.ready:
            self._run(self.ready.popleft())
        ending.finish(self)

    def _run(self, thread: Thread) -> None:
        self.thread = thread
        instructions, handlers, collected = thread.instructions, self._handlers, self._collected
        while thread.at < len(instructions):
            instruction = instructions[thread.at]
            if collected:
                collected.before(thread.place, instruction, self.variables)
            try:
                if handlers[instruction.__class__](self, instruction):
                    return  # blocked
            except Refused as refused:
                self.report.refuse(thread.place, refused)
                self._abandon(instruction)
            except Skipped:
                self._abandon(instruction)
            if collected:
                collected.after(thread.place, instruction, self.variables)
            thread.at += 1
        if thread.joiner:
            self.wake(thread.joiner)

    def start(self, thread: Thread) -> None:
        """Takes in a thread, which runs when its turn comes."""
        self.effort.left += STEPS_EACH * len(thread.instructions)
        self.all_threads.append(thread)
        self.ready.append(thread)

    def wake(self, thread: Thread) -> None:
        """Lets a blocked thread try again, before any other."""
        thread.waits_for = ""
        self.ready.appendleft(thread)

    @property
    def place(self) -> Place:
        return Place(self.thread, self.thread.at)

    @property
    def node(self) -> Node:
        return self.thread.node

    def _abandon(self, instruction: Instruction) -> None:
        """Goes on after an error as if the instruction had worked, so that no other follows."""
        for name, mark in marks(type(instruction)):
            ids = getattr(instruction, name)
            for id in ids if isinstance(ids, list) else [ids]:
                if mark.effect in BINDING:
                    self.variables[id] = POISON
                elif mark.effect in _UNBINDING:
                    if id in self.variables:
                        self.variables[id] = POISON
                elif mark.effect in _WRITING or name == "arg_mut":
                    value = self.variables.get(id)
                    for leaf in leaves(value) if value else ():
                        write(leaf)
                elif mark.effect is Effect.RECORDS:
                    event = self.event(id)
                    event.complete = True
                    event.node = event.node or self.node
                    self.recorded(event)

    # Bytes

    def perform(
        self, reads: Sequence[Value], writes: Sequence[Value], stream: Value | None = None
    ) -> None:
        """Reads and writes views: at once, or as work of a stream."""
        node = self.thread.node
        work = Work(Place(self.thread, self.thread.at), reads, writes, node)
        if stream is None:
            self.touch(work, node)
        else:
            assert stream.storage.queue is not None
            stream.storage.queue.put(work)

    def touch(self, work: Work, node: Node | None) -> None:
        """Does what `perform` was asked for, when its turn comes; no node: after all else."""
        if self.done is not None and node is not None:
            self.done.append((work.place, node))
        races = self.races if node is not None and self.races.possible else None
        for value in work.reads:
            storage = value.storage
            if storage.gone is not None and value.length:
                self._gone(work, storage)
            if storage.written is not True and (lacking := unwritten(value)):
                node = self._undefined(work, value, lacking, node)
            elif races and node and not storage.read_only:
                races.read(value, node)
        for value in work.writes:
            storage = value.storage
            if storage.gone is not None and value.length:
                self._gone(work, storage)
            if storage.written is not True:
                write(value)
            if races and node:
                races.write(value, node)

    def passes(self, queue: Queue, item: Queued) -> None:
        """Does what has come to the head of a queue."""
        waits = item.event.node if isinstance(item, WaitsFor) else None
        node = self.order.execute(queue, item.issue, waits)
        if isinstance(item, Work):
            self.touch(item, node)
        elif isinstance(item, Completes):
            item.event.complete = True
            item.event.node = node
        elif isinstance(item, Free):
            self.give_back(item, node)

    def give_back(self, item: Free, node: Node) -> None:
        """Memory of a pool goes back; whatever touches it from now on is wrong."""
        self.races.free(item.storage, node)
        item.storage.gone = item.place
        self.ledger.give(item.storage, item.place, node)

    def _undefined(
        self, work: Work, value: Value, lacking: tuple[int, int], node: Node | None
    ) -> Node | None:
        """Reports a read of what is not written; returns the node with what it should know."""
        storage = value.storage
        what = element_range(value, lacking)
        owner = f" of {self.report.variable(storage.owner)}" if storage.owner is not None else ""
        born = f" (the {self.report.at(storage.born)})" if storage.born else ""
        help = "write it first: fill, Transfer, or a function that writes all of it"
        others = running(self.all_threads, work.place.thread)
        if others:
            writers = " or ".join(map(str, others))
            help += (
                f"; where it is {writers} that writes it, Join that thread before, or Wait for "
                "an event that it records"
            )
        own = self.order.stream_of(node) if node else None
        others_queues = [queue for queue in self.queues if queue is not own]
        pending = queued_writes(others_queues, storage)
        if pending:
            queue, position, writer = pending
            stream = self.report.variable(queue.variable)
            help = (
                f"the {self.report.at(writer)} writes it, but is only queued on stream {stream}: "
                "Record an event there behind it, and Wait for that event here"
            )
        self.report.add(
            definedness.NEVER_WRITTEN,
            f"reads {what}{owner}{born}, which nothing has written",
            place=work.place,
            help=help,
        )
        write(value)
        if pending and node:  # go on as if that had been waited for
            advance(Demands(queue, position + 1), self.passes)
            for last in self.order.ends(queue):
                node = self.order.teach(node, last)
        return node

    def _gone(self, work: Work, storage: Storage) -> None:
        assert storage.gone is not None
        self.report.add(
            binding.FREED_WHILE_QUEUED,
            f"this frees memory that the {self.report.at(work.place)}, which is queued, "
            "may not have used yet",
            place=storage.gone,
            help="give the Deallocate the stream of that work, or Wait for an event recorded "
            "behind it",
        )
        storage.gone = None

    def leaves(self, bound: Bound) -> tuple[Value, ...]:
        """The values of a tuple that are no tuples; the value itself where it is none."""
        if bound.__class__ is Value:
            return (bound,)
        return tuple(leaves(bound, self.effort))

    # Events

    def event(self, id: int) -> Event:
        known = self.events.get(id)
        if known is None:
            known = self.events[id] = Event(id)
        return known

    def recorded(self, event: Event) -> None:
        """Lets those go on who wait for an event that is now recorded."""
        event.recorded = event.recorded or self.place
        waiters, event.waiters = event.waiters, []
        for thread in reversed(waiters):
            self.wake(thread)

    def advance(self, thread: Thread) -> bool:
        """Lets queues advance as far as the thread's Wait demands; True where it is blocked."""
        assert thread.demands is not None
        stuck = advance(thread.demands, self.passes)
        if stuck is None:
            return False
        if isinstance(stuck, Event):
            stuck.waiters.append(thread)
        return True


Handler: TypeAlias = Callable[[Machine, Instruction], bool | None]
"""Runs one instruction; True where the thread blocks at it, and will run it again."""

_WRITING = (Effect.WRITES, Effect.WRITES_PART)
_UNBINDING = (Effect.FREES, Effect.UNBINDS, Effect.MOVES)
