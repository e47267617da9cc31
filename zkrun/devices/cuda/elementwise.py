"""Functions of each element by itself, and of single scalars: elementwise.cuh."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from cupy.cuda import runtime

from zkrun.devices.base import Data
from zkrun.devices.cuda.launch import Kernel, Values, blocks, kernels, montgomery, view
from zkrun.devices.cuda.queue import Queue
from zkrun.devices.cuda.units import elementwise_unit
from zkrun.errors import RunFailed
from zkrun.program.signature import Call

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
_PRODUCT_THREADS = 128  # of multiply_all and multiply_cyclic, each of which takes two elements
_TO_DEVICE = 1


def launch_elements(
    kernel: Callable[..., None], stream: int, count: int, payload: bytes, each: int = 1
) -> None:
    """Launches a thread for `each` elements."""
    kernel(stream, blocks(count, each * THREADS), THREADS, payload)


def _launch_products(kernel: Kernel, stream: int, count: int, payload: bytes) -> None:
    kernel(stream, blocks(count, 2 * _PRODUCT_THREADS), _PRODUCT_THREADS, payload)


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
    kernel = kernels(elementwise_unit(call.curve))["multiply_all"]

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (c,), (a, s) = mutable, immutable
        _launch_products(kernel, queue.handle, c.length, view(c) + view(a) + view(s))

    return launch


def distribute_powers(call: Call, device: CudaDevice) -> Launch:
    kernel = kernels(elementwise_unit(call.curve))["multiply_cyclic"]

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (a,), (powers,) = mutable, immutable
        if a.length:
            step = struct.pack("<2Q", _PRODUCT_THREADS % powers.length, 0)
            _launch_products(kernel, queue.handle, a.length, view(a) + view(powers) + step)

    return launch


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
