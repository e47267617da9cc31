"""The CPU: host memory, and the functions of the native extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkrun.devices.base import Device
    from zkrun.devices.registry import DeviceInfo, Settings
    from zkrun.program.signature import Call

__all__ = ["describe", "open_device", "workspace"]


def open_device(name: str, settings: Settings) -> Device:
    """The CPU for one run."""
    from zkrun.devices.cpu.device import CpuDevice

    return CpuDevice(name, settings.limits.get(name))


def describe() -> list[DeviceInfo]:
    """The one CPU of this machine."""
    from zkrun.devices.cpu.description import describe_cpu

    return [describe_cpu()]


def workspace(calls: Sequence[Call], threads: int | None = None) -> int:
    """The most bytes that calls take beside their operands, with so many threads or fewer."""
    from zkrun.devices.cpu.scratch import THREADS, workspace_bytes

    return workspace_bytes(calls, threads or THREADS)
