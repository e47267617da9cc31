"""fused_arith: one kernel generated for each expression, one pass over memory."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from zkrun.devices.base import Data
from zkrun.devices.cuda.elementwise import launch_elements
from zkrun.devices.cuda.fused_unit import FEW_OPERANDS, fused_of
from zkrun.devices.cuda.launch import Kernel, Values, kernels, view
from zkrun.devices.cuda.queue import Queue
from zkrun.program.signature import Call

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.functions import Launch

__all__ = ["fused_arith"]

_KEPT = 32 * FEW_OPERANDS  # bytes of operands that a kernel's struct brings along


def fused_arith(call: Call, device: CudaDevice) -> Launch:
    fused = fused_of(call)
    found = kernels(fused.unit)
    kernel, keep = found["fused"], found.get("keep_operands")
    padding = b"" if fused.inputs else bytes(32)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        count = mutable[0].length
        operands: list[Data] = [*mutable, *(immutable[index] for index in fused.inputs)]
        payload = struct.pack("<2Q", count, 0) + b"".join(map(view, operands)) + padding
        if keep is not None:
            payload = _keep(keep, queue, payload)
        launch_elements(kernel, queue.handle, count, payload, fused.each)

    return launch


def _keep(keep: Kernel, queue: Queue, payload: bytes) -> bytes:
    """Puts a struct that is too large for a kernel in the GPU's memory, and gives its address."""
    address = queue.scratch(len(payload))
    for start in range(0, len(payload), _KEPT):
        part = payload[start : start + _KEPT]
        job = struct.pack("<2Q", address + start, len(part) // 16) + part.ljust(_KEPT, b"\0")
        keep(queue.handle, 1, 256, job)
    return struct.pack("<Q", address)
