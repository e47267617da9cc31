"""Which instructions of a chunk run side by side, and the waits that keep their order.

The main thread issues all instructions in order. What it does itself (calls on the CPU, taking and
freeing memory) is done then; work on a GPU is queued: each GPU has a stream for each of its tracks,
so that computing, copies to it and copies from it overlap. Two instructions must keep their order
where one writes what the other reads or writes: a register's memory, or addresses that were
another's before. Where the order of issue and of the streams does not keep it, an event does: the
fewest, since an order that follows from other ones needs none (transitive reduction).

Where there is a GPU, drawing many random elements is done aside, by a thread of its own, which the
main thread joins before anything touches them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TypeAlias

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type3.chunk import (
    Call,
    Chunk,
    Free,
    Instruction,
    Move,
    SetPolyMeta,
    Sliced,
    Track,
    Transfer,
    Type2,
    gpu,
)
from zkrun.program import types

__all__ = ["HOST", "Queue", "Schedule", "schedule"]

Queue: TypeAlias = tuple[str, Track] | None
"""A stream, by its GPU and its track; None is the main thread."""

HOST: Queue = None

_MANY = 1 << 12
"""Random elements that are drawn aside: a millisecond."""

Clock: TypeAlias = dict[Queue, int]
"""For each stream the last of its instructions that is known to have run."""


@dataclass(slots=True)
class Schedule:
    """The queue of each instruction; `waits`: for each instruction those that its queue has to wait
    for by an event. `aside` are those with threads of their own, `joins` for each instruction those
    of them that end before it is issued; the others end last."""

    queues: list[Queue] = field(default_factory=list)
    waits: dict[int, list[int]] = field(default_factory=dict)
    aside: list[int] = field(default_factory=list)
    joins: dict[int, list[int]] = field(default_factory=dict)

    def join(self, index: int, aside: int, known: Clock) -> None:
        """Has the main thread join that of an instruction, before it issues one, unless it has."""
        thread = self.queues[aside]
        if thread not in known:
            self.joins.setdefault(index, []).append(aside)
            known[thread] = aside

    @property
    def recorded(self) -> set[int]:
        """The instructions behind which an event is recorded."""
        return {one for waits in self.waits.values() for one in waits}

    @property
    def streams(self) -> list[tuple[str, Track]]:
        """The streams in use, in order."""
        return sorted(
            {queue for queue in self.queues if queue is not None and gpu(queue[0])},
            key=lambda queue: (queue[0], queue[1].value),
        )


@dataclass(slots=True)
class _Segment:
    """Bytes that the same instructions touched: the last of each queue to write, and to read."""

    start: int
    end: int
    writes: Clock = field(default_factory=dict)
    reads: Clock = field(default_factory=dict)


class _Memory:
    """Who touched which bytes of an arena, or of a register outside of one: disjoint segments."""

    def __init__(self) -> None:
        self.segments: list[_Segment] = []

    def read(self, start: int, end: int, queue: Queue, index: int) -> Clock:
        """Notes a read; gives what it has to come after."""
        before: Clock = {}
        for segment in self._over(start, end):
            _latest(before, segment.writes)
            segment.reads[queue] = index
        return before

    def write(self, start: int, end: int, queue: Queue, index: int) -> Clock:
        """Notes a write; gives what it has to come after."""
        before: Clock = {}
        found = self._over(start, end)
        for segment in found:
            _latest(before, segment.writes)
            _latest(before, segment.reads)
        if found:
            at = self._at(start)
            self.segments[at : at + len(found)] = [_Segment(start, end, {queue: index})]
        return before

    def _at(self, start: int) -> int:
        """Where the segment that starts there is, or would be."""
        return bisect_left(self.segments, start, key=lambda segment: segment.start)

    def _over(self, start: int, end: int) -> list[_Segment]:
        """The segments that are these bytes: cut where they begin and end, made where none is."""
        if start >= end:
            return []
        at = self._at(start)
        if at and self.segments[at - 1].end > start:
            self._cut(at - 1, start)
        found: list[_Segment] = []
        place = start
        while place < end:
            if at == len(self.segments) or self.segments[at].start > place:
                following = self.segments[at].start if at < len(self.segments) else end
                self.segments.insert(at, _Segment(place, min(following, end)))
            elif self.segments[at].end > end:
                self._cut(at, end)
            found.append(self.segments[at])
            place = self.segments[at].end
            at += 1
        return found

    def _cut(self, at: int, place: int) -> None:
        """Makes two segments of one."""
        whole = self.segments[at]
        self.segments[at : at + 1] = [
            _Segment(whole.start, place, dict(whole.writes), dict(whole.reads)),
            _Segment(place, whole.end, dict(whole.writes), dict(whole.reads)),
        ]


class _Places:
    """Where the bytes of each register are."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.memories: dict[object, _Memory] = {}
        self.parts: dict[int, tuple[int, int] | None] = {}  # elements of the root; None for all

    def view(self, instruction: SetPolyMeta) -> None:
        """Notes what a view is of."""
        source, meta = instruction.source, instruction.meta
        typ = self.chunk.registers[source].typ
        whole = (0, types.length(typ)) if self.chunk.registers[source].of is None else None
        part = self.parts.get(source, whole)
        if part is not None:
            sliced = isinstance(meta, Sliced)
            part = (part[0] + meta.start, part[0] + meta.end) if sliced else None  # type: ignore[union-attr]  # a slice
        self.parts[instruction.target] = part

    def of(self, register: int) -> tuple[_Memory, int, int]:
        """The memory of a register, and its first byte and that behind its last."""
        root = self.chunk.root(register)
        one = self.chunk.registers[root]
        curve = self.chunk.curve_record
        part = self.parts.get(register)
        item = types.element_size(one.typ, curve)
        first, last = part if part is not None else (0, types.length(one.typ))
        if one.address is None:
            memory = self.memories.setdefault(root, _Memory())
            return memory, first * max(item, 1), last * max(item, 1)
        memory = self.memories.setdefault(one.device, _Memory())
        return memory, one.address + first * item, one.address + last * item

    def moved(self, instruction: Move) -> None:
        """What has no address is known by its register."""
        if instruction.source in self.memories:
            self.memories[instruction.target] = self.memories.pop(instruction.source)


def schedule(chunk: Chunk) -> Schedule:
    """The queues of a chunk's instructions, and what has to wait for what."""
    found = Schedule()
    places = _Places(chunk)
    known: dict[Queue, Clock] = {HOST: {}}
    clocks: dict[int, Clock] = {}  # what is known to have run, once an instruction has
    drawn: dict[int | None, int] = {}  # registers that instructions aside write
    with_gpus = any(gpu(register.device) for register in chunk.registers)
    for index, instruction in enumerate(chunk.instructions):
        queue = _queue(chunk, instruction)
        written, read = _touched(instruction)
        if with_gpus and _is_long(instruction):
            queue = f"thread {index}", Track.CPU
            found.aside.append(index)
            drawn |= dict.fromkeys(map(chunk.root, written), index)
        found.queues.append(queue)
        if isinstance(instruction, SetPolyMeta):
            places.view(instruction)
        elif isinstance(instruction, Move):
            places.moved(instruction)
        ended = _ended(instruction)
        if ended in drawn:  # its thread knows it by this name
            found.join(index, drawn[ended], known[HOST])
        if not written and not read:
            continue
        before: Clock = {}
        for register in read:
            memory, start, end = places.of(register)
            _latest(before, memory.read(start, end, queue, index))
        for register in written:
            memory, start, end = places.of(register)
            _latest(before, memory.write(start, end, queue, index))
        mine = known.setdefault(queue, {})
        if queue is not HOST:  # what the main thread knew when it queued this
            _latest(mine, known[HOST])
        for one in found.aside:
            if before.get(found.queues[one], -1) == one:
                found.join(index, one, known[HOST])
                mine[found.queues[one]] = one
        waits = _reduced(before, queue, mine, clocks)
        if waits:
            found.waits[index] = waits
            for one_waited in waits:
                _latest(mine, clocks[one_waited])
        if queue is not HOST:
            mine[queue] = index
            clocks[index] = dict(mine)
    return found


def _is_long(instruction: Instruction) -> bool:
    """Whether it keeps the main thread from issuing anything for long."""
    operation = instruction.operation if isinstance(instruction, Type2) else None
    return isinstance(operation, op.Random) and operation.n >= _MANY


def _reduced(before: Clock, queue: Queue, known: Clock, clocks: dict[int, Clock]) -> list[int]:
    """The instructions to wait for: those that are not known to have run, and do not follow from
    each other."""
    needed = [
        (other, index)
        for other, index in before.items()
        if other is not HOST and other != queue and known.get(other, -1) < index
    ]
    return sorted(
        index
        for other, index in needed
        if not any(later != index and clocks[later].get(other, -1) >= index for _, later in needed)
    )


def _latest(clock: Clock, other: Clock) -> None:
    """Takes the later one of both, for each queue."""
    for queue, index in other.items():
        if clock.get(queue, -1) < index:
            clock[queue] = index


def _touched(instruction: Instruction) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The registers that an instruction writes, and those that it reads."""
    match instruction:
        case Transfer(source, target):
            return (target,), (source,)
        case Type2(_, written, read) | Call(_, _, written, read):
            return written, read
        case _:
            return (), ()


def _ended(instruction: Instruction) -> int | None:
    """The register that is no more after an instruction."""
    match instruction:
        case Move(source, _):
            return source
        case Free(register):
            return register
        case _:
            return None


def _queue(chunk: Chunk, instruction: Instruction) -> Queue:
    """Where an instruction is queued: on the GPU that it concerns; of two, where it writes."""
    written, read = _touched(instruction)
    devices = [chunk.registers[register].device for register in (*written, *read)]
    device = next((device for device in devices if gpu(device)), None)
    if device is None:
        return HOST
    track = chunk.track(instruction)
    if track in (Track.GPU_MEMORY, Track.CO_PROCESS) and len(set(devices)) == 1:
        track = Track.GPU
    return device, track
