"""Kernels, launched with as little work of the host's as can be."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence

from cupy.cuda import driver
from cupy.cuda.function import Function

from zkrun.algebra.curves import Field
from zkrun.devices.base import Data, Value
from zkrun.devices.cuda.compile import load
from zkrun.devices.cuda.rows import MOST_BYTES, Argument, Step, make_ready, running
from zkrun.devices.cuda.sources import Unit

__all__ = ["Kernel", "Values", "blocks", "kernels", "montgomery", "pack_view", "view"]

Values = Sequence[Value]

_MOST_ARGUMENT_BYTES = 32768  # that any kernel takes
_MAX_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_Pointer, _address_of = ctypes.c_char_p, ctypes.addressof

pack_view = struct.Struct("<4Q").pack
"""The struct DeviceView: (address, length of the whole array, offset, length)."""


class Kernel:
    """A kernel; one that takes a single struct is called with that struct's bytes."""

    __slots__ = ("_function", "handle")

    def __init__(self, function: Function) -> None:
        self._function = function  # keeps the module
        self.handle: int = function.ptr

    def allow_shared(self, nbytes: int) -> None:
        """Lets blocks have so much dynamic shared memory: more than 48 KiB must be asked for."""
        driver.funcSetAttribute(self.handle, _MAX_SHARED, nbytes)

    def __call__(
        self, stream: int, blocks: int, threads: int, payload: bytes, shared: int = 0
    ) -> None:
        """Queues the kernel, unless there are no blocks. The payload is copied."""
        if not blocks:
            return
        rows = running.get(stream)
        if rows is not None and len(payload) <= MOST_BYTES:
            row = rows.single or rows.row((Step(self.handle, (1, 1), 1, [payload]),))
            if row is not None:
                row.queue_one(self.handle, blocks, threads, payload, shared, stream)
                return
        pointer = _Pointer(payload)  # to its bytes, which the driver copies at once
        driver.launchKernel(
            *(self.handle, blocks, 1, 1, threads, 1, 1, shared, stream),
            *(_address_of(pointer), 0),
        )

    def step(
        self,
        grid: int | tuple[int, int],
        threads: int,
        *arguments: Argument,
        shared: int = 0,
    ) -> Step:
        """The same as one of several, with arguments that calls give."""
        both = (grid, 1) if isinstance(grid, int) else grid
        return Step(self.handle, both, threads, arguments, shared, self._function)


def kernels(unit: Unit) -> dict[str, Kernel]:
    """The kernels of a unit on the current device, compiled if need be."""
    found = {name: Kernel(function) for name, function in load(unit).items()}
    make_ready([next(iter(found.values())).step(1, 32, bytes(_MOST_ARGUMENT_BYTES))])
    return found


def blocks(count: int, threads: int) -> int:
    """Blocks of so many threads for one thread an item."""
    return -(-count // threads)


def view(data: Data) -> bytes:
    """The struct DeviceView of a value, made once."""
    if data.native is None:
        data.native = pack_view(data.address, data.whole, data.offset, data.length)
    packed: bytes = data.native
    return packed


def montgomery(value: int, field: Field) -> bytes:
    """A field element as in memory."""
    return (value * field.montgomery_radix % field.modulus).to_bytes(field.bytes, "little")
