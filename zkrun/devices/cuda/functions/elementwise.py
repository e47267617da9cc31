"""Functions of each element by itself, and of single scalars: elementwise.cuh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cupy.cuda import runtime

from zkrun.devices.cuda.functions.launch import (
    Factory,
    Kernel,
    Launch,
    Values,
    blocks,
    kernels,
    montgomery,
)
from zkrun.devices.cuda.kernels.units import elementwise_unit
from zkrun.devices.cuda.streams.queue import Queue
from zkrun.devices.cuda.streams.rows import (
    Given,
    Part,
    Step,
    Steps,
    immutable_operand,
    mutable_operand,
)
from zkrun.errors import RunFailed
from zkrun.program.signature import Call
from zkrun.program.types import length

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice

__all__ = [
    "THREADS",
    "distribute_powers",
    "fill",
    "of_elements",
    "pairwise",
    "poly_scale",
    "scalar_invert",
    "scalar_pow",
    "upload",
]

THREADS = 256
_PRODUCT_THREADS = 128  # of multiply_all, multiply_cyclic and multiply_strided
# For the last one: elements at least of an array, and of a thread. As is fastest on an H200.
_STRIDED, _STRIDES = 1 << 19, 8
_TO_DEVICE = 1

_FIRST = mutable_operand(0)
_PAIR = _FIRST, immutable_operand(0), immutable_operand(1)


def of_elements(
    kernel: Kernel, count: int, *job: Part, each: int = 1, threads: int = THREADS
) -> Step:
    """A kernel with a thread for `each` elements, in blocks of so many threads."""
    return kernel.step(blocks(count, each * threads), threads, [*job])


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
        steps = Steps([of_elements(kernel, length(call.mutable[0]), *map(Given, range(3)))], 3)
        return steps.launch(*_PAIR)

    return factory


def poly_scale(call: Call, device: CudaDevice) -> Launch:
    return _cyclic(call, 1).launch(*_PAIR)


def distribute_powers(call: Call, device: CudaDevice) -> Launch:
    steps = _cyclic(call, length(call.immutable[0]))
    return steps.launch(_FIRST, _FIRST, immutable_operand(0))


def _cyclic(call: Call, period: int) -> Steps:
    """c[i] = a[i] b[i mod period], for the views of c, a and b."""
    n = length(call.mutable[0])
    if n >= _STRIDED and n >= _STRIDES * period:
        name, each = "multiply_strided", 1
        count = step = n // _STRIDES // period * period
    else:
        name, each = "multiply_all" if period == 1 else "multiply_cyclic", 2
        count, step = n, _PRODUCT_THREADS % max(period, 1)
    kernel = kernels(elementwise_unit(call.curve))[name]
    job: list[Part] = [*map(Given, range(3)), step, 0]
    return Steps([of_elements(kernel, count, *job, each=each, threads=_PRODUCT_THREADS)], 3)


def fill(call: Call, device: CudaDevice) -> Launch:
    kernel = kernels(elementwise_unit(call.curve))["fill"]
    first, others = {"zero": (0, 0), "one_lagrange": (1, 1), "one_coef": (1, 0)}[call.params.value]
    field = call.curve.scalar
    values = montgomery(first, field) + montgomery(others, field)
    return Steps([of_elements(kernel, length(call.mutable[0]), Given(0), values)], 1).launch(_FIRST)


def scalar_invert(call: Call, device: CudaDevice) -> Launch:
    kernel = kernels(elementwise_unit(call.curve))["invert_scalar"]
    steps = Steps([kernel.step(1, 32, [Given(0, 0), Given(1, 0)])], 2)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        number, word = queue.failure_word()
        steps.queue_on(queue, (mutable[0], word))
        queue.fail_if_set(number, lambda word: RunFailed("scalar_invert: zero has no inverse"))

    return launch


def scalar_pow(call: Call, device: CudaDevice) -> Launch:
    kernel = kernels(elementwise_unit(call.curve))["raise_scalar"]
    exponent: int = call.params.exp
    limbs = -(-exponent.bit_length() // 64)
    address = upload(device, exponent.to_bytes(8 * limbs, "little")) if limbs else 0
    return Steps([kernel.step(1, 32, [Given(0, 0), address, limbs, 0])], 1).launch(_FIRST)
