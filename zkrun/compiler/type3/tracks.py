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

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type3.chunk import (
    Call,
    Chunk,
    Free,
    Instruction,
    Malloc,
    Move,
    Track,
    Transfer,
    Tuple,
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
class _Accesses:
    """The last instructions of each queue that wrote and that read some memory."""

    writes: Clock = field(default_factory=dict)
    reads: Clock = field(default_factory=dict)

    def all(self) -> Iterator[tuple[Queue, int]]:
        yield from self.writes.items()
        yield from self.reads.items()


class _Addresses:
    """Who touched which addresses of an arena before they were free: disjoint ranges."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int, Clock]] = []

    def freed(self, start: int, end: int, accesses: _Accesses) -> None:
        clock: Clock = {}
        for queue, index in accesses.all():
            clock[queue] = max(index, clock.get(queue, -1))
        if start < end:
            self.ranges.append((start, end, clock))

    def taken(self, start: int, end: int) -> Clock:
        """Those who touched any of these addresses, which are somebody else's from now on."""
        found: Clock = {}
        rest: list[tuple[int, int, Clock]] = []
        for first, last, clock in self.ranges:
            if last <= start or end <= first:
                rest.append((first, last, clock))
                continue
            for queue, index in clock.items():
                found[queue] = max(index, found.get(queue, -1))
            if first < start:
                rest.append((first, start, clock))
            if end < last:
                rest.append((end, last, clock))
        self.ranges = rest
        return found


def schedule(chunk: Chunk) -> Schedule:
    """The queues of a chunk's instructions, and what has to wait for what."""
    found = Schedule()
    accesses: dict[int, _Accesses] = {}  # by the register that owns the memory
    addresses: dict[str, _Addresses] = {}
    known: dict[Queue, Clock] = {HOST: {}}
    clocks: dict[int, Clock] = {}  # what is known to have run, once an instruction has
    with_gpus = any(gpu(register.device) for register in chunk.registers)
    for index, instruction in enumerate(chunk.instructions):
        queue = _queue(chunk, instruction)
        if with_gpus and _is_long(instruction):
            queue = f"thread {index}", Track.CPU
            found.aside.append(index)
        found.queues.append(queue)
        match instruction:
            case Malloc(register):
                one = chunk.registers[register]
                accesses[register] = _Accesses()
                if one.address is not None:
                    span = addresses.setdefault(one.device, _Addresses())
                    end = one.address + types.size(one.typ, chunk.curve_record)
                    accesses[register].writes = span.taken(one.address, end)
                continue
            case Free(register):
                one = chunk.registers[register]
                if one.address is not None:
                    end = one.address + types.size(one.typ, chunk.curve_record)
                    addresses[one.device].freed(one.address, end, accesses[register])
                continue
            case Move(source, target):
                accesses[target] = accesses.pop(source)
                continue
            case Tuple():
                continue
            case _:
                pass
        written, read = _touched(instruction)
        before: Clock = {}
        for register in read:
            _latest(before, _of(accesses, chunk, register).writes)
        for register in written:
            _latest(before, _of(accesses, chunk, register).writes)
            _latest(before, _of(accesses, chunk, register).reads)
        mine = known.setdefault(queue, {})
        if queue is not HOST:  # what the main thread knew when it queued this
            _latest(mine, known[HOST])
        for index_aside in found.aside:
            thread = found.queues[index_aside]
            if before.get(thread, -1) == index_aside and thread not in known[HOST]:
                found.joins.setdefault(index, []).append(index_aside)
                known[HOST][thread] = mine[thread] = index_aside
        waits = _reduced(before, queue, mine, clocks)
        if waits:
            found.waits[index] = waits
            for one_waited in waits:
                _latest(mine, clocks[one_waited])
        if queue is not HOST:
            mine[queue] = index
            clocks[index] = dict(mine)
        for register in written:
            of = _of(accesses, chunk, register)
            of.writes, of.reads = {queue: index}, {}
        for register in read:
            if register not in written:
                _of(accesses, chunk, register).reads[queue] = index
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


def _of(accesses: dict[int, _Accesses], chunk: Chunk, register: int) -> _Accesses:
    """The accesses of the memory of a register; those of inputs and constants start with none."""
    return accesses.setdefault(chunk.root(register), _Accesses())


def _touched(instruction: Instruction) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The registers that an instruction writes, and those that it reads."""
    match instruction:
        case Transfer(source, target):
            return (target,), (source,)
        case Type2(_, written, read) | Call(_, _, written, read):
            return written, read
        case _:
            return (), ()


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
