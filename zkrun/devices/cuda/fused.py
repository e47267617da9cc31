"""fused_arith: one kernel generated for each expression, one pass over memory."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from zkrun.devices.cuda.elementwise import launch_elements
from zkrun.devices.cuda.fused_unit import fused_unit
from zkrun.devices.cuda.launch import Values, kernels, view
from zkrun.devices.cuda.queue import Queue
from zkrun.errors import RunFailed
from zkrun.program.functions.expr import parse
from zkrun.program.signature import Call
from zkrun.program.types import Scalar

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.functions import Launch

__all__ = ["fused_arith"]

_MOST_VIEWS = 1000  # of 32 bytes, in the 32764 bytes that the struct of a kernel may have


def fused_arith(call: Call, device: CudaDevice) -> Launch:
    graph = parse(call.params.expr, call.curve.r)
    scalars = tuple(isinstance(typ, Scalar) for typ in call.immutable)
    outputs = len(call.mutable)
    if outputs + len(scalars) > _MOST_VIEWS:
        raise RunFailed(
            f"fused_arith: on a GPU one call takes {_MOST_VIEWS} arrays and scalars, not "
            f"{outputs + len(scalars)}; split the expression"
        )
    kernel = kernels(fused_unit(graph, call.curve, scalars, outputs))["fused"]
    padding = b"" if scalars else bytes(32)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        count = mutable[0].length
        views = b"".join(map(view, (*mutable, *immutable)))
        payload = struct.pack("<2Q", count, 0) + views + padding
        launch_elements(kernel, queue.handle, count, payload)

    return launch
