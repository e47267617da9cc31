"""Allocate, Deallocate, and the instructions that bind variables to what is there."""

from __future__ import annotations

from zkrun.analysis.handlers.devices import stream_on
from zkrun.analysis.intervals import IntervalMap
from zkrun.analysis.machine import Machine
from zkrun.analysis.order import Free, Queue
from zkrun.analysis.reporter import Refused, Skipped, plain
from zkrun.analysis.rules import binding, memory, operands, tables
from zkrun.analysis.rules.rule import Rule
from zkrun.analysis.values import (
    MAX_TUPLE_DEPTH,
    MAX_TUPLE_VALUES,
    Bound,
    Storage,
    TupleValue,
    Value,
    kill,
)
from zkrun.program import types
from zkrun.program.instructions import (
    Allocate,
    AssembleTuple,
    CopyRegister,
    Deallocate,
    LoadConstant,
    LoadInput,
    MoveRegister,
    RemoveRegister,
)

__all__ = [
    "allocate",
    "assemble_tuple",
    "copy_register",
    "deallocate",
    "load_constant",
    "load_input",
    "move_register",
    "remove_register",
]

ALIGNMENT = 64


def allocate(m: Machine, i: Allocate) -> None:
    typ, device = m.one(i.typ), i.device
    _allowed(typ, device)
    storage = Storage(typ, device, types.length(typ), types.element_size(typ, m.curve))
    storage.owner = i.id
    storage.born = m.place
    if isinstance(typ, types.Transcript | types.GpuBuffer):
        storage.written = True  # a new transcript is empty; scratch memory has no value to miss
    elif isinstance(typ, types.Stream):
        storage.written = True
        storage.queue = Queue(m.place, i.id, device)
        m.queues.append(storage.queue)
        m.races.possible = True
    m.bind("/id", i.id, Value(storage, typ, 0, storage.whole))
    m.live[storage] = None
    if i.offset is None:
        m.ledger.take(storage, storage.born, m.node)
    else:
        _place(m, storage, i.offset)


def _allowed(typ: types.Typ, device: str) -> None:
    """Which kinds of memory each device has."""
    on_gpu = types.gpu_index(device) is not None
    match typ:
        case types.Tuple():
            problem = "a Tuple is not allocated: AssembleTuple binds one"
        case types.Stream() | types.GpuBuffer() if not on_gpu:
            problem = f"a {typ} is allocated on a GPU, not on {device}"
        case types.Transcript() if device != "cpu":
            problem = f"a Transcript lives on the CPU, not on {device}"
        case _:
            return
    raise Refused(operands.WRONG_DEVICE, problem, operand="/device")


def _place(m: Machine, storage: Storage, offset: int) -> None:
    """Notes where in its arena an allocation lies. What does not fit is left out of the arena."""
    storage.offset = offset
    device, end = storage.device, offset + storage.nbytes
    size = m.program.memory.get(device)
    if size is None:
        raise _bad_place(m, memory.NO_ARENA, f"`memory` has no entry for {device}", end)
    if offset % ALIGNMENT:
        below = offset - offset % ALIGNMENT
        raise Refused(
            memory.UNALIGNED,
            f"offset {offset} is not a multiple of {ALIGNMENT}",
            f"the next ones are {below} and {below + ALIGNMENT}",
            "/offset",
        )
    if end > size:
        problem = f"{storage.nbytes} bytes from {offset} end at {end}, the arena at {size}"
        raise _bad_place(m, memory.BEYOND_ARENA, problem, end)
    if device not in m.arenas:
        m.arenas[device] = IntervalMap(size)
    other = m.arenas[device].add(offset, end, storage)
    if isinstance(other, Storage):
        assert other.offset is not None
        assert other.born is not None
        owner = f" ({m.report.variable(other.owner)})" if other.owner is not None else ""
        raise Refused(
            memory.ARENA_OVERLAP,
            f"bytes {offset} to {end} of the arena of {device} overlap bytes {other.offset} to "
            f"{other.offset + other.nbytes} of the {m.report.at(other.born)}{owner}, which is not "
            "freed yet",
            "free that one first, or choose another offset",
            "/offset",
        )
    m.races.occupy(storage)


def _bad_place(m: Machine, rule: Rule, problem: str, end: int) -> Refused:
    return Refused(rule, problem, f"reserve at least {end} bytes in `memory`", "/offset")


def deallocate(m: Machine, i: Deallocate) -> None:
    bound = m.use("/id", i.id)
    storage = bound.storage if isinstance(bound, Value) else None
    if storage is None or storage.owner != i.id:
        name = m.report.variable(i.id)
        if storage is None:
            what, help = "is a tuple, which owns nothing", None
        elif storage.read_only:
            what, help = f"refers to {storage.read_only}", None
        elif storage.owner is None:
            what, help = "does not own its memory", "its owner was lost by a RemoveRegister"
        else:
            what = f"is a view or copy of {m.report.variable(storage.owner)}, which owns the memory"
            help = f"free {m.report.variable(storage.owner)}"
        help = f"{help}, or unbind {name} with RemoveRegister" if help else "use RemoveRegister"
        raise Refused(binding.NOT_OWNER, f"{name} {what}", help, "/id")
    stream, wrong = None, None
    try:
        if i.stream is not None:
            stream = m.stream("/stream", i.stream)
            stream_on(m, i.stream, stream, (storage.device,), "memory that is freed lives")
    except (Refused, Skipped) as error:
        wrong = error  # the memory is freed all the same, so that no error follows
    place = m.place
    tuples = kill(storage, place)
    if m.races.threads:
        m.races.kill(storage, tuples)
    del m.live[storage]
    storage.owner = None
    m.unbind("/id", i.id)
    if storage.offset is not None and storage.device in m.arenas:
        m.arenas[storage.device].remove(storage.offset, storage.offset + storage.nbytes, storage)
        m.races.vacate(storage)
    if wrong:
        raise wrong
    if storage.offset is not None or storage.queue is not None:
        return  # bookkeeping only; work that is queued on a stream runs all the same
    if stream is None:
        m.give_back(Free(place, storage, m.node), m.node)
    else:
        assert stream.storage.queue is not None
        stream.storage.queue.put(Free(place, storage, m.node))


def remove_register(m: Machine, i: RemoveRegister) -> None:
    """Also of a dead alias: that tidies up after the Deallocate of its memory."""
    bound = m.variables.get(i.id)
    if bound is None or bound.freed is None:
        bound = m.use("/id", i.id, alive=False)
    if isinstance(bound, Value) and bound.storage.owner == i.id:
        bound.storage.owner = None
    m.unbind("/id", i.id)


def move_register(m: Machine, i: MoveRegister) -> None:
    bound = m.use("/src", i.src)
    m.bind("/dst", i.dst, bound)
    if isinstance(bound, Value) and bound.storage.owner == i.src:
        bound.storage.owner = i.dst
    m.unbind("/src", i.src)


def copy_register(m: Machine, i: CopyRegister) -> None:
    m.bind("/dst", i.dst, m.use("/src", i.src))


def load_constant(m: Machine, i: LoadConstant) -> None:
    table = m.program.constants
    if i.src >= len(table):
        raise no_entry("constants", i.src, len(table), "/src")
    entry = table[i.src]
    m.bind("/dst", i.dst, _read_only(m, "constant", i.src, entry.name, entry.typ, entry.device))


def load_input(m: Machine, i: LoadInput) -> None:
    table = m.program.inputs
    if i.src >= len(table):
        raise no_entry("inputs", i.src, len(table), "/src")
    m.bind("/dst", i.dst, _read_only(m, "input", i.src, table[i.src].name, table[i.src].typ, "cpu"))


def _read_only(m: Machine, what: str, index: int, name: str, typ: types.Typ, device: str) -> Value:
    """A table's entry; all its variables share one storage, which nothing frees."""
    known = m.tables.get((what, index))
    if known is None:
        typ = m.one(typ)
        storage = Storage(typ, device, types.length(typ), types.element_size(typ, m.curve))
        storage.written = True
        storage.read_only = f"{what} {plain(name)}"
        known = m.tables[what, index] = Value(storage, typ, 0, storage.whole)
    return known


def no_entry(table: str, id: int, length: int, operand: str) -> Refused:
    """The refusal of an id that is not in its table."""
    have = f"its ids are 0 to {length - 1}" if length else "it is empty"
    return Refused(tables.ENTRY_OUT_OF_RANGE, f"`{table}` has no entry {id}: {have}", None, operand)


def assemble_tuple(m: Machine, i: AssembleTuple) -> None:
    items: list[Bound] = [m.use(f"/vars/{at}", id) for at, id in enumerate(i.vars)]
    value = TupleValue(m.tuple_type([item.typ for item in items]), tuple(items))
    if value.count > MAX_TUPLE_VALUES or value.depth > MAX_TUPLE_DEPTH:
        raise Refused(
            operands.TUPLE_TOO_LARGE,
            f"the tuple would hold {value.count} values, nested {value.depth} deep; at most "
            f"{MAX_TUPLE_VALUES} and {MAX_TUPLE_DEPTH} may be",
            operand="/vars",
        )
    m.bind("/dst", i.dst, value)
