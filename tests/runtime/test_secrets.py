"""What a run must not leave behind: the witness, and what blinds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from Crypto.Cipher import ChaCha20
from program_kit import allocate, array, numbers, program, result, run

from zkrun.algebra.curves import CURVES
from zkrun.runtime import blind, engine, random


def remembered(call: Callable[..., Any], kept: list[Any]) -> Callable[..., Any]:
    """The same call, which keeps what it returns."""

    def wrapped(*arguments: Any) -> Any:
        kept.append(call(*arguments))
        return kept[-1]

    return wrapped


def test_what_blinds_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bytearray] = []
    for name in ("keystream", "wide_reduce"):
        monkeypatch.setattr(blind, name, remembered(getattr(blind, name), kept))
    document = program(
        allocate(0, array(5), "gpu:0"),
        {"op": "Blind", "dst": 0, "start": 0, "end": 5},
        result(0),
    )
    assert all(numbers(run(document)))
    assert [len(buffer) for buffer in kept] == [5 * 64, 5 * 32]
    assert not any(map(any, kept))


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


def test_what_blinds_is_the_key_stream_of_its_number() -> None:
    document = program(
        allocate(0, array(3)),
        {"op": "Blind", "dst": 0, "start": 0, "end": 3},
        result(0),
    )
    cipher = ChaCha20.new(key=random.key(9), nonce=bytes(12))
    stream = cipher.encrypt(bytes(3 * 64))
    drawn = [int.from_bytes(stream[at : at + 64], "little") for at in range(0, 3 * 64, 64)]
    order = CURVES["bn254"].r
    assert numbers(run(document, seed=9)) == [number % order for number in drawn]
