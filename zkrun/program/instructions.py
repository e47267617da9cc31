"""The instruction set: one class an instruction, each operand marked with what happens to it.

The schema, the rules of the analysis, the disassembly, the linker and the reference are derived
from these classes, so an operand's effect is stated here and nowhere else.
"""

from dataclasses import dataclass as plain_dataclass
from dataclasses import fields
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import ConfigDict, FailFast, Field
from pydantic.dataclasses import dataclass

from zkrun.program.types import Device, Text, Typ, UInt

__all__ = [
    "OPS",
    "Allocate",
    "AssembleTuple",
    "AssertEq",
    "Blind",
    "CopyRegister",
    "Deallocate",
    "Effect",
    "Fork",
    "FuncCall",
    "GetScalarFromArray",
    "Instruction",
    "Join",
    "LoadConstant",
    "LoadInput",
    "MoveRegister",
    "Operand",
    "Print",
    "Record",
    "RemoveRegister",
    "Return",
    "Rotation",
    "SetSliceMeta",
    "Slice",
    "SliceBuffer",
    "Transfer",
    "Wait",
    "operands",
]


class Effect(Enum):
    """What an instruction does with one operand."""

    OWNS = "owns"  # binds the variable to memory that it then owns
    BINDS = "binds"  # binds the variable to something that it does not own
    READS = "reads"  # reads the bytes of the value
    WRITES = "writes"  # writes all bytes of the value
    WRITES_PART = "writes part"  # writes some of its bytes; which ones, the instruction says
    REFERS = "refers"  # looks at the binding only (type, address), at no bytes
    FREES = "frees"  # frees the memory and unbinds the variable
    UNBINDS = "unbinds"  # unbinds the variable; memory is untouched
    MOVES = "moves"  # unbinds the variable; its ownership passes to `dst`
    QUEUES = "queues"  # the work goes into this stream
    CALLS = "calls"  # arguments of a function, whose signature says more
    NAMES = "names"  # an entry of a table of the document
    RECORDS = "records"
    WAITS = "waits"
    STARTS = "starts"
    JOINS = "joins"


@plain_dataclass(frozen=True, slots=True)
class Operand:
    """The mark of an operand: which space its id belongs to, and what happens to it."""

    space: Literal["variable", "event", "thread", "function", "constant", "input"]
    effect: Effect


Owns = Annotated[UInt, Operand("variable", Effect.OWNS)]
Binds = Annotated[UInt, Operand("variable", Effect.BINDS)]
Reads = Annotated[UInt, Operand("variable", Effect.READS)]
Writes = Annotated[UInt, Operand("variable", Effect.WRITES)]
WritesPart = Annotated[UInt, Operand("variable", Effect.WRITES_PART)]
Refers = Annotated[UInt, Operand("variable", Effect.REFERS)]
Frees = Annotated[UInt, Operand("variable", Effect.FREES)]
Unbinds = Annotated[UInt, Operand("variable", Effect.UNBINDS)]
Moves = Annotated[UInt, Operand("variable", Effect.MOVES)]
Queue = Annotated[UInt | None, Operand("variable", Effect.QUEUES)]

_CONFIG = ConfigDict(extra="forbid", defer_build=True)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class _Base:
    track: Text | None = None
    source: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Allocate(_Base):
    """Binds `id` to fresh uninitialised memory, at `offset` of the arena where given."""

    op: Literal["Allocate"] = "Allocate"
    device: Device
    typ: Typ
    id: Owns
    offset: UInt | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Deallocate(_Base):
    """Frees memory that `id` owns; with a stream, once the work queued there has passed."""

    op: Literal["Deallocate"] = "Deallocate"
    id: Frees
    stream: Queue = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RemoveRegister(_Base):
    """Unbinds `id`; memory is untouched."""

    op: Literal["RemoveRegister"] = "RemoveRegister"
    id: Unbinds


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Transfer(_Base):
    """Copies the value of `src_id` into the memory of `dst_id`, element by element."""

    op: Literal["Transfer"] = "Transfer"
    src_device: Device
    dst_device: Device
    stream: Queue = None
    src_id: Reads
    dst_id: Writes


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class FuncCall(_Base):
    """Calls a function of the table; on a GPU the last of `arg` is the stream, and a GpuBuffer
    behind the last of `arg_mut` is memory to work in."""

    op: Literal["FuncCall"] = "FuncCall"
    func_id: Annotated[UInt, Operand("function", Effect.NAMES)]
    arg_mut: Annotated[list[UInt], FailFast(), Operand("variable", Effect.CALLS)]
    arg: Annotated[list[UInt], FailFast(), Operand("variable", Effect.CALLS)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Wait(_Base):
    """Makes the stream, or without one the thread, wait for an event."""

    op: Literal["Wait"] = "Wait"
    slave: Device
    stream: Queue = None
    event: Annotated[UInt, Operand("event", Effect.WAITS)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Record(_Base):
    """Completes the event at once or, with a stream, when the work queued there has passed."""

    op: Literal["Record"] = "Record"
    stream: Queue = None
    event: Annotated[UInt, Operand("event", Effect.RECORDS)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Fork(_Base):
    """Starts a thread, which shares all variables."""

    op: Literal["Fork"] = "Fork"
    new_thread: Annotated[UInt, Operand("thread", Effect.STARTS)]
    instructions: "Annotated[list[Instruction], FailFast()]"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Join(_Base):
    """Waits for a thread to end; if it failed, so does the joining thread."""

    op: Literal["Join"] = "Join"
    thread: Annotated[UInt, Operand("thread", Effect.JOINS)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Rotation(_Base):
    """Binds `dst` to the view dst[i] = src[(i - shift) mod len], as numpy.roll."""

    op: Literal["Rotation"] = "Rotation"
    src: Refers
    dst: Binds
    shift: Annotated[int, Field(strict=True, ge=-(2**63), le=2**64 - 1)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Slice(_Base):
    """Binds `dst` to the view src[start:end]."""

    op: Literal["Slice"] = "Slice"
    src: Refers
    dst: Binds
    start: UInt
    end: UInt


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class SetSliceMeta(_Base):
    """Binds `dst` to `len` elements from physical element `offset` of the array of `src`."""

    op: Literal["SetSliceMeta"] = "SetSliceMeta"
    src: Refers
    dst: Binds
    offset: UInt
    len: UInt


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class LoadConstant(_Base):
    """Binds `dst` to a constant, read-only, on the device where the constant lives."""

    op: Literal["LoadConstant"] = "LoadConstant"
    src: Annotated[UInt, Operand("constant", Effect.NAMES)]
    dst: Binds


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class LoadInput(_Base):
    """Binds `dst` to an input of the run, read-only, on the CPU."""

    op: Literal["LoadInput"] = "LoadInput"
    src: Annotated[UInt, Operand("input", Effect.NAMES)]
    dst: Binds


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class AssembleTuple(_Base):
    """Binds `dst` to the tuple of these variables."""

    op: Literal["AssembleTuple"] = "AssembleTuple"
    vars: Annotated[list[UInt], FailFast(), Operand("variable", Effect.REFERS)]
    dst: Binds


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Blind(_Base):
    """Overwrites dst[start:end] with uniform random field elements."""

    op: Literal["Blind"] = "Blind"
    dst: WritesPart
    start: UInt
    end: UInt


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class GetScalarFromArray(_Base):
    """Copies one element of a ScalarArray into an allocated Scalar."""

    op: Literal["GetScalarFromArray"] = "GetScalarFromArray"
    src: Reads
    dst: Writes
    idx: UInt
    stream: Queue = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class MoveRegister(_Base):
    """Renames a variable; ownership moves along."""

    op: Literal["MoveRegister"] = "MoveRegister"
    src: Moves
    dst: Binds


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class CopyRegister(_Base):
    """Binds `dst` to an alias of `src`, which keeps its ownership."""

    op: Literal["CopyRegister"] = "CopyRegister"
    src: Refers
    dst: Binds


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class SliceBuffer(_Base):
    """Binds `dst` to `len` bytes of a GpuBuffer from byte `offset`."""

    op: Literal["SliceBuffer"] = "SliceBuffer"
    src: Refers
    dst: Binds
    offset: UInt
    len: UInt


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class AssertEq(_Base):
    """Fails the run (exit code 5) where `value` differs from `expected`."""

    op: Literal["AssertEq"] = "AssertEq"
    value: Reads
    expected: Reads
    msg: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Print(_Base):
    """Shows a value on standard error."""

    op: Literal["Print"] = "Print"
    id: Reads
    label: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Return(_Base):
    """Ends the program; the value is its result once all work on it has completed."""

    op: Literal["Return"] = "Return"
    id: Reads


Instruction: TypeAlias = Annotated[
    Allocate
    | Deallocate
    | RemoveRegister
    | Transfer
    | FuncCall
    | Wait
    | Record
    | Fork
    | Join
    | Rotation
    | Slice
    | SetSliceMeta
    | LoadConstant
    | LoadInput
    | AssembleTuple
    | Blind
    | GetScalarFromArray
    | MoveRegister
    | CopyRegister
    | SliceBuffer
    | AssertEq
    | Print
    | Return,
    Field(discriminator="op"),
]

OPS: dict[str, type[Any]] = {cls.__name__: cls for cls in Instruction.__origin__.__args__}  # type: ignore[attr-defined]  # the members of an Annotated union
"""Every instruction class by its `op`."""


def operands(cls: type[Any]) -> tuple[tuple[str, Operand], ...]:
    """The marked operands of an instruction class, in order: (field name, mark)."""
    return _operands(cls.__name__)


@cache
def _operands(op: str) -> tuple[tuple[str, Operand], ...]:
    cls = OPS[op]
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        (field.name, mark)
        for field in fields(cls)
        for mark in getattr(hints[field.name], "__metadata__", ())
        if isinstance(mark, Operand)
    )
