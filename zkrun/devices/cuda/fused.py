"""fused_arith: one kernel generated for each expression, one pass over memory."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from zkrun.devices.cuda.elementwise import launch_elements
from zkrun.devices.cuda.fused_unit import unit_of
from zkrun.devices.cuda.launch import Values, kernels, view
from zkrun.devices.cuda.queue import Queue
from zkrun.program.signature import Call

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.functions import Launch

__all__ = ["fused_arith"]


def fused_arith(call: Call, device: CudaDevice) -> Launch:
    kernel = kernels(unit_of(call))["fused"]
    padding = b"" if call.immutable else bytes(32)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        count = mutable[0].length
        views = b"".join(map(view, (*mutable, *immutable)))
        payload = struct.pack("<2Q", count, 0) + views + padding
        launch_elements(kernel, queue.handle, count, payload)

    return launch
