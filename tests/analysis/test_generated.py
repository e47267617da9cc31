"""Programs that are correct by construction pass, whatever threads, streams and events they use.

The generator writes a list of tasks in one order that would be right, gives each task to a thread
and maybe a stream, and orders by an event whatever depends on each other elsewhere. Its model is
lists of elements, not intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from short_programs import (
    SCALAR,
    Instruction,
    allocate,
    array,
    blind,
    call,
    check,
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


@dataclass(eq=False)
class Task:
    """Where an instruction stands and where its work happens (None: in the thread itself)."""

    thread: int
    stream: int | None


@dataclass(eq=False)
class Memory:
    device: str
    whole: int
    written: set[int] = field(default_factory=set)
    writer: Task | None = None
    readers: list[Task] = field(default_factory=list)
    users: list[Task] = field(default_factory=list)  # all that named it
    variables: set[int] = field(default_factory=set)


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

    def __init__(self, draw: Any, threads: int, streams: int) -> None:
        self.draw = draw
        self.bodies: list[list[Instruction]] = [[] for _ in range(threads)]
        self.streams = {
            STREAM_IDS + index: (draw(st.integers(0, threads - 1)), draw(st.sampled_from(GPUS)))
            for index in range(streams)
        }
        for id, (thread, device) in self.streams.items():
            self.bodies[thread].append(stream(id, device))
        self.variables: dict[int, Variable] = {}
        self.next_id = 0
        self.events = 0

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
            return
        event, self.events = self.events, self.events + 1
        self.bodies[earlier.thread].append(record(event, queue))
        if queue is None:
            own = None  # the instruction itself must wait
        slave = self.streams[own][1] if own is not None else None
        self.bodies[task.thread].append(wait(event, own, slave))

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
        for variable in [*reads, *writes]:
            if variable.memory.writer:
                self.after(task, variable.memory.writer)
        for variable in writes:
            for reader in variable.memory.readers:
                self.after(task, reader)
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
        return self.draw(st.sampled_from(fits)) if fits else None

    def host(self) -> Task:
        return Task(self.draw(st.integers(0, len(self.bodies) - 1)), None)

    def queued(self, *devices: str) -> Task | None:
        """A task on some stream of one of these devices."""
        fits = [(id, thread) for id, (thread, device) in self.streams.items() if device in devices]
        if not fits:
            return None
        id, thread = self.draw(st.sampled_from(fits))
        return Task(thread, id)

    def bind(self, variable: Variable) -> int:
        id, self.next_id = self.next_id, self.next_id + 1
        self.variables[id] = variable
        variable.memory.variables.add(id)
        return id

    # Tasks

    def allocate(self) -> None:
        task, device = self.host(), self.draw(st.sampled_from(DEVICES))
        scalar = self.draw(st.integers(0, 3)) == 0
        length = 1 if scalar else self.draw(st.integers(0, 6))
        variable = Variable(Memory(device, length), list(range(length)), task, True, scalar)
        id = self.bind(variable)
        self.bodies[task.thread].append(allocate(id, SCALAR if scalar else array(length), device))

    def view(self) -> None:
        if not (picked := self.pick(scalar=False)):
            return
        id, source = picked
        task, memory = self.host(), source.memory
        kind = self.draw(st.sampled_from(["slice", "rotation", "meta"]))
        if kind == "slice":
            start = self.draw(st.integers(0, len(source.elements)))
            end = self.draw(st.integers(start, len(source.elements)))
            target = self.bind(Variable(memory, source.elements[start:end], task))
            made = slice_(id, target, start, end)
        elif kind == "rotation":
            if len(source.elements) != memory.whole:
                return
            shift = self.draw(st.integers(-9, 9))
            cut = -shift % memory.whole if memory.whole else 0
            rolled = source.elements[cut:] + source.elements[:cut]
            target = self.bind(Variable(memory, rolled, task))
            made = rotation(id, target, shift)
        else:
            if not memory.whole:
                return
            offset = self.draw(st.integers(0, memory.whole - 1))
            length = self.draw(st.integers(0, memory.whole))
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
            start = self.draw(st.integers(0, len(variable.elements)))
            end = self.draw(st.integers(start, len(variable.elements)))
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
        target_id, target = self.draw(st.sampled_from(fits))
        devices = (source.memory.device, target.memory.device)
        task = (self.queued(*devices) if self.draw(st.booleans()) else None) or self.host()
        more = {} if task.stream is None else {"stream": task.stream}
        made = transfer(id, target_id, *devices, **more)
        self.write(task, made, reads=[source], writes=[target])

    def element(self) -> None:
        source = self.pick(defined=True, scalar=False)
        target = self.pick(scalar=True)
        if not source or not target or not source[1].elements:
            return
        index = self.draw(st.integers(0, len(source[1].elements) - 1))
        part = Variable(source[1].memory, [source[1].elements[index]], source[1].bound)
        self.write(
            self.host(), element(source[0], target[0], index), reads=[part], writes=[target[1]]
        )

    def look(self) -> None:
        if picked := self.pick(defined=True):
            id, variable = picked
            made = self.draw(st.sampled_from([show(id), equal(id, id)]))
            self.write(self.host(), made, reads=[variable])

    def rename(self) -> None:
        if not (picked := self.pick()):
            return
        id, variable = picked
        task = self.host()
        kind = self.draw(st.sampled_from(["copy", "move", "remove"]))
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
        for earlier in [*memory.readers, *([memory.writer] if memory.writer else [])]:
            self.after(task, earlier)
        more = {} if task.stream is None else {"stream": task.stream}
        self.write(task, free(id, **more), names=[variable])
        for dead in memory.variables:
            del self.variables[dead]


TASKS = ("allocate", "view", "fill", "blind", "transfer", "element", "look", "rename", "free")


@st.composite
def programs(draw: Any, threads: int = 1, streams: int = 0) -> dict[str, Any]:
    """A valid program. Threads are forked at its start, the later ones inside one another."""
    count = draw(st.integers(1, threads))
    writer = Writer(draw, count, draw(st.integers(0, streams)))
    for _ in range(4):
        writer.allocate()
    for task in draw(st.lists(st.sampled_from(TASKS), min_size=10, max_size=40)):
        getattr(writer, task)()
    main, *others = writer.bodies
    inner: list[Instruction] = []
    for thread in range(len(others), 0, -1):
        inside = draw(st.booleans())
        body = [*inner, *others[thread - 1]] if inside else others[thread - 1]
        inner = [fork(thread, *body)] if inside else [fork(thread, *body), *inner]
    result = [id for id, variable in writer.variables.items() if variable.defined]
    ends = [join(thread) for thread in range(1, count)]
    ends += [tuple_(9999, *result), return_(9999)]
    return document(*inner, *main, *ends)


QUIET = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def expect_valid(program: dict[str, Any]) -> None:
    analysis = check(program)
    assert [one for one in analysis.diagnostics if one.severity == "error"] == []
    assert {one.rule for one in analysis.diagnostics} <= {"ZK045"}


@QUIET
@given(programs())
def test_programs_of_one_thread(program: dict[str, Any]) -> None:
    expect_valid(program)


@QUIET
@given(programs(threads=1, streams=3))
def test_programs_with_streams(program: dict[str, Any]) -> None:
    expect_valid(program)


@QUIET
@given(programs(threads=4, streams=4))
def test_programs_with_threads_and_streams(program: dict[str, Any]) -> None:
    expect_valid(program)


@QUIET
@given(st.data())
def test_what_is_read_before_it_is_written_is_told(data: st.DataObject) -> None:
    """One thread, all reads allowed: the errors are those that lists of elements predict."""
    whole = data.draw(st.integers(1, 8))
    written: set[int] = set()
    instructions = [allocate(0, array(whole))]
    views = {0: list(range(whole))}
    expected: list[tuple[str, str]] = []
    for id in range(1, data.draw(st.integers(1, 20))):
        offset = data.draw(st.integers(0, whole - 1))
        length = data.draw(st.integers(0, whole))
        views[id] = [(offset + index) % whole for index in range(length)]
        instructions.append(meta(0, id, offset, length))
        seen = data.draw(st.sampled_from(sorted(views)))
        if data.draw(st.booleans()):
            instructions.append(show(seen))
            if not written.issuperset(views[seen]):
                expected.append(("ZK060", f"/instructions/{len(instructions) - 1}"))
        else:
            instructions.append(blind(seen, 0, len(views[seen])))
        written |= set(views[seen])  # what was complained about once is not complained about again
    told = check(document(*instructions)).diagnostics
    assert [(one.rule, one.path) for one in told if one.severity == "error"] == expected
