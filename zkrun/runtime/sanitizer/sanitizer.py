"""Watches a run: whether what it does is ordered by the program, or by luck.

Independent of the analysis: this knows what each instruction finds in its variables, when threads
are forked and joined, and when streams pass what is queued on them. Whether two accesses are
ordered does not depend on the schedule, so one run finds a race that no run has shown.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from zkrun.devices.base import Block, Data, Stream, Value
from zkrun.errors import RunFailed, Where
from zkrun.program import instructions as op
from zkrun.program.instructions import Effect, operands
from zkrun.runtime.linker import Linker
from zkrun.runtime.sanitizer.clocks import Feed, Stamp, Timeline
from zkrun.runtime.sanitizer.shadow import Access, History, Shadow
from zkrun.runtime.sanitizer.streams import WatchedStream
from zkrun.runtime.sanitizer.touches import Touch, leaves, touches
from zkrun.runtime.state import Body, Step

__all__ = ["Sanitizer"]

_BINDS = (Effect.OWNS, Effect.BINDS)
_UNBINDS = (Effect.FREES, Effect.UNBINDS, Effect.MOVES)
_PRONOUNS = {"the same bytes": "them", "these bytes of the arena": "them"}


@dataclass(slots=True, eq=False)
class _Life:
    """Something that was allocated: memory, a stream, a transcript. `thing` keeps it by its id."""

    thing: Any
    uses: History  # by instructions, from Allocate to Deallocate
    bytes: Shadow  # what was done with its memory, of which many can share an arena's


@dataclass(slots=True)
class _Issue:
    """An instruction that has been reached, whose work may be queued."""

    stamp: Stamp
    touches: Sequence[Touch] = ()
    frees: Block | None = None
    event: int | None = None


class Sanitizer:
    """Of one run. Raises RunFailed in the thread or stream that does what nothing orders."""

    def __init__(self, places: Sequence[Where]) -> None:
        self._places = places
        self._lock = threading.RLock()
        self._threads: dict[Body, Timeline] = {}
        self._issues: dict[int, _Issue] = {}  # by position
        self._recorded: dict[int, Stamp] = {}  # by event
        self._names: dict[int, History] = {}  # by variable
        self._lives: dict[int, _Life] = {}  # by the id of the thing
        self._arenas: dict[str, Shadow] = {}
        self._places_taken: dict[str, Shadow] = {}  # of arenas, by Allocate and Deallocate

    def step(self, linker: Linker, body: Body, at: int, it: Any, step: Step) -> Step:
        """The step of an instruction, watched."""
        slots = linker.run.slots
        uses, unbinds, binds = _variables(it)
        named = [(variable, linker.slot(variable)) for variable in (*uses, *unbinds)]
        # A RemoveRegister may tidy up what refers to memory that is gone.
        alive = [] if isinstance(it, op.RemoveRegister) else named
        bound = [(variable, linker.slot(variable)) for variable in binds]
        touched = touches(linker, at, it)
        stream = linker.slot(it.arg[-1]) if _is_queued_call(linker, at, it) else None
        if getattr(it, "stream", None) is not None:
            stream = linker.slot(it.stream)

        def watched() -> None:
            with self._lock:
                timeline = self._timeline(body)
                stamp = timeline.step()
                self._name(at, stamp, uses, unbinds, binds)
                use = Access(stamp, at, "uses")
                for variable, slot in alive:
                    if slots[slot] is None:
                        raise RunFailed(f"sanitizer: variable {variable} is not bound yet")
                    for leaf in leaves(slots[slot]):
                        self._use(leaf, use)
                for variable, slot in bound:
                    if slots[slot] is not None:
                        self._bind(variable, slots[slot], use)
                issue = _Issue(stamp, touched(), None, getattr(it, "event", None))
                if stream is not None or isinstance(it, op.Deallocate):
                    self._issues[at] = issue
                if isinstance(it, op.Deallocate):
                    self._deallocate(slots[linker.slot(it.id)], issue, at, stream is not None)
                elif isinstance(it, op.Fork):
                    self._threads[linker.body(it.new_thread)] = Timeline((stamp,))
                elif isinstance(it, op.Record) and stream is None:
                    self._recorded[it.event] = stamp
                if stream is None:
                    self._touch(issue.touches, stamp, at)
            step()
            if isinstance(it, op.Allocate):
                with self._lock:
                    self._allocate(slots[linker.slot(it.id)], stamp, at)
            elif isinstance(it, op.Wait) and stream is None:
                timeline.learn(self._recorded[it.event])
            elif isinstance(it, op.Join):
                timeline.learn(self._timeline(linker.body(it.thread)).now)

        return watched

    def stream(self, stream: Stream) -> Stream:
        """A stream of a virtual GPU, watched."""
        return WatchedStream(stream, self.passes)

    def passes(self, feed: Feed, at: int, waits: bool) -> None:
        """Queued work of the instruction at a position comes to its turn on a stream."""
        with self._lock:
            issue = self._issues.pop(at)
            waited = self._recorded.get(issue.event) if waits and issue.event is not None else None
            stamp = feed.step(issue.stamp, waited)
            if issue.event is not None and not waits:
                self._recorded[issue.event] = stamp
            self._touch(issue.touches, stamp, at)
            if issue.frees is not None:
                self._free(issue.frees, Access(stamp, at, "frees"))

    # Threads and variables

    def _timeline(self, body: Body) -> Timeline:
        found = self._threads.get(body)
        if found is None:
            found = self._threads[body] = Timeline()
        return found

    def _name(
        self,
        at: int,
        stamp: Stamp,
        uses: Sequence[int],
        unbinds: Sequence[int],
        binds: Sequence[int],
    ) -> None:
        for variables, does in ((uses, "uses"), (unbinds, "unbinds"), (binds, "binds")):
            for variable in variables:
                history = self._names.setdefault(variable, History())
                access = Access(stamp, at, does)
                other = history.use(access) if does == "uses" else history.alter(access)
                if other is not None:
                    self._fail(access, f"variable {variable}", other)

    def _bind(self, variable: int, value: Value, access: Access) -> None:
        """Variables are bound anew only when the memory that they refer to is freed."""
        for leaf in leaves(value):
            life = self._life(leaf)
            change = life.uses.change if life else None
            if change is not None and change.does == "frees":
                if access.stamp.after(change.stamp):
                    return
                self._fail(access._replace(does="binds"), f"variable {variable}", change)
        raise RunFailed(f"sanitizer: variable {variable} is bound already")

    # Memory

    def _allocate(self, value: Value, stamp: Stamp, at: int) -> None:
        access = Access(stamp, at, "allocates")
        thing = value.block if isinstance(value, Data) else value
        shadow = Shadow()
        if isinstance(thing, Block) and thing.arena:
            device = thing.device.name
            shadow = self._arenas.setdefault(device, shadow)
            self._take_place(thing, access)
        self._lives[id(thing)] = _Life(thing, History(access), shadow)

    def _deallocate(self, value: Value, issue: _Issue, at: int, queued: bool) -> None:
        access = Access(issue.stamp, at, "frees")
        thing = value.block if isinstance(value, Data) else value
        life = self._lives[id(thing)]
        if (other := life.uses.alter(access)) is not None:
            self._fail(access, "the memory", other)
        if not isinstance(thing, Block):
            return
        if thing.arena:
            self._take_place(thing, access)
        elif queued:
            issue.frees = thing
        else:
            self._free(thing, access)

    def _take_place(self, block: Block, access: Access) -> None:
        """The bytes of an arena pass from one allocation to none or another, in an order."""
        places = self._places_taken.setdefault(block.device.name, Shadow())
        start, end = block.address, block.address + block.nbytes
        for history in places.stretches(start, end):
            if (other := history.alter(access)) is not None:
                self._fail(access, "these bytes of the arena", other)

    def _free(self, block: Block, access: Access) -> None:
        """Memory of a pool goes back."""
        if not block.nbytes:
            return
        shadow = self._lives[id(block)].bytes
        for history in shadow.stretches(block.address, block.address + block.nbytes):
            if (other := history.alter(access)) is not None:
                self._fail(access, "the memory", other)

    def _use(self, value: Value, access: Access) -> None:
        """An instruction names something, which must be alive."""
        life = self._life(value)
        if life is None:
            return
        other = life.uses.use(access)
        change = life.uses.change
        if other is None and change is not None and change.does == "frees":
            other = change
        if other is not None:
            self._fail(access, "the memory", other)

    def _life(self, value: Value) -> _Life | None:
        """None for what is not allocated: a constant or an input."""
        return self._lives.get(id(value.block if isinstance(value, Data) else value))

    def _touch(self, touches: Sequence[Touch], stamp: Stamp, at: int) -> None:
        for value, reads, writes in touches:
            is_data = isinstance(value, Data)
            life = self._life(value)
            if life is None:
                continue
            runs = value.runs() if is_data else ((0, 1),)
            for start, nbytes in runs:
                if reads:
                    access = Access(stamp, at, "reads", life)
                    for history in life.bytes.stretches(start, start + nbytes):
                        self._read(history, access, is_data)
                if writes:
                    access = Access(stamp, at, "writes", life)
                    for history in life.bytes.stretches(start, start + nbytes):
                        if (other := history.alter(access)) is not None:
                            self._fail(access, "the same bytes", other)
                    life.bytes.merge(start, start + nbytes)

    def _read(self, history: History, access: Access, needs_contents: bool) -> None:
        if (other := history.use(access)) is not None:
            self._fail(access, "the same bytes", other)
        change = history.change
        if not needs_contents or (
            change and change.does == "writes" and change.block is access.block
        ):
            return
        if change is not None and change.does == "frees":
            self._fail(access, "the memory", change)
        for at, issue in self._issues.items():
            if at != access.at and any(
                writes and self._life(value) is access.block for value, _, writes in issue.touches
            ):
                self._fail(access, "memory", Access(issue.stamp, at, "is still to write"))
        raise RunFailed("sanitizer: this reads bytes that nothing has written")

    def _fail(self, access: Access, what: str, other: Access) -> NoReturn:
        where = self._places[other.at]
        thread = "the main thread" if where.thread is None else f"thread {where.thread}"
        source = f", {where.source}" if where.source else ""
        order = "comes before it" if access.stamp.after(other.stamp) else "is not ordered before it"
        if other.does == "is still to write":
            order = "is queued"
        raise RunFailed(
            f"sanitizer: this {access.does} {what}; the {where.op} at {where.path} ({thread}"
            f"{source}), which {other.does} {_PRONOUNS.get(what, 'it')}, {order}"
        )


def _variables(it: Any) -> tuple[list[int], list[int], list[int]]:
    """The variables that an instruction uses, unbinds and binds."""
    uses: list[int] = []
    unbinds: list[int] = []
    binds: list[int] = []
    for name, mark in operands(type(it)):
        if mark.space != "variable" or (ids := getattr(it, name)) is None:
            continue
        into = binds if mark.effect in _BINDS else unbinds if mark.effect in _UNBINDS else uses
        into += ids if isinstance(ids, list) else [ids]
    return uses, unbinds, binds


def _is_queued_call(linker: Linker, at: int, it: Any) -> bool:
    return isinstance(it, op.FuncCall) and len(it.arg) > len(linker.calls[at].immutable)
