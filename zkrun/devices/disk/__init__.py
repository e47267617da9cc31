"""The disk: arrays in a temporary file that has no name, and so is gone with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkrun.devices.base import Device
    from zkrun.devices.registry import DeviceInfo, Settings

__all__ = ["describe", "open_device"]


def open_device(name: str, settings: Settings) -> Device:
    """The disk for one run."""
    from zkrun.devices.disk.device import DiskDevice

    return DiskDevice(name, settings.folder, settings.limits.get(name))


def describe() -> list[DeviceInfo]:
    """The file system of the folder for temporary files."""
    import os
    import tempfile

    from zkrun.devices.account import bytes_text
    from zkrun.devices.registry import DeviceInfo

    folder = tempfile.gettempdir()
    stat = os.statvfs(folder)
    total, available = stat.f_frsize * stat.f_blocks, stat.f_frsize * stat.f_bavail
    details = {
        "folder": folder,
        "space": bytes_text(total),
        "space available": bytes_text(available),
    }
    return [DeviceInfo("disk", "disk", f"files in {folder}", total, available, details)]
