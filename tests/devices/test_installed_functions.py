"""Functions of installed packages, with what `zkrun.devices.host` offers them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from device_values import bind, call, place, scalar_values, scalars

from zkrun.algebra.curves import BN254
from zkrun.devices import host
from zkrun.devices.base import Data, Device, Function
from zkrun.errors import RunFailed
from zkrun.program.functions import registry
from zkrun.program.signature import Argument, Call, Signature
from zkrun.program.types import ScalarArray

REVERSE = Signature(
    "reverse",
    "b ← a backwards.",
    mutable=(Argument("b", ("ScalarArray",), "writes"),),
    immutable=(Argument("a", ("ScalarArray",)),),
)


def reverse(call: Call) -> Function:
    def run(mutable: Sequence[Data], immutable: Sequence[Data]) -> None:
        limbs = np.frombuffer(host.read(immutable[0]), "<u8").reshape(-1, 4)
        host.write(mutable[0], limbs[::-1].tobytes())

    return run


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    package = SimpleNamespace(signature=REVERSE, implementations={"cpu": reverse})
    registry._load.cache_clear()
    entry = SimpleNamespace(
        name="reverse", value="package:reverse", dist=None, load=lambda: package
    )
    monkeypatch.setattr(registry, "_entries", lambda: {"reverse": entry})
    yield package
    registry._load.cache_clear()


def test_an_installed_function_runs_on_every_host_device(device: Device) -> None:
    if not device.host_memory:
        pytest.skip("the package implements it for the host's memory")
    values = list(range(9))
    out = place(device, ScalarArray(9), BN254, "rotated")
    call(device, BN254, "reverse", {}, [out], [scalars(device, BN254, values, "wrapped slice")])
    assert scalar_values(out, BN254) == values[::-1]


def test_a_function_without_an_implementation_here(
    device: Device, installed: SimpleNamespace
) -> None:
    if not device.host_memory:
        pytest.skip("the package implements it for GPUs")
    installed.implementations = {"cuda": reverse}
    arrays = [scalars(device, BN254, [1]) for _ in range(2)]
    with pytest.raises(RunFailed, match=r"reverse: .* no implementation for the CPU"):
        bind(device, BN254, "reverse", {}, arrays[:1], arrays[1:])
