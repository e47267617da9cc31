"""One device of each kind that computes, closed after the test, with nothing left taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zkrun.devices.base import Device
from zkrun.devices.registry import close_devices, describe_devices, open_devices


@pytest.fixture(params=["cpu", "gpu:0", pytest.param("real gpu:0", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    name = request.param.removeprefix("real ")
    if name == request.param:
        devices = open_devices([name], gpu="virtual")
    elif any(info.name == name for info in describe_devices()):
        devices = open_devices([name])
    else:
        pytest.skip("needs an NVIDIA GPU and CuPy")
    yield devices[name]
    close_devices(devices)
    assert devices[name].account.current == 0
