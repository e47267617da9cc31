"""A card in slot 9. A real one would talk to its driver; this one is a virtual GPU inside."""

from zkrun.devices import virtual
from zkrun.devices.base import Device
from zkrun.devices.registry import DeviceInfo, Settings

__all__ = ["describe", "open_device"]


def describe() -> list[DeviceInfo]:
    """The devices of this kind on this machine."""
    return [DeviceInfo("gpu:9", "example", "the example accelerator")]


def open_device(name: str, settings: Settings) -> Device:
    """Opens one of them for a run."""
    return virtual.open_device(name, settings)
