"""Kernels that take one struct by value, launched with as little work of Python's as can be."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence

from cupy.cuda import driver
from cupy.cuda.function import Function

from zkrun.algebra.curves import Field
from zkrun.devices.base import Data, Value
from zkrun.devices.cuda.compile import load
from zkrun.devices.cuda.repeats import Step
from zkrun.devices.cuda.sources import Unit

__all__ = ["Kernel", "Values", "blocks", "kernels", "montgomery", "view"]

Values = Sequence[Value]

_MAX_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_Pointer, _address_of = ctypes.c_char_p, ctypes.addressof
_VIEW = struct.Struct("<4Q")


class Kernel:
    """A kernel, called with its struct's bytes."""

    __slots__ = ("_function", "_handle")

    def __init__(self, function: Function) -> None:
        self._function = function  # keeps the module
        self._handle: int = function.ptr

    def allow_shared(self, nbytes: int) -> None:
        """Lets blocks have so much dynamic shared memory: more than 48 KiB must be asked for."""
        driver.funcSetAttribute(self._handle, _MAX_SHARED, nbytes)

    def __call__(
        self, stream: int, blocks: int, threads: int, payload: bytes, shared: int = 0
    ) -> None:
        """Queues the kernel, unless there are no blocks. The payload is copied."""
        if blocks:
            pointer = _Pointer(payload)  # to its bytes, which the driver copies at once
            driver.launchKernel(
                *(self._handle, blocks, 1, 1, threads, 1, 1, shared, stream),
                *(_address_of(pointer), 0),
            )

    def given(self, blocks: int, threads: int, payload: bytes, shared: int = 0) -> Step:
        """The same to queue on any stream."""
        return lambda stream: self(stream, blocks, threads, payload, shared)


def kernels(unit: Unit) -> dict[str, Kernel]:
    """The kernels of a unit on the current device, compiled if need be."""
    return {name: Kernel(function) for name, function in load(unit).items()}


def blocks(count: int, threads: int) -> int:
    """Blocks of so many threads for one thread an item."""
    return -(-count // threads)


def view(data: Data) -> bytes:
    """The struct DeviceView of a value, made once."""
    if data.native is None:
        data.native = _VIEW.pack(data.address, data.whole, data.offset, data.length)
    packed: bytes = data.native
    return packed


def montgomery(value: int, field: Field) -> bytes:
    """A field element as in memory."""
    return (value * field.montgomery_radix % field.modulus).to_bytes(field.bytes, "little")
