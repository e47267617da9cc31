"""One device of each kind that computes, closed after the test, with nothing left taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zkrun.devices.base import Device
from zkrun.devices.registry import close_devices, open_devices


@pytest.fixture(params=["cpu", "gpu:0"])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    devices = open_devices([request.param], gpu="virtual")
    yield devices[request.param]
    close_devices(devices)
    assert devices[request.param].account.current == 0
