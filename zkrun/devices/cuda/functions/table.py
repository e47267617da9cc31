"""The functions of the table on a GPU.

One factory a function: it gets a call and its device, compiles and prepares what the call needs
before the run, and returns what launches it. What only the values can show fails the run when the
GPU has come to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkrun.devices.base import Function, Value
from zkrun.devices.cuda.functions.elementwise import (
    distribute_powers,
    fill,
    pairwise,
    poly_scale,
    scalar_invert,
    scalar_pow,
)
from zkrun.devices.cuda.functions.fused import fused_arith
from zkrun.devices.cuda.functions.launch import Factory, Launch
from zkrun.devices.cuda.functions.msm import msm
from zkrun.devices.cuda.functions.ntt import ntt
from zkrun.devices.cuda.functions.permute import permute
from zkrun.devices.cuda.functions.recurrences import batch_invert, evaluate, kate_division, scan_mul
from zkrun.devices.cuda.streams.queue import MustBlock, Queue
from zkrun.errors import RunFailed
from zkrun.program.signature import Call

__all__ = ["FACTORIES", "installed"]

FACTORIES: dict[str, Factory] = {
    "ntt": ntt,
    "msm": msm,
    "poly_add": pairwise("add"),
    "poly_sub": pairwise("subtract"),
    "poly_mul": pairwise("multiply"),
    "poly_scale": poly_scale,
    "fused_arith": fused_arith,
    "batch_invert": batch_invert,
    "scalar_invert": scalar_invert,
    "scalar_pow": scalar_pow,
    "evaluate": evaluate,
    "kate_division": kate_division,
    "scan_mul": scan_mul,
    "distribute_powers": distribute_powers,
    "permute": permute,
    "fill": fill,
}
"""Every function of the table that runs on a GPU, by its name."""


def installed(call: Call) -> Launch:
    """The implementation of an installed package, which launches on CuPy's current stream."""
    from zkrun.program.functions.registry import implementations

    name = call.signature.name
    factory = implementations(name).get("cuda")
    if factory is None:
        raise RunFailed(f"{name}: the package that names it has no implementation for GPUs")
    function: Function = factory(call)

    def launch(queue: Queue, mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
        if queue.captures:
            raise MustBlock  # it may take memory of CuPy's, which a graph cannot keep
        with queue.cupy_stream():
            function(mutable, immutable)

    return launch
