"""Kernels, and what they are given."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cupy.cuda import driver
from cupy.cuda.function import Function

from zkrun.algebra.curves import Field
from zkrun.devices.base import Data, Value
from zkrun.devices.cuda.kernels.compile import load
from zkrun.devices.cuda.streams.queue import Queue
from zkrun.devices.cuda.streams.rows import Argument, Step
from zkrun.program.signature import Call

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.kernels.sources import Unit

__all__ = [
    "Factory",
    "Kernel",
    "Launch",
    "Values",
    "address_of",
    "blocks",
    "clear_words",
    "kernels",
    "montgomery",
    "pack_view",
]

Values = Sequence[Value]

Launch = Callable[[Queue, Values, Values], None]
"""Queues a function: (queue, mutable, immutable without the stream)."""

Factory = Callable[[Call, "CudaDevice"], Launch]
"""Prepares a call before the run. Types and lengths were checked, so it checks nothing."""

_CLEAR_THREADS, _CLEARED = 256, 2048  # as in clear_words.cuh: of a block, and words that one clears
_MAX_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES

pack_view = struct.Struct("<4Q").pack
"""The struct DeviceView: (address, length of the whole array, offset, length)."""


class Kernel:
    """A kernel on the GPU on which it was loaded."""

    __slots__ = ("_function", "handle")

    def __init__(self, function: Function) -> None:
        self._function = function  # keeps the module
        self.handle: int = function.ptr

    def allow_shared(self, nbytes: int) -> None:
        """Lets blocks have so much dynamic shared memory: more than 48 KiB must be asked for."""
        driver.funcSetAttribute(self.handle, _MAX_SHARED, nbytes)

    def step(
        self,
        grid: int | tuple[int, int],
        threads: int,
        *arguments: Argument,
        shared: int = 0,
    ) -> Step:
        """The kernel as one of several, with arguments that calls may give."""
        both = (grid, 1) if isinstance(grid, int) else grid
        return Step(self.handle, both, threads, arguments, shared, self._function)


def kernels(*units: Unit) -> dict[str, Kernel]:
    """The kernels of units on the current device, compiled if need be."""
    return {name: Kernel(found) for unit in units for name, found in load(unit).items()}


def blocks(count: int, threads: int) -> int:
    """Blocks of so many threads for one thread an item."""
    return -(-count // threads)


def clear_words(found: Mapping[str, Kernel], words: Argument, count: int) -> Step:
    """Zeros in `count` words, a multiple of four, from an address on that is a multiple of 16."""
    return found["clear_words"].step(blocks(count, _CLEARED), _CLEAR_THREADS, words, count)


def address_of(scalar: Data) -> int:
    """Where a single element lies."""
    return scalar.address + scalar.offset * scalar.item


def montgomery(value: int, field: Field) -> bytes:
    """A field element as in memory."""
    return (value * field.montgomery_radix % field.modulus).to_bytes(field.bytes, "little")
