"""The chunk: instructions over registers, each with a type, a device and perhaps an address.

A register holds one value, or a view of another register's memory. The instructions stand in a
legal order; `tracks.py` finds which of them have to wait for which, once they run side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from zkrun.algebra.curves import CURVES, Curve
from zkrun.compiler.type2.operations import Operation
from zkrun.program import types

__all__ = [
    "ALIGNMENT",
    "Call",
    "Chunk",
    "Free",
    "Instruction",
    "IntegralSize",
    "Load",
    "Malloc",
    "Move",
    "PolyMeta",
    "Register",
    "Rotated",
    "SetPolyMeta",
    "Size",
    "Sliced",
    "SmithereenSize",
    "Track",
    "Transfer",
    "Tuple",
    "Type2",
    "gpu",
    "size_of",
]

ALIGNMENT = 64
"""Addresses are multiples of this."""


class Track(Enum):
    """What an instruction keeps busy: those of different tracks may run at the same time."""

    MEMORY_MANAGEMENT = "MemoryManagement"  # taking and freeing memory, binding views
    CO_PROCESS = "CoProcess"  # the CPU and a GPU together
    GPU = "Gpu"
    CPU = "Cpu"
    TO_GPU = "ToGpu"
    FROM_GPU = "FromGpu"
    GPU_MEMORY = "GpuMemory"  # copies within a GPU, or between two
    TO_DISK = "ToDisk"
    FROM_DISK = "FromDisk"


@dataclass(frozen=True, slots=True)
class IntegralSize:
    """2^log bytes: what the arrays of transforms take."""

    log: int

    @property
    def nbytes(self) -> int:
        return 1 << self.log


@dataclass(frozen=True, slots=True)
class SmithereenSize:
    """Any number of bytes."""

    nbytes: int


Size: TypeAlias = IntegralSize | SmithereenSize


def size_of(nbytes: int) -> Size:
    """The size as allocators take it."""
    if nbytes >= ALIGNMENT and nbytes & (nbytes - 1) == 0:
        return IntegralSize(nbytes.bit_length() - 1)
    return SmithereenSize(nbytes)


@dataclass(frozen=True, slots=True)
class Sliced:
    """Elements start to end of the register's."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """Element i is the register's element i + by."""

    by: int


PolyMeta: TypeAlias = Sliced | Rotated


@dataclass(slots=True)
class Register:
    """`address` is the offset in the arena of the device; None where the runtime finds a place.

    `of` is the register whose memory this one is a view of.
    """

    typ: types.Typ
    device: str
    address: int | None = None
    label: str | None = None
    of: int | None = None


@dataclass(frozen=True, slots=True)
class Malloc:
    """Takes the memory of a register: GpuMalloc, CpuMalloc, … by where it lies."""

    register: int


@dataclass(frozen=True, slots=True)
class Free:
    """Gives the memory of a register back: GpuFree, CpuFree, StackFree, …"""

    register: int


@dataclass(frozen=True, slots=True)
class Load:
    """Binds a register to an input, a constant or a number; it is read-only."""

    operation: Operation
    register: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies one register into another."""

    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Move:
    """The memory of one register is another's from here on: what is done in place."""

    source: int
    target: int


@dataclass(frozen=True, slots=True)
class SetPolyMeta:
    """Binds a register to a view of another."""

    source: int
    target: int
    meta: PolyMeta


@dataclass(frozen=True, slots=True)
class Type2:
    """An operation that is no function: Random into a register, an Element of one into another."""

    operation: Operation
    written: tuple[int, ...]
    read: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A Type2 operation as a call of a function. What it updates stands in `written` only."""

    function: str
    params: tuple[tuple[str, object], ...]
    written: tuple[int, ...]
    read: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tuple:
    """Binds a register to a tuple of others."""

    items: tuple[int, ...]
    target: int


Instruction: TypeAlias = Malloc | Free | Load | Transfer | Move | SetPolyMeta | Type2 | Call | Tuple


@dataclass(slots=True)
class Chunk:
    """Instructions and the registers that they name; `result` is what the program returns.

    `sources` holds for each instruction the line of the author's file that it comes from.
    """

    curve: str
    registers: list[Register] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    sources: list[str | None] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)  # bytes of each device's arena
    result: int = -1

    @property
    def curve_record(self) -> Curve:
        return CURVES[self.curve]

    def register(self, register: Register) -> int:
        """A new register; its number."""
        self.registers.append(register)
        return len(self.registers) - 1

    def emit(self, instruction: Instruction, source: str | None = None) -> int:
        """Adds an instruction; its index."""
        self.instructions.append(instruction)
        self.sources.append(source)
        return len(self.instructions) - 1

    def size(self, register: int) -> Size:
        return size_of(types.size(self.registers[register].typ, self.curve_record))

    def root(self, register: int) -> int:
        """The register whose memory this one is, or is a view of."""
        while (of := self.registers[register].of) is not None:
            register = of
        return register

    def device(self, registers: Iterable[int]) -> str:
        """Where a call on these registers runs."""
        return next((self.registers[register].device for register in registers), "cpu")

    def track(self, instruction: Instruction) -> Track:
        """The track of an instruction, from the devices of its registers."""
        match instruction:
            case Transfer(source, target):
                return _transfer_track(self.registers[source].device, self.registers[target].device)
            case Type2(_, written, read):
                devices = {self.registers[one].device for one in (*written, *read)}
                if len(devices) > 1:
                    return Track.CO_PROCESS
                return Track.GPU if gpu(devices.pop()) else Track.CPU
            case Call(_, _, written, read):
                return Track.GPU if gpu(self.device((*written, *read))) else Track.CPU
            case _:
                return Track.MEMORY_MANAGEMENT


def gpu(device: str) -> bool:
    """Whether a device is a GPU."""
    return device.startswith("gpu:")


def _transfer_track(source: str, target: str) -> Track:
    if target == "disk":
        return Track.TO_DISK
    if source == "disk":
        return Track.FROM_DISK
    if gpu(source):
        return Track.GPU_MEMORY if gpu(target) else Track.FROM_GPU
    return Track.TO_GPU if gpu(target) else Track.CPU
