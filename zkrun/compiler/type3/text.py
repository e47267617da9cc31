"""A chunk as text for people: one line an instruction, with what it waits for.

14  Gpu          ntt(inverse=true) [%7 c] ← []  ; after 11, on gpu:0, product.py:8
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zkrun.compiler.type2.text import applied, operation_text
from zkrun.compiler.type3.chunk import (
    Call,
    Chunk,
    Free,
    Instruction,
    IntegralSize,
    Load,
    Malloc,
    Move,
    Register,
    Rotated,
    SetPolyMeta,
    Sliced,
    Transfer,
    Tuple,
    Type2,
)
from zkrun.compiler.type3.tracks import Schedule
from zkrun.program.text import printable
from zkrun.program.types import Transcript, gpu_index

__all__ = ["lines"]


def lines(chunk: Chunk, schedule: Schedule) -> Iterator[str]:
    """The lines of the text, in the order of the instructions; no control character is in them."""
    arenas = ", ".join(f"{device} {nbytes} B" for device, nbytes in chunk.memory.items() if nbytes)
    yield f"chunk over {chunk.curve}" + (f", arenas: {arenas}" if arenas else "")
    width = len(str(len(chunk.instructions)))
    tracks = [chunk.track(instruction).value for instruction in chunk.instructions]
    longest = max(map(len, tracks), default=0)
    for index, instruction in enumerate(chunk.instructions):
        queue = schedule.queues[index]
        notes = []
        if waits := sorted(schedule.waits.get(index, ())):
            notes.append(f"after {' and '.join(map(str, waits))}")
        if queue is not None:
            notes.append(f"on {queue[0]}")
        if (source := chunk.sources[index]) is not None:
            notes.append(source)
        comment = f"  ; {', '.join(notes)}" if notes else ""
        text = _text(chunk, instruction)
        yield printable(f"  {index:>{width}}  {tracks[index]:<{longest}}  {text}{comment}")
    yield printable(f"  return {_name(chunk, chunk.result)}")


def _text(chunk: Chunk, instruction: Instruction) -> str:
    match instruction:
        case Malloc(register):
            one = chunk.registers[register]
            place = f" at {one.address}" if one.address is not None else ""
            size = _size(chunk, register)
            named = f"{_name(chunk, register)}: {one.typ}"
            return f"{_memory(one)}Malloc {named}, {size} of {one.device}{place}"
        case Free(register):
            return f"{_memory(chunk.registers[register])}Free {_name(chunk, register)}"
        case Load(operation, register):
            loaded = f"{_name(chunk, register)}: {chunk.registers[register].typ}"
            return f"Load {loaded} = {operation_text(operation, ())}"
        case Transfer(source, target):
            devices = (chunk.registers[one].device for one in (source, target))
            names = (_name(chunk, one) for one in (source, target))
            return "Transfer " + " → ".join(
                f"{name} of {device}" for name, device in zip(names, devices, strict=True)
            )
        case Move(source, target):
            return f"Move {_name(chunk, source)} → {_name(chunk, target)}"
        case SetPolyMeta(source, target, meta):
            of = _name(chunk, source)
            view = _view(of, meta)
            return f"SetPolyMeta {_name(chunk, target)} = {view}"
        case Type2(operation, written, read):
            text = operation_text(operation, [_name(chunk, one) for one in read])
            return f"Type2 [{_names(chunk, written)}] ← {text}"
        case Call(function, params, written, read):
            called = applied(function, dict(params), ())
            return f"{called} [{_names(chunk, written)}] ← [{_names(chunk, read)}]"
        case Tuple(items, target):
            return f"Tuple {_name(chunk, target)} = ({_names(chunk, items)})"


def _view(of: str, meta: Sliced | Rotated) -> str:
    if isinstance(meta, Sliced):
        return f"{of} sliced [{meta.start}:{meta.end}]"
    return f"{of} rotated by {meta.by}"


def _size(chunk: Chunk, register: int) -> str:
    size = chunk.size(register)
    return f"2^{size.log} B" if isinstance(size, IntegralSize) else f"{size.nbytes} B"


def _memory(register: Register) -> str:
    """How instructions on the memory of a register are called; of a transcript it is the engine's
    own."""
    if isinstance(register.typ, Transcript):
        return "Stack"
    return "Gpu" if gpu_index(register.device) is not None else register.device.capitalize()


def _name(chunk: Chunk, register: int) -> str:
    label = chunk.registers[register].label
    return f"%{register} {label}" if label is not None else f"%{register}"


def _names(chunk: Chunk, registers: Iterable[int]) -> str:
    return ", ".join(_name(chunk, one) for one in registers)
