"""The steps: what each instruction does, as a closure over what it was linked to.

A program that passed the analysis cannot misuse these, so they check nothing that it checked. The
cheap ones take a microsecond; what they could know before the run they do not work out during it.
"""

from __future__ import annotations

from collections.abc import Callable

from zkrun.devices.base import Block, Data, Device, Stream
from zkrun.program import instructions as op
from zkrun.program.types import GpuBuffer, Transcript, element_size, length, size
from zkrun.program.types import Stream as StreamType
from zkrun.runtime import show
from zkrun.runtime.calls import func_call
from zkrun.runtime.linker import Linker
from zkrun.runtime.state import Step
from zkrun.runtime.streams import open_stream, retire
from zkrun.runtime.views import array_types, element_of

__all__ = ["STEPS"]


def allocate(linker: Linker, at: int, it: op.Allocate) -> Step:
    run, slots, dst, typ = linker.run, linker.run.slots, linker.slot(it.id), it.typ
    device = linker.device(it.device)
    if isinstance(typ, StreamType):

        def step_stream() -> None:
            slots[dst] = open_stream(run, it.id, device)

        return step_stream
    if isinstance(typ, Transcript):
        from zkrun.devices.cpu.transcripts import new_transcript

        curve = linker.curve

        def step_transcript() -> None:
            slots[dst] = new_transcript(typ.hash, curve)

        return step_transcript

    nbytes, item, n = size(typ, linker.curve), element_size(typ, linker.curve), length(typ)
    if it.offset is not None:
        # Where it lies is known, and that nobody else is there has been proved: nothing is left to
        # do in the run.
        place = device.allocate(nbytes, it.offset)
        place.arena = True
        device.free(place)
        data = Data(typ, place, place.address, item, n, 0, n)

        def step_place() -> None:
            slots[dst] = data

        return step_place

    def step() -> None:
        block = device.allocate(nbytes, None)
        slots[dst] = Data(typ, block, block.address, item, n, 0, n)
        run.sample(device)

    return step


def deallocate(linker: Linker, at: int, it: op.Deallocate) -> Step:
    run, slots, src = linker.run, linker.run.slots, linker.slot(it.id)
    stream = None if it.stream is None else linker.slot(it.stream)

    def free(block: Block) -> None:
        block.device.free(block)
        run.sample(block.device)

    def step() -> None:
        value = slots[src]
        slots[src] = None
        if isinstance(value, Stream):
            retire(run, value, at)
        elif isinstance(value, Data):
            block = value.block
            if block.arena:
                return
            if stream is None:
                free(block)
            else:
                slots[stream].run(at, free, block)

    return step


def remove_register(linker: Linker, at: int, it: op.RemoveRegister) -> Step:
    slots, src = linker.run.slots, linker.slot(it.id)

    def step() -> None:
        slots[src] = None

    return step


def move_register(linker: Linker, at: int, it: op.MoveRegister) -> Step:
    slots, src, dst = linker.run.slots, linker.slot(it.src), linker.slot(it.dst)

    def step() -> None:
        value = slots[src]
        slots[src] = None
        slots[dst] = value

    return step


def copy_register(linker: Linker, at: int, it: op.CopyRegister) -> Step:
    slots, src, dst = linker.run.slots, linker.slot(it.src), linker.slot(it.dst)

    def step() -> None:
        slots[dst] = slots[src]

    return step


def rotation(linker: Linker, at: int, it: op.Rotation) -> Step:
    slots, src, dst, shift = linker.run.slots, linker.slot(it.src), linker.slot(it.dst), it.shift

    def step() -> None:
        s = slots[src]
        whole = s.whole
        offset = (s.offset - shift) % whole if whole else 0
        slots[dst] = Data(s.typ, s.block, s.address, s.item, whole, offset, s.length)

    return step


def slice_(linker: Linker, at: int, it: op.Slice) -> Step:
    slots, src, dst, start = linker.run.slots, linker.slot(it.src), linker.slot(it.dst), it.start
    n = it.end - it.start
    types = array_types(linker.curve, n)

    def step() -> None:
        s = slots[src]
        item, whole = s.item, s.whole
        offset = (s.offset + start) % whole if whole else 0
        slots[dst] = Data(types[item], s.block, s.address, item, whole, offset, n)

    return step


def set_slice_meta(linker: Linker, at: int, it: op.SetSliceMeta) -> Step:
    slots, src, dst, offset = linker.run.slots, linker.slot(it.src), linker.slot(it.dst), it.offset
    n = it.len
    types = array_types(linker.curve, n)

    def step() -> None:
        s = slots[src]
        slots[dst] = Data(types[s.item], s.block, s.address, s.item, s.whole, offset, n)

    return step


def slice_buffer(linker: Linker, at: int, it: op.SliceBuffer) -> Step:
    slots, src, dst = linker.run.slots, linker.slot(it.src), linker.slot(it.dst)
    start, n, typ = it.offset, it.len, GpuBuffer(it.len)

    def step() -> None:
        s = slots[src]
        slots[dst] = Data(typ, s.block, s.address + start, 1, n, 0, n)

    return step


def load_constant(linker: Linker, at: int, it: op.LoadConstant) -> Step:
    slots, dst, data = linker.run.slots, linker.slot(it.dst), linker.constants[it.src]

    def step() -> None:
        slots[dst] = data

    return step


def load_input(linker: Linker, at: int, it: op.LoadInput) -> Step:
    slots, dst, data = linker.run.slots, linker.slot(it.dst), linker.inputs[it.src]

    def step() -> None:
        slots[dst] = data

    return step


def assemble_tuple(linker: Linker, at: int, it: op.AssembleTuple) -> Step:
    slots, dst = linker.run.slots, linker.slot(it.dst)
    items = [linker.slot(variable) for variable in it.vars]

    def step() -> None:
        slots[dst] = tuple([slots[item] for item in items])

    return step


def transfer(linker: Linker, at: int, it: op.Transfer) -> Step:
    run, slots, src, dst = (
        linker.run,
        linker.run.slots,
        linker.slot(it.src_id),
        linker.slot(it.dst_id),
    )
    target = linker.device(it.dst_device)
    submit = None if it.stream is None else linker.submitter(at, it.stream)

    def step() -> None:
        source, destination = slots[src], slots[dst]
        if not isinstance(source, Data):
            destination.assign(source)  # a transcript, between two of the CPU
            return
        run.moved[at] = (source.length * source.item, it.src_device, it.dst_device)
        if submit is None:
            target.copy(destination, source)
        else:
            submit(target.copy, destination, source)

    return step


def get_scalar_from_array(linker: Linker, at: int, it: op.GetScalarFromArray) -> Step:
    run, slots, src, dst = linker.run, linker.run.slots, linker.slot(it.src), linker.slot(it.dst)
    curve, index = linker.curve, it.idx
    submit = None if it.stream is None else linker.submitter(at, it.stream)

    def step() -> None:
        source, destination = element_of(slots[src], index, curve), slots[dst]
        target: Device = destination.block.device
        run.moved[at] = (source.item, source.block.device.name, target.name)
        if submit is None:
            target.copy(destination, source)
        else:
            submit(target.copy, destination, source)

    return step


def wait(linker: Linker, at: int, it: op.Wait) -> Step:
    slots, event = linker.run.slots, linker.event(it.event)
    if it.stream is None:
        return event.wait
    stream = linker.slot(it.stream)

    def step() -> None:
        slots[stream].wait(at, event)

    return step


def record(linker: Linker, at: int, it: op.Record) -> Step:
    slots, event = linker.run.slots, linker.event(it.event)
    if it.stream is None:
        return event.complete
    stream = linker.slot(it.stream)

    def step() -> None:
        slots[stream].record(at, event)

    return step


def fork(linker: Linker, at: int, it: op.Fork) -> Step:
    run, body = linker.run, linker.body(it.new_thread)

    def step() -> None:
        run.fork(body)

    return step


def join(linker: Linker, at: int, it: op.Join) -> Step:
    return linker.body(it.thread).done.wait


def blind(linker: Linker, at: int, it: op.Blind) -> Step:
    from zkrun.runtime.blind import overwrite

    slots, dst, start, end = linker.run.slots, linker.slot(it.dst), it.start, it.end
    stop, curve, key = linker.run.stop, linker.curve, linker.random_key
    number = linker.blinds
    linker.blinds += 1

    def step() -> None:
        overwrite(slots[dst], start, end, curve, key, number, stop)

    return step


def assert_eq(linker: Linker, at: int, it: op.AssertEq) -> Step:
    from zkrun.runtime.compare import check_equal

    slots, value, expected = linker.run.slots, linker.slot(it.value), linker.slot(it.expected)
    curve, message, stop = linker.curve, it.msg, linker.run.stop

    def step() -> None:
        check_equal(slots[value], slots[expected], curve, message, stop)

    return step


def print_(linker: Linker, at: int, it: op.Print) -> Step:
    slots, src, curve, label = linker.run.slots, linker.slot(it.id), linker.curve, it.label
    name = label or linker.program.variables.get(str(it.id), f"variable {it.id}")

    def step() -> None:
        show.show(name, slots[src], curve)

    return step


def return_(linker: Linker, at: int, it: op.Return) -> Step:
    run, slots, src = linker.run, linker.run.slots, linker.slot(it.id)

    def step() -> None:
        run.result = slots[src]
        run.synchronize()

    return step


STEPS: dict[str, Callable[..., Step]] = {
    "Allocate": allocate,
    "Deallocate": deallocate,
    "RemoveRegister": remove_register,
    "Transfer": transfer,
    "FuncCall": func_call,
    "Wait": wait,
    "Record": record,
    "Fork": fork,
    "Join": join,
    "Rotation": rotation,
    "Slice": slice_,
    "SetSliceMeta": set_slice_meta,
    "LoadConstant": load_constant,
    "LoadInput": load_input,
    "AssembleTuple": assemble_tuple,
    "Blind": blind,
    "GetScalarFromArray": get_scalar_from_array,
    "MoveRegister": move_register,
    "CopyRegister": copy_register,
    "SliceBuffer": slice_buffer,
    "AssertEq": assert_eq,
    "Print": print_,
    "Return": return_,
}
"""The linker of each instruction by its `op`."""
