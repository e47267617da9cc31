"""Programs that are correct by construction, with threads, streams, events, arenas and views.

The generator writes a list of tasks in one order that would be right, gives each task to a thread
and maybe a stream, and orders by an event whatever depends on each other elsewhere. Its model is
lists of elements, not intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st
from short_programs import (
    SCALAR,
    Instruction,
    allocate,
    array,
    blind,
    call,
    copy,
    document,
    element,
    equal,
    fork,
    free,
    join,
    meta,
    move,
    record,
    remove,
    return_,
    rotation,
    show,
    slice_,
    stream,
    transfer,
    tuple_,
    wait,
)

GPUS = ("gpu:0", "gpu:1")
DEVICES = ("cpu", *GPUS, "disk")
STREAM_IDS = 1000
ARENA = 320  # bytes of each device


@dataclass(eq=False)
class Task:
    """Where an instruction stands and where its work happens (None: in the thread itself)."""

    thread: int
    stream: int | None
    number: int = 0  # in the order of writing


class Track(NamedTuple):
    """A thread or a stream."""

    thread: int | None
    stream: int | None


@dataclass(eq=False)
class Memory:
    device: str
    whole: int
    written: set[int] = field(default_factory=set)
    writer: Task | None = None
    readers: list[Task] = field(default_factory=list)
    users: list[Task] = field(default_factory=list)  # all that named it
    bytes: range | None = None  # in the arena of its device
    before: list[Task] = field(default_factory=list)  # accesses through earlier allocations there
    freed: Task | None = None
    variables: set[int] = field(default_factory=set)

    @property
    def accesses(self) -> list[Task]:
        return [*self.before, *self.readers, *([self.writer] if self.writer else [])]


@dataclass(eq=False)
class Variable:
    memory: Memory
    elements: list[int]
    bound: Task
    owns: bool = False
    scalar: bool = False

    @property
    def defined(self) -> bool:
        return self.memory.written.issuperset(self.elements)


class Writer:
    """Writes one program; `threads` lists of instructions, thread 0 is the main one."""

    def __init__(
        self, random: Random, threads: int, streams: int, *, crowded: bool = False
    ) -> None:
        self.random = random
        self.crowded = crowded
        self.bodies: list[list[Instruction]] = [[] for _ in range(threads)]
        self.streams = {
            STREAM_IDS + index: (random.randint(0, threads - 1), self.gpu())
            for index in range(streams)
        }
        for id, (thread, device) in self.streams.items():
            self.bodies[thread].append(stream(id, device))
        self.variables: dict[int, Variable] = {}
        self.next_id = 0
        self.events = 0
        self.retired: list[tuple[int, Task]] = []  # ids that may be bound again, and since when
        self.arenas: list[Memory] = []
        self.count = 0
        self.known: dict[tuple[Track, Track], int] = {}  # until which number of the second
        self.pushed = {id: Task(thread, None) for id, (thread, _) in self.streams.items()}

    def gpu(self) -> str:
        return GPUS[0] if self.crowded else self.random.choice(GPUS)

    # Order

    def after(self, task: Task, earlier: Task, *, issue: bool = False) -> None:
        """Orders a task that is about to be written after one that is written.

        `issue`: only that the instruction has been reached, not that its work has passed.
        """
        queue = None if issue else earlier.stream
        own = None if issue else task.stream
        if queue is None and earlier.thread == task.thread:
            return
        if queue is not None and queue == own:
            return  # what is queued on one stream is ordered, see `push`
        source = Track(None, queue) if queue is not None else Track(earlier.thread, None)
        target = Track(None, own) if own is not None and queue is not None else None
        for track in (Track(task.thread, None), target):
            if track and self.known.get((track, source), -1) >= earlier.number:
                return
        self.known[target or Track(task.thread, None), source] = earlier.number
        event, self.events = self.events, self.events + 1
        if queue is not None:
            self.push(queue, earlier.thread)
        self.bodies[earlier.thread].append(record(event, queue))
        if queue is None:
            own = None  # the instruction itself must wait
        if own is not None:
            self.push(own, task.thread)
        slave = self.streams[own][1] if own is not None else None
        self.bodies[task.thread].append(wait(event, own, slave))

    def push(self, stream: int, thread: int) -> None:
        """Orders what a thread is about to queue on a stream after all that is queued there."""
        self.after(Task(thread, None), self.pushed[stream], issue=True)
        self.pushed[stream] = self.written(Task(thread, None))

    def written(self, task: Task) -> Task:
        """Numbers a task whose instruction is written now."""
        self.count += 1
        task.number = self.count
        return task

    def write(
        self,
        task: Task,
        instruction: Instruction,
        reads: Sequence[Variable] = (),
        writes: Sequence[Variable] = (),
        names: Sequence[Variable] = (),
    ) -> None:
        for variable in [*reads, *writes, *names]:
            self.after(task, variable.bound, issue=True)
            variable.memory.users.append(task)
            for earlier in variable.memory.before:
                self.after(task, earlier)
        for variable in [*reads, *writes]:
            if variable.memory.writer:
                self.after(task, variable.memory.writer)
        for variable in writes:
            for reader in variable.memory.readers:
                self.after(task, reader)
        if task.stream is not None:
            self.push(task.stream, task.thread)
        self.written(task)
        self.bodies[task.thread].append(instruction)
        for variable in reads:
            variable.memory.readers.append(task)
        for variable in writes:
            variable.memory.writer = task
            variable.memory.readers = []
            variable.memory.written.update(variable.elements)

    # Choices

    def pick(self, *, defined: bool = False, **wanted: Any) -> tuple[int, Variable] | None:
        fits = [
            (id, variable)
            for id, variable in self.variables.items()
            if (variable.defined or not defined)
            and all(
                getattr(variable, key, getattr(variable.memory, key, None)) == value
                for key, value in wanted.items()
            )
        ]
        return self.random.choice(fits) if fits else None

    def host(self) -> Task:
        return Task(self.random.randint(0, len(self.bodies) - 1), None)

    def queued(self, *devices: str) -> Task | None:
        """A task on some stream of one of these devices."""
        fits = [(id, thread) for id, (thread, device) in self.streams.items() if device in devices]
        if not fits:
            return None
        id, thread = self.random.choice(fits)
        if self.random.randint(0, 3) == 0:  # a stream of another thread
            thread = self.random.randint(0, len(self.bodies) - 1)
        return Task(thread, id)

    def bind(self, variable: Variable) -> int:
        if self.retired and self.random.randint(0, 1):
            id, since = self.retired.pop()
            self.after(variable.bound, since, issue=True)
        else:
            id, self.next_id = self.next_id, self.next_id + 1
        self.variables[id] = variable
        variable.memory.variables.add(id)
        return id

    # Tasks

    def allocate(self) -> None:
        task, device = self.host(), self.gpu() if self.crowded else self.random.choice(DEVICES)
        scalar = self.random.randint(0, 3) == 0
        length = 1 if scalar else self.random.randint(0, 2 if self.crowded else 6)
        memory = Memory(device, length)
        more = self.place(task, memory) if self.crowded or self.random.randint(0, 1) else {}
        variable = Variable(memory, list(range(length)), task, True, scalar)
        id = self.bind(variable)
        made = allocate(id, SCALAR if scalar else array(length), device, **more)
        self.written(task)
        self.bodies[task.thread].append(made)

    def place(self, task: Task, memory: Memory) -> dict[str, int]:
        """Finds bytes of the arena, often such that were used before."""
        offset = 64 * self.random.randint(0, 2 if self.crowded else 1)
        taken = range(offset, offset + 32 * memory.whole)
        earlier = [
            other
            for other in self.arenas
            if other.device == memory.device
            and other.bytes is not None
            and max(other.bytes.start, taken.start) < min(other.bytes.stop, taken.stop)
        ]
        if not memory.whole or any(other.freed is None for other in earlier):
            return {}
        memory.bytes = taken
        self.arenas.append(memory)
        for other in earlier:
            assert other.freed is not None
            self.after(task, other.freed, issue=True)
            memory.before += other.accesses
        return {"offset": offset}

    def view(self) -> None:
        if not (picked := self.pick(scalar=False)):
            return
        id, source = picked
        task, memory = self.host(), source.memory
        kind = self.random.choice(["slice", "rotation", "meta"])
        if kind == "slice":
            start = self.random.randint(0, len(source.elements))
            end = self.random.randint(start, len(source.elements))
            target = self.bind(Variable(memory, source.elements[start:end], task))
            made = slice_(id, target, start, end)
        elif kind == "rotation":
            if len(source.elements) != memory.whole:
                return
            shift = self.random.randint(-9, 9)
            cut = -shift % memory.whole if memory.whole else 0
            rolled = source.elements[cut:] + source.elements[:cut]
            target = self.bind(Variable(memory, rolled, task))
            made = rotation(id, target, shift)
        else:
            if not memory.whole:
                return
            offset = self.random.randint(0, memory.whole - 1)
            length = self.random.randint(0, memory.whole)
            wrapped = [(offset + index) % memory.whole for index in range(length)]
            target = self.bind(Variable(memory, wrapped, task))
            made = meta(id, target, offset, length)
        self.write(task, made, names=[source])

    def fill(self) -> None:
        if not (picked := self.pick(scalar=False)) or picked[1].memory.device == "disk":
            return
        id, variable = picked
        task = self.host()
        arguments: list[int] = []
        if variable.memory.device != "cpu":
            queued = self.queued(variable.memory.device)
            if not queued or queued.stream is None:
                return
            task, arguments = queued, [queued.stream]
        self.write(task, call("fill", [id], arguments), writes=[variable])

    def blind(self) -> None:
        if picked := self.pick(scalar=False):
            id, variable = picked
            start = self.random.randint(0, len(variable.elements))
            end = self.random.randint(start, len(variable.elements))
            part = Variable(variable.memory, variable.elements[start:end], variable.bound)
            self.write(self.host(), blind(id, start, end), writes=[part], names=[variable])

    def transfer(self) -> None:
        if not (picked := self.pick(defined=True)):
            return
        id, source = picked
        fits = [
            (target, variable)
            for target, variable in self.variables.items()
            if variable.scalar == source.scalar
            and len(variable.elements) == len(source.elements)
            and (
                variable.memory is not source.memory
                or not set(variable.elements) & set(source.elements)
            )
        ]
        if not fits:
            return
        target_id, target = self.random.choice(fits)
        devices = (source.memory.device, target.memory.device)
        task = (self.queued(*devices) if self.random.randint(0, 1) else None) or self.host()
        more = {} if task.stream is None else {"stream": task.stream}
        made = transfer(id, target_id, *devices, **more)
        self.write(task, made, reads=[source], writes=[target])

    def element(self) -> None:
        source = self.pick(defined=True, scalar=False)
        target = self.pick(scalar=True)
        if not source or not target or not source[1].elements:
            return
        index = self.random.randint(0, len(source[1].elements) - 1)
        part = Variable(source[1].memory, [source[1].elements[index]], source[1].bound)
        self.write(
            self.host(), element(source[0], target[0], index), reads=[part], writes=[target[1]]
        )

    def look(self) -> None:
        if picked := self.pick(defined=True):
            id, variable = picked
            made = self.random.choice([show(id), equal(id, id)])
            self.write(self.host(), made, reads=[variable])

    def rename(self) -> None:
        if not (picked := self.pick()):
            return
        id, variable = picked
        task = self.host()
        kind = self.random.choice(["copy", "move", "remove"])
        if kind == "copy":
            target = self.bind(
                Variable(variable.memory, variable.elements, task, scalar=variable.scalar)
            )
            self.write(task, copy(id, target), names=[variable])
            return
        if kind == "remove" and variable.owns:
            return
        for user in variable.memory.users:
            self.after(task, user, issue=True)
        del self.variables[id]
        variable.memory.variables.discard(id)
        if kind == "remove":
            self.write(task, remove(id), names=[variable])
            self.retired.append((id, task))
        else:
            moved = Variable(
                variable.memory, variable.elements, task, variable.owns, variable.scalar
            )
            self.write(task, move(id, self.bind(moved)), names=[variable])

    def free(self) -> None:
        if not (picked := self.pick(owns=True)):
            return
        id, variable = picked
        memory = variable.memory
        queued = self.queued(memory.device) if memory.device in GPUS else None
        task = queued or self.host()
        for user in memory.users:
            self.after(task, user, issue=True)
        for earlier in memory.accesses if memory.bytes is None else []:
            self.after(task, earlier)
        memory.freed = task
        more = {} if task.stream is None else {"stream": task.stream}
        self.write(task, free(id, **more), names=[variable])
        for dead in sorted(memory.variables):
            del self.variables[dead]
            self.retired.append((dead, task))


__all__ = ["program", "programs", "queues"]

TASKS = (
    *("allocate", "fill", "transfer", "free") * 2,
    *("view", "blind", "element", "look", "rename"),
)


BUSY = ("allocate", "allocate", "fill", "fill", "fill", "transfer", "free", "free")


def program(
    random: Random,
    threads: int = 1,
    streams: int = 0,
    least: int = 10,
    most: int = 40,
    *,
    crowded: bool = False,
) -> dict[str, Any]:
    """A valid program. Threads are forked at its start, the later ones inside one another.

    `crowded`: all memory lies in one small arena of a GPU, so that its bytes are used again and
    again.
    """
    count = random.randint(1, threads)
    writer = Writer(random, count, random.randint(min(streams, crowded), streams), crowded=crowded)
    for _ in range(4):
        writer.allocate()
    for _ in range(random.randint(least, most)):
        getattr(writer, random.choice(BUSY if crowded else TASKS))()
    main, *others = writer.bodies
    inner: list[Instruction] = []
    for thread in range(len(others), 0, -1):
        inside = random.randint(0, 1)
        body = [*inner, *others[thread - 1]] if inside else others[thread - 1]
        inner = [fork(thread, *body)] if inside else [fork(thread, *body), *inner]
    result = [id for id, variable in writer.variables.items() if variable.defined]
    ends = [join(thread) for thread in range(1, count)]
    ends += [tuple_(9999, *result), return_(9999)]
    memory = dict.fromkeys(DEVICES, ARENA)
    return document(*inner, *main, *ends, memory=memory)


def programs(
    threads: int = 1, streams: int = 0, least: int = 10, most: int = 40
) -> st.SearchStrategy[dict[str, Any]]:
    """The same for hypothesis."""
    return st.randoms(use_true_random=False).map(
        lambda random: program(random, threads, streams, least, most)
    )


def queues(random: Random, steps: int = 14) -> dict[str, Any]:
    """Threads that queue Records and Waits on streams which they share.

    Each Wait is written after its Record, so some order of the queues goes on; others may not.
    """
    threads, streams = random.randint(2, 4), random.randint(1, 3)
    bodies: list[list[Instruction]] = [[stream(id) for id in range(streams)]]
    bodies += [[] for _ in range(threads - 1)]
    events = 0
    for _ in range(random.randint(4, steps)):
        body, on = random.choice(bodies), random.randrange(streams)
        own = on if random.random() < 0.8 else None
        if events and random.random() < 0.5:
            body.append(wait(random.randrange(max(0, events - 4), events), own))
        else:
            body.append(record(events, own))
            events += 1
    opened = bodies[0][:streams]
    forks = [fork(id, *body) for id, body in enumerate(bodies) if id]
    joins = [join(id) for id in range(1, threads)]
    return document(*opened, *forks, *bodies[0][streams:], *joins)
