"""What a small document may ask for: refused before it is built, whatever the encoding."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from zkrun.errors import InvalidProgram
from zkrun.program import decode, msgpack_scan, reading, shape
from zkrun.program.limits import MAX_WIDE
from zkrun.program.reading import read_document

ENCODINGS: list[Callable[[Any], bytes]] = [
    msgpack.packb,
    lambda document: json.dumps(document, separators=(",", ":")).encode(),
]

GREEDY: dict[str, Any] = {
    "empty lists": [[]] * 20_000,
    "lists of one": [[1]] * 20_000,
    "empty maps": [{}] * 20_000,
    "maps of one key": [{"a": 1}] * 20_000,
    "maps of wide keys": [{f"k{key}": 0 for key in range(6)}] * 4_000,
    "short texts": ["ab"] * 20_000,
}
FRUGAL: dict[str, Any] = {
    "small integers": [1] * 20_000,
    "one text": "a" * 20_000,
    "keys that repeat": [{"a": 1, "b": 2, "c": 3}] * 500,
}


def refusal(data: bytes) -> str | None:
    try:
        read_document(data)
    except InvalidProgram as error:
        return error.diagnostics[0].rule
    return None


@pytest.mark.parametrize("encode", ENCODINGS, ids=["msgpack", "json"])
@pytest.mark.parametrize("name", GREEDY)
def test_what_grows_in_memory_is_counted(
    name: str, encode: Callable[[Any], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode({"a": GREEDY[name]})
    assert refusal(data) is None
    for module in (msgpack_scan, reading):
        monkeypatch.setattr(module, "MAX_BUILT", 300_000)
    assert refusal(data) == "ZK002"


@pytest.mark.parametrize("encode", ENCODINGS, ids=["msgpack", "json"])
@pytest.mark.parametrize("name", FRUGAL)
def test_what_does_not_grow_is_not(
    name: str, encode: Callable[[Any], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (msgpack_scan, reading):
        monkeypatch.setattr(module, "MAX_BUILT", 300_000)
    assert refusal(encode({"a": FRUGAL[name]})) is None


def test_the_count_is_no_less_than_what_python_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By sys.getsizeof, for a document of many short maps, lists, texts and integers."""
    rows = [{"op": f"o{i}", "ids": [i, i + 1000], "typ": {"kind": "k"}} for i in range(1000)]
    data = msgpack.packb({"a": rows})

    def size(value: Any) -> int:
        own = sys.getsizeof(value) if not isinstance(value, int) or value > 256 else 0
        if isinstance(value, dict):
            return own + sum(map(size, value.values()))
        return own + (sum(map(size, value)) if isinstance(value, list) else 0)

    monkeypatch.setattr(msgpack_scan, "MAX_BUILT", size(msgpack.unpackb(data)))
    assert refusal(data) == "ZK002"
    monkeypatch.setattr(msgpack_scan, "MAX_BUILT", 2 * msgpack_scan.MAX_BUILT)
    assert refusal(data) is None


def test_wide_characters_in_a_large_document() -> None:
    text = b"a" * MAX_WIDE
    assert refusal(b'{"a":"' + text + b'"}') is None
    assert refusal(b'{"a":"' + text + "é".encode() + b'"}') == "ZK002"


def test_keys_that_stand_twice_are_found_deep_inside() -> None:
    inner = b"\x82\xa1a\x01\xa1a\x02"
    with pytest.raises(InvalidProgram) as caught:
        read_document(b"\x81\xa1x\x93\x01\x80" + inner)
    assert (caught.value.diagnostics[0].rule, caught.value.diagnostics[0].path) == (
        "ZK003",
        "/x/2/a",
    )


def test_numbers_written_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def constant(kind: str, length: int, **more: str) -> dict[str, Any]:
        typ = {"kind": kind, "len": length, **more}
        return {"name": kind, "typ": typ, "data": {"values": [None] * length}}

    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "constants": [
            constant("ScalarArray", 10),
            constant("PointArray", 10),
            constant("PointArray", 10, group="g2"),
        ],
        "instructions": [],
    }
    data = json.dumps(document).encode()
    monkeypatch.setattr(shape, "MAX_NUMBERS", 70)
    assert len(decode.decode(data).constants) == 3
    monkeypatch.setattr(shape, "MAX_NUMBERS", 69)
    with pytest.raises(InvalidProgram) as caught:
        decode.decode(data)
    (found,) = caught.value.diagnostics
    assert (found.rule, found.path) == ("ZK002", "/constants/2/data/values")
