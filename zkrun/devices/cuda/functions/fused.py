"""fused_arith: one kernel generated for each expression, one pass over memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from zkrun.devices.cuda.functions.elementwise import of_elements
from zkrun.devices.cuda.functions.launch import Kernel, Launch, kernels
from zkrun.devices.cuda.kernels.fused_unit import FEW_OPERANDS, fused_of
from zkrun.devices.cuda.streams.rows import (
    VIEW_BYTES,
    Given,
    Part,
    Step,
    Steps,
    immutable_operand,
    mutable_operand,
    scratch_memory,
    size,
)
from zkrun.program.signature import Call
from zkrun.program.types import length

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice

__all__ = ["fused_arith"]


def fused_arith(call: Call, device: CudaDevice) -> Launch:
    fused = fused_of(call)
    found = kernels(fused.unit)
    keep = found.get("keep_operands")
    count, outputs = length(call.mutable[0]), len(call.mutable)
    operands = outputs + len(fused.inputs)
    job: list[Part] = [count, 0, *map(Given, range(operands))]
    if not fused.inputs:
        job.append(bytes(VIEW_BYTES))
    nbytes, steps = sum(map(size, job)), list[Step]()
    if keep is not None:  # the job is too large for a kernel's arguments: it is put in memory
        steps += _keep(keep, job, operands)
        job = [Given(operands, 0)]
    steps.append(of_elements(found["fused"], count, *job, each=fused.each))
    in_order = Steps(steps if count else [], operands + (keep is not None))
    of_call = *map(mutable_operand, range(outputs)), *map(immutable_operand, fused.inputs)
    return in_order.launch(*of_call, *([] if keep is None else [scratch_memory(nbytes)]))


def _keep(keep: Kernel, job: Sequence[Part], memory: int) -> Iterator[Step]:
    """What puts a job at an address, so many parts of it at a time as a kernel can bring along."""
    start = 0
    for first in range(0, len(job), FEW_OPERANDS):
        parts = job[first : first + FEW_OPERANDS]
        nbytes = sum(map(size, parts))
        padding = bytes(VIEW_BYTES * FEW_OPERANDS - nbytes)
        yield keep.step(1, 256, [Given(memory, start), nbytes // 16, *parts, padding])
        start += nbytes
