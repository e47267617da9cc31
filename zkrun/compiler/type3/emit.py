"""A chunk as a program: registers become variables, queues streams, and waits events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.chunk import (
    Call,
    Chunk,
    Free,
    Load,
    Malloc,
    Move,
    Rotated,
    SetPolyMeta,
    Sliced,
    Transfer,
    Tuple,
    Type2,
)
from zkrun.compiler.type3.tracks import HOST, Queue, Schedule
from zkrun.program import instructions as program
from zkrun.program import types
from zkrun.program.document import Constant, FunctionEntry, Input, Program, Values

__all__ = ["emit"]


def emit(chunk: Chunk, schedule: Schedule, graph: Graph) -> Program:
    """The program of a chunk whose waits are scheduled. The graph has its inputs and constants."""
    made = _Emitter(chunk, schedule, graph).program()
    made.folder = graph.folder
    return made


class _Emitter:
    def __init__(self, chunk: Chunk, schedule: Schedule, graph: Graph) -> None:
        self.chunk = chunk
        self.schedule = schedule
        self.graph = graph
        self.instructions: list[Any] = []
        self.functions: dict[tuple[str, tuple[tuple[str, object], ...]], int] = {}
        self.constants: dict[str | int, int] = {}
        self.inputs = {name: index for index, name in enumerate(graph.inputs)}
        self.events = {index: event for event, index in enumerate(sorted(schedule.recorded))}
        self.threads = {index: thread for thread, index in enumerate(schedule.aside)}
        first = len(chunk.registers)
        self.streams: dict[Queue, int] = {
            queue: first + number for number, queue in enumerate(schedule.streams)
        }
        self.track: str | None = None
        self.source: str | None = None

    def program(self) -> Program:
        for queue, variable in self.streams.items():
            assert queue is not None
            self.add(program.Allocate, device=queue[0], typ=types.Stream(), id=variable)
        for index, instruction in enumerate(self.chunk.instructions):
            self.track = self.chunk.track(instruction).value
            self.source = self.chunk.sources[index]
            queue = self.schedule.queues[index]
            for other in self.schedule.joins.get(index, ()):
                self.add(program.Join, thread=self.threads[other])
            if index in self.threads:
                self.aside(instruction, self.threads[index], self.schedule.waits.get(index, ()))
                continue
            for other in self.schedule.waits.get(index, ()):
                self.wait(queue, other)
            self.instruction(instruction, self.streams.get(queue))
            if index in self.events:
                stream = self.streams.get(queue)
                self.add(program.Record, stream=stream, event=self.events[index])
        self.track = self.source = None
        joined = {one for joins in self.schedule.joins.values() for one in joins}
        for index, thread in self.threads.items():
            if index not in joined:
                self.add(program.Join, thread=thread)
        for variable in self.streams.values():
            self.add(program.Deallocate, id=variable)
        self.add(program.Return, id=self.chunk.result)
        return Program(
            name=self.graph.name,
            curve=self.graph.curve,  # type: ignore[arg-type]  # the graph's curve is one of them
            functions=[FunctionEntry(name, dict(params)) for name, params in self.functions],
            constants=[self.constant(key) for key in self.constants],
            inputs=[
                Input(name, memory_type(typ))  # type: ignore[arg-type]  # as the graph checked
                for name, typ in self.graph.inputs.items()
            ],
            instructions=self.instructions,
            memory={device: nbytes for device, nbytes in self.chunk.memory.items() if nbytes},
            variables=self.names(),
        )

    def add(self, kind: type[Any], **operands: Any) -> None:
        self.instructions.append(kind(**operands, track=self.track, source=self.source))

    def aside(self, instruction: Any, thread: int, waits: Sequence[int]) -> None:
        """The instruction in a thread of its own, which waits for these ones."""
        before, self.instructions = self.instructions, []
        for other in waits:
            self.wait(HOST, other)
        self.instruction(instruction, None)
        inner, self.instructions = self.instructions, before
        self.add(program.Fork, new_thread=thread, instructions=inner)

    def wait(self, queue: Queue, other: int) -> None:
        device = "cpu" if queue is None else queue[0]
        self.add(
            program.Wait, slave=device, stream=self.streams.get(queue), event=self.events[other]
        )

    def instruction(self, instruction: Any, stream: int | None) -> None:
        registers = self.chunk.registers
        match instruction:
            case Malloc(register):
                one = registers[register]
                self.add(
                    program.Allocate,
                    device=one.device,
                    typ=one.typ,
                    id=register,
                    offset=one.address,
                )
            case Free(register):
                self.add(program.Deallocate, id=register)
            case Load(op.Input(entry=entry), register):
                self.add(program.LoadInput, src=self.inputs[entry], dst=register)
            case Load(op.Constant(entry=entry), register):
                self.add(program.LoadConstant, src=self.entry(entry), dst=register)
            case Load(op.Number(value=value), register):
                self.add(program.LoadConstant, src=self.entry(value), dst=register)
            case Transfer(source, target):
                self.add(
                    program.Transfer,
                    src_device=registers[source].device,
                    dst_device=registers[target].device,
                    stream=stream,
                    src_id=source,
                    dst_id=target,
                )
            case Move(source, target):
                self.add(program.MoveRegister, src=source, dst=target)
            case SetPolyMeta(source, target, Sliced(start, end)):
                self.add(program.Slice, src=source, dst=target, start=start, end=end)
            case SetPolyMeta(source, target, Rotated(by)):
                self.add(program.Rotation, src=source, dst=target, shift=-by)
            case Type2(op.Random(n=n), (target,), _):
                self.add(program.Blind, dst=target, start=0, end=n)
            case Type2(op.Element(index=index), (target,), (source,)):
                self.add(
                    program.GetScalarFromArray, src=source, dst=target, idx=index, stream=stream
                )
            case Call(function, params, written, read):
                self.add(
                    program.FuncCall,
                    func_id=self.functions.setdefault((function, params), len(self.functions)),
                    arg_mut=list(written),
                    arg=[*read, *([] if stream is None else [stream])],
                )
            case Tuple(items, target):
                self.add(program.AssembleTuple, vars=list(items), dst=target)
            case _:
                raise AssertionError(f"no instruction for {instruction}")

    def entry(self, key: str | int) -> int:
        """The index of a constant of the graph, or of a number, in the program's table."""
        return self.constants.setdefault(key, len(self.constants))

    def constant(self, key: str | int) -> Constant:
        if isinstance(key, int):
            text = f"{key}" if key < 1 << 32 else f"{key:#x}"
            return Constant(text, types.Scalar(), Values(text))
        entry = self.graph.constants[key]
        return Constant(key, memory_type(entry.typ), entry.data)  # type: ignore[arg-type]  # as the graph checked

    def names(self) -> dict[str, str]:
        named = {
            f"{index}": register.label
            for index, register in enumerate(self.chunk.registers)
            if register.label
        }
        for queue, variable in self.streams.items():
            if queue is not None:
                named[f"{variable}"] = f"{queue[1].value} of {queue[0]}"
        return named
