"""Which devices there are, and what is said of those that are not."""

from __future__ import annotations

import importlib.metadata
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from zkrun.devices import registry
from zkrun.devices.base import Device
from zkrun.devices.cpu.device import CpuDevice
from zkrun.devices.registry import DeviceInfo, Settings, describe_devices, open_devices
from zkrun.errors import RunFailed, UsageError


def test_an_absent_gpu_says_what_is_there_and_the_way_out() -> None:
    with pytest.raises(RunFailed, match=r"gpu:7.*it has: cpu, .*disk.*--gpu virtual"):
        open_devices(["cpu", "gpu:7"])


def test_nothing_stays_open_where_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    close = CpuDevice.close

    def note(self: CpuDevice) -> None:
        closed.append(self.name)
        close(self)

    monkeypatch.setattr(CpuDevice, "close", note)
    with pytest.raises(RunFailed):
        open_devices(["cpu", "gpu:7"])
    assert closed == ["cpu"]


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="no device is called"):
        open_devices(["tpu:0"])


def test_any_number_of_virtual_gpus() -> None:
    names = ["cpu", "gpu:0", "gpu:12", "disk", "cpu"]
    devices = open_devices(names, gpu="virtual")
    assert list(devices) == ["cpu", "gpu:0", "gpu:12", "disk"]
    assert all(device.name == name for name, device in devices.items())
    registry.close_devices(devices)
    registry.close_devices(devices)


def test_descriptions() -> None:
    infos = describe_devices()
    names = [info.name for info in infos]
    assert names[0] == "cpu"
    assert names[-2:] == ["disk", "gpu:*"]
    cpu = infos[0]
    assert 0 < (cpu.available or 0) <= (cpu.total or 0)
    assert cpu.details["kernels in use"] in ("portable", "adx", "ifma")


class Accelerator:
    """A device of an installed package, as its entry point loads to."""

    @staticmethod
    def describe() -> list[DeviceInfo]:
        return [DeviceInfo("gpu:1", "accelerator", "a card")]

    @staticmethod
    def open_device(name: str, settings: Settings) -> Device:
        return CpuDevice(name, settings.limits.get(name))


accelerator = Accelerator()


def test_devices_of_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("accelerator", f"{__name__}:accelerator", "zkrun.devices")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [entry])
    devices = open_devices(["gpu:1"], limits={"gpu:1": 1000})
    assert devices["gpu:1"].name == "gpu:1"
    registry.close_devices(devices)
    assert "gpu:1" in [info.name for info in describe_devices()]
    with pytest.raises(RunFailed, match=r"gpu:0.*it has: cpu, gpu:1"):
        open_devices(["gpu:0"])


def test_a_package_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    entry: Any = EntryPoint("broken", "no_such_module_anywhere:device", "zkrun.devices")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [entry])
    with pytest.raises(RunFailed, match=r"'broken' .* cannot be loaded"):
        open_devices(["gpu:0"])
    open_devices(["gpu:0"], gpu="virtual")["gpu:0"].close()
