"""A GPU without one: memory of its own in the host's, streams as threads, the CPU's functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkrun.devices.base import Device
    from zkrun.devices.registry import DeviceInfo, Settings

__all__ = ["describe", "open_device"]


def open_device(name: str, settings: Settings) -> Device:
    """A virtual GPU for one run."""
    from zkrun.devices.virtual.device import VirtualGpu

    return VirtualGpu(name, settings.limits.get(name), settings.shuffle)


def describe() -> list[DeviceInfo]:
    """One entry that stands for all virtual GPUs: there are as many as a program names."""
    from zkrun.devices.registry import DeviceInfo

    details = {"use": "--gpu virtual"}
    return [DeviceInfo("gpu:*", "virtual", "virtual GPUs, computed by the CPU", details=details)]
