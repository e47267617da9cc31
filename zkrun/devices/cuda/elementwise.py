"""Functions of each element by itself, and of single scalars: elementwise.cuh."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from cupy.cuda import runtime

from zkrun.devices.base import Data
from zkrun.devices.cuda.launch import Values, blocks, kernels, montgomery, view
from zkrun.devices.cuda.queue import Queue
from zkrun.devices.cuda.units import elementwise_unit
from zkrun.errors import RunFailed
from zkrun.program.signature import Call
from zkrun.program.types import length

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.functions import Factory, Launch

__all__ = [
    "THREADS",
    "distribute_powers",
    "fill",
    "launch_elements",
    "pairwise",
    "poly_scale",
    "scalar_invert",
    "scalar_pow",
    "upload",
]

THREADS = 256
_PRODUCT_THREADS = 128  # of multiply_all, multiply_cyclic and multiply_strided
# For the last one: elements at least of an array, and of a thread. As is fastest on an H200.
_STRIDED, _STRIDES = 1 << 21, 8
_TO_DEVICE = 1


def launch_elements(
    kernel: Callable[..., None],
    stream: int,
    count: int,
    payload: bytes,
    each: int = 1,
    threads: int = THREADS,
) -> None:
    """Launches a thread for `each` elements, in blocks of so many threads."""
    kernel(stream, blocks(count, each * threads), threads, payload)


def upload(device: CudaDevice, payload: bytes) -> int:
    """The address of a copy on the GPU that stays as long as the device is open."""
    address = device.pool.allocate(len(payload))
    queue = device.prepare()
    runtime.memcpyAsync(address, _address(payload), len(payload), _TO_DEVICE, queue.handle)
    runtime.streamSynchronize(queue.handle)
    return address


def _address(payload: bytes) -> int:
    import ctypes

    return ctypes.cast(ctypes.c_char_p(payload), ctypes.c_void_p).value or 0


def pairwise(operation: str) -> Factory:
    """c[i] = a[i] op b[i], the shorter one with zeros behind."""

    def factory(call: Call, device: CudaDevice) -> Launch:
        kernel = kernels(elementwise_unit(call.curve))[operation]

        def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
            (c,), (a, b) = mutable, immutable
            launch_elements(kernel, queue.handle, c.length, view(c) + view(a) + view(b))

        return launch

    return factory


def poly_scale(call: Call, device: CudaDevice) -> Launch:
    multiply = _cyclic(call, 1)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (c,), (a, s) = mutable, immutable
        multiply(queue.handle, view(c) + view(a) + view(s))

    return launch


def distribute_powers(call: Call, device: CudaDevice) -> Launch:
    multiply = _cyclic(call, length(call.immutable[0]))

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (a,), (powers,) = mutable, immutable
        multiply(queue.handle, view(a) + view(a) + view(powers))

    return launch


def _cyclic(call: Call, period: int) -> Callable[[int, bytes], None]:
    """What queues c[i] = a[i] b[i mod period] on a stream, for the views of c, a and b."""
    n = length(call.mutable[0])
    if n >= _STRIDED and n >= _STRIDES * period:
        name, each = "multiply_strided", 1
        count = step = n // _STRIDES // period * period
    else:
        name, each = "multiply_all" if period == 1 else "multiply_cyclic", 2
        count, step = n, _PRODUCT_THREADS % max(period, 1)
    kernel = kernels(elementwise_unit(call.curve))[name]
    end = struct.pack("<2Q", step, 0)

    def multiply(stream: int, views: bytes) -> None:
        launch_elements(kernel, stream, count, views + end, each, _PRODUCT_THREADS)

    return multiply


def fill(call: Call, device: CudaDevice) -> Launch:
    kernel = kernels(elementwise_unit(call.curve))["fill"]
    first, others = {"zero": (0, 0), "one_lagrange": (1, 1), "one_coef": (1, 0)}[call.params.value]
    field = call.curve.scalar
    values = montgomery(first, field) + montgomery(others, field)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (a,) = mutable
        launch_elements(kernel, queue.handle, a.length, view(a) + values)

    return launch


def scalar_invert(call: Call, device: CudaDevice) -> Launch:
    kernel = kernels(elementwise_unit(call.curve))["invert_scalar"]

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        number, word = queue.failure_word()
        kernel(queue.handle, 1, 32, struct.pack("<2Q", _first(mutable[0]), word))
        queue.fail_if_set(number, lambda word: RunFailed("scalar_invert: zero has no inverse"))

    return launch


def scalar_pow(call: Call, device: CudaDevice) -> Launch:
    kernel = kernels(elementwise_unit(call.curve))["raise_scalar"]
    exponent: int = call.params.exp
    limbs = -(-exponent.bit_length() // 64)
    address = upload(device, exponent.to_bytes(8 * limbs, "little")) if limbs else 0

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        payload = struct.pack("<4Q", _first(mutable[0]), address, limbs, 0)
        kernel(queue.handle, 1, 32, payload)

    return launch


def _first(scalar: Data) -> int:
    return scalar.address + scalar.offset * scalar.item
