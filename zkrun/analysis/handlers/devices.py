"""Which streams fit which devices."""

from __future__ import annotations

from collections.abc import Sequence

from zkrun.analysis.machine import Machine
from zkrun.analysis.reporter import Refused
from zkrun.analysis.rules import operands
from zkrun.analysis.values import Value
from zkrun.program import types

__all__ = ["is_gpu", "stream_on"]


def is_gpu(device: str) -> bool:
    return types.gpu_index(device) is not None


def stream_on(
    m: Machine, id: int, stream: Value, devices: Sequence[str], what: str, operand: str = "/stream"
) -> None:
    """Refuses a stream that is of none of these devices, where `what` says why these."""
    device = stream.storage.device
    if device in devices:
        return
    gpus = [device for device in devices if is_gpu(device)]
    places = " and ".join(dict.fromkeys(devices))
    raise Refused(
        operands.WRONG_STREAM,
        f"stream {m.report.variable(id)} is of {device}; the {what} on {places}",
        f"use a stream of {' or '.join(gpus)}" if gpus else "leave the stream out",
        operand,
    )
