"""NVIDIA GPUs, through CuPy. Nothing outside this folder imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkrun.devices.base import Device
    from zkrun.devices.registry import DeviceInfo, Settings, Warmed
    from zkrun.program.signature import Call

__all__ = ["buffer", "describe", "missing", "open_device", "warm", "workspace"]


def open_device(name: str, settings: Settings) -> Device:
    """One GPU of this machine for one run."""
    from zkrun.devices.cuda.device import CudaDevice

    return CudaDevice(
        name, int(name.removeprefix("gpu:")), settings.limits.get(name), settings.notify
    )


def describe() -> list[DeviceInfo]:
    """The GPUs of this machine; none without CuPy or a driver."""
    from zkrun.devices.cuda.description import gpus

    return gpus()


def missing() -> str | None:
    """What to install where no GPU can be used, if anything would help."""
    from zkrun.devices.cuda.description import problem

    return problem()


def workspace(calls: Sequence[Call]) -> int:
    """The most bytes that calls take beside their operands, known without a GPU."""
    from zkrun.devices.cuda.plans.scratch import workspace_bytes

    return workspace_bytes(calls)


def buffer(call: Call) -> int:
    """The bytes of a buffer that is large enough as workspace of a call, known without a GPU."""
    from zkrun.devices.cuda.plans.scratch import buffer_bytes

    return buffer_bytes(call)


def warm(notify: Callable[[str], None]) -> list[Warmed]:
    """Compiles all kernels for the GPUs of this machine; those of fused_arith are the program's."""
    from zkrun.devices.cuda.kernels.warm import compile_for_gpus

    return compile_for_gpus(notify)
