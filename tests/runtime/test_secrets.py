"""What a run must not leave behind: the witness, and what blinds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from Crypto.Cipher import ChaCha20
from program_kit import allocate, array, numbers, program, result, run

from zkrun.algebra.curves import BN254
from zkrun.devices.base import Block, Cancelled, Data
from zkrun.program.types import ScalarArray
from zkrun.runtime import blind, engine, random
from zkrun.runtime.images import to_canonical


def remembered(call: Callable[..., Any], kept: list[Any]) -> Callable[..., Any]:
    """The same call, which keeps what it returns."""

    def wrapped(*arguments: Any) -> Any:
        kept.append(call(*arguments))
        return kept[-1]

    return wrapped


class Elsewhere:
    """A device whose memory is not the host's; keeps what is written to it, and the buffers."""

    host_memory: ClassVar[bool] = False

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at
        self.values: list[tuple[int, int, bytes]] = []
        self.buffers: list[memoryview] = []

    def write(self, data: Data, payload: memoryview) -> None:
        self.values.append((data.offset, data.length, bytes(payload)))
        self.buffers.append(payload)
        if len(self.values) == self.fail_at:
            raise OSError("the device is gone")

    def array(self, whole: int, offset: int, length: int) -> Data:
        device: Any = self
        block = Block(device, 0, 32 * whole)
        return Data(ScalarArray(length), block, 0, 32, whole, offset, length)


def drawn(key: bytes, number: int, n: int) -> list[int]:
    """The elements of Blind `number`, of another ChaCha20 and of Python's integers."""
    stream = ChaCha20.new(key=key, nonce=number.to_bytes(12, "little")).encrypt(bytes(64 * n))
    return [int.from_bytes(stream[at : at + 64], "little") % BN254.r for at in range(0, 64 * n, 64)]


def integers(image: bytes) -> list[int]:
    plain = to_canonical(ScalarArray(len(image) // 32), image, BN254)
    return [int.from_bytes(plain[at : at + 32], "little") for at in range(0, len(plain), 32)]


def test_memory_elsewhere_is_written_in_pieces_and_what_blinds_it_is_wiped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blind, "_PIECE", 16)
    device = Elsewhere()
    key = random.key(4)
    blind.overwrite(device.array(50, 45, 45), 2, 39, BN254, key, 3, [])
    assert [value[:2] for value in device.values] == [(47, 16), (13, 16), (29, 5)]
    written = b"".join(image for _, _, image in device.values)
    assert integers(written) == drawn(key, 3, 37)
    assert not any(map(any, device.buffers))


def test_what_blinds_is_wiped_where_the_device_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind, "_PIECE", 16)
    device = Elsewhere(fail_at=2)
    with pytest.raises(OSError, match="gone"):
        blind.overwrite(device.array(50, 0, 50), 0, 50, BN254, random.key(4), 0, [])
    assert len(device.buffers) == 2
    assert all(map(any, (image for _, _, image in device.values)))
    assert not any(map(any, device.buffers))


def test_a_run_that_has_failed_draws_nothing() -> None:
    device = Elsewhere()
    with pytest.raises(Cancelled):
        blind.overwrite(device.array(50, 0, 50), 0, 50, BN254, random.key(4), 0, [True])
    assert not device.values


@pytest.mark.parametrize("place", ["cpu", "gpu:0"])
def test_memory_of_the_host_is_written_in_pieces(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(blind, "_PIECE", 16)
    document = program(
        allocate(0, array(50), place),
        {"op": "Blind", "dst": 0, "start": 0, "end": 50},
        {"op": "Rotation", "src": 0, "dst": 1, "shift": 7},
        {"op": "Blind", "dst": 1, "start": 1, "end": 40},
        result(0),
    )
    want = drawn(random.key(9), 0, 50)
    for i, value in enumerate(drawn(random.key(9), 1, 39), start=1):
        want[(i - 7) % 50] = value
    assert numbers(run(document, seed=9)) == want


def test_the_images_of_inputs_are_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[list[bytearray]] = []
    monkeypatch.setattr(engine, "load_inputs", remembered(engine.load_inputs, kept))
    document = program(
        {"op": "LoadInput", "src": 0, "dst": 0},
        result(0),
        inputs=[{"name": "x", "typ": array(3)}],
    )
    assert numbers(run(document, {"x": [7, 8, 9]})) == [7, 8, 9]
    assert kept == [[bytearray(3 * 32)]]
