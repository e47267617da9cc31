"""The CPU as a device: what all host devices have, and transcripts; no streams."""

from __future__ import annotations

from collections.abc import Callable

from zkrun.devices.base import Clock, Stream
from zkrun.devices.host_device import HostDevice
from zkrun.errors import RunFailed

__all__ = ["CpuDevice"]


class CpuDevice(HostDevice):
    """Work on it runs in the thread that asks for it."""

    def open_stream(self, clock: Clock, fail: Callable[[int, BaseException], None]) -> Stream:
        raise RunFailed(f"{self.name} has no streams; they belong to a GPU")
