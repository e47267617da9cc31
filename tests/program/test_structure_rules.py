"""Each rule of decoding: a document that it rejects, with the place, and one that it accepts."""

from typing import Any

import pytest
from documents import SCALAR, as_json, as_msgpack, constant, document

from zkrun.errors import InvalidProgram
from zkrun.program.decode import decode
from zkrun.program.diagnostic import STRUCTURE_RULES
from zkrun.program.limits import MAX_DEPTH, MAX_KEYS

JOIN = {"op": "Join", "thread": 0}
FILE = {"file": "a.bin", "nbytes": 32, "encoding": "canonical"}


def nested(depth: int) -> dict[str, Any]:
    """A document of exactly `depth` maps and lists within one another."""
    value: Any = []
    for _ in range(depth - 5):
        value = [value]
    return document(constants=[constant({"values": value})])


REJECTED: list[tuple[str, Any, str]] = [
    ("ZK001", b"", ""),
    ("ZK001", b" \n", ""),
    ("ZK001", b"hello", ""),
    ("ZK001", b"[]", ""),
    ("ZK001", b"\xef\xbb\xbf{}", ""),
    ("ZK001", b'{"format":', ""),
    ("ZK001", b"{'format':1}", ""),
    ("ZK001", as_msgpack(document())[:-1], ""),
    ("ZK001", b"\x81\xa1a\xdd\xff\xff\xff\xff", ""),
    ("ZK001", b"\x81\xa1a\xdb\xff\xff\xff\xff", ""),
    ("ZK001", b"\x81\xa1a\xcf\x00", ""),
    ("ZK001", b"\xde", ""),
    ("ZK002", nested(MAX_DEPTH + 1), ""),
    ("ZK002", b'{"a":' + b"[" * 200_000, ""),
    ("ZK002", b"\x81\xa1a" + b"\x91" * 200_000, ""),
    ("ZK002", document(**{f"k{i}": 0 for i in range(MAX_KEYS)}), ""),
    ("ZK001", b"\xdf\xff\xff\xff\xff", ""),
    ("ZK003", b'{"format":"zkrun","format":"zkrun"}', "/format"),
    ("ZK003", b'{"a":[0,{"b~/":1,"b~\\u002f":1}]}', "/a/1/b~0~1"),
    ("ZK003", b"\x82\xa1a\x01\xa1a\x01", "/a"),
    ("ZK004", b'{"a":"\xff"}', ""),
    ("ZK004", as_json(document(name="\ud800")), "/name"),
    ("ZK004", b'{"\\ud800":1,"\\ud800":2}', ""),
    ("ZK004", b"\x81\xa1a\xa1\xff", ""),
    ("ZK004", b"\x81\x01\x01", ""),
    ("ZK004", b"\x81\xc4\x01a\x01", ""),
    ("ZK004", b"\x81\xa1a\xd4\x01\x00", ""),
    ("ZK004", b"\x81\xa1a\xd6\xff\x00\x00\x00\x00", ""),
    (  # which `inspect --json` could not print
        "ZK004",
        as_msgpack(document(functions=[{"name": "fill", "params": {"value": [b"x"]}}])),
        "/functions/0/params",
    ),
    ("ZK005", {"version": 1}, ""),
    ("ZK005", {"format": "zkrun"}, ""),
    ("ZK005", document(format="zkpoly"), "/format"),
    ("ZK005", document(version=2), "/version"),
    ("ZK005", document(version=True), "/version"),
    ("ZK005", document(version=1.0), "/version"),
    ("ZK005", document(version="1"), "/version"),
    ("ZK006", {"format": "zkrun", "version": 1, "curve": "bn254"}, ""),
    ("ZK006", {"format": "zkrun", "version": 1, "instructions": []}, ""),
    ("ZK006", document({"op": "Join"}), "/instructions/0"),
    ("ZK006", document({"thread": 1}), "/instructions/0"),
    ("ZK006", document({"op": "FuncCall", "func_id": 0, "arg": []}), "/instructions/0"),
    ("ZK006", document({"op": "Fork", "new_thread": 0}), "/instructions/0"),
    ("ZK006", document(inputs=[{"name": "a", "typ": {"kind": "ScalarArray"}}]), "/inputs/0/typ"),
    ("ZK006", document(inputs=[{"name": "a", "typ": {}}]), "/inputs/0/typ"),
    ("ZK007", document(Curve="bn254"), "/Curve"),
    ("ZK007", document(folder="/"), "/folder"),
    ("ZK007", document({**JOIN, "stream": 1}), "/instructions/0/stream"),
    ("ZK007", document({**JOIN, "Join": 1}), "/instructions/0/Join"),
    ("ZK007", document(inputs=[{"name": "a", "typ": {**SCALAR, "len": 1}}]), "/inputs/0/typ/len"),
    ("ZK007", document(functions=[{"name": "ntt", "param": {}}]), "/functions/0/param"),
    (
        "ZK007",
        document(constants=[constant({"values": 1, "file": "a"})]),
        "/constants/0/data/file",
    ),
    ("ZK008", document({"op": "Join", "thread": True}), "/instructions/0/thread"),
    ("ZK008", document({"op": "Join", "thread": 1.0}), "/instructions/0/thread"),
    (
        "ZK008",
        b'{"format":"zkrun","version":1,"curve":"bn254","instructions":[NaN]}',
        "/instructions/0",
    ),
    ("ZK008", document({"op": "Join", "thread": "1"}), "/instructions/0/thread"),
    ("ZK008", document({"op": "Join", "thread": None}), "/instructions/0/thread"),
    ("ZK008", document({"op": ["Join"]}), "/instructions/0"),
    ("ZK008", document([]), "/instructions/0"),  # type: ignore[arg-type]  # what is rejected
    ("ZK008", document(instructions={}), "/instructions"),
    ("ZK008", document(name=1), "/name"),
    ("ZK008", document(functions=[{"name": "ntt", "params": []}]), "/functions/0/params"),
    ("ZK008", document(functions=None), "/functions"),
    ("ZK008", document(memory={"cpu": True}), "/memory/cpu"),
    ("ZK008", document(memory=[]), "/memory"),
    ("ZK008", document(variables={"1": 1}), "/variables/1"),
    ("ZK008", document({"op": "Print", "id": 1, "label": None}), "/instructions/0/label"),
    ("ZK009", document({"op": "Join", "thread": -1}), "/instructions/0/thread"),
    ("ZK009", as_json(document({"op": "Join", "thread": 2**64})), "/instructions/0/thread"),
    ("ZK009", as_json(document({"op": "Join", "thread": 10**300})), "/instructions/0/thread"),
    ("ZK009", b'{"a":' + b"1" * 1_000_000 + b"}", ""),
    (
        "ZK009",
        as_json(document({"op": "Rotation", "src": 0, "dst": 1, "shift": -(2**63) - 1})),
        "/instructions/0/shift",
    ),
    ("ZK009", as_json(document(memory={"cpu": 2**64})), "/memory/cpu"),
    ("ZK010", document({"op": "Alocate"}), "/instructions/0"),
    ("ZK010", document({"op": "join", "thread": 0}), "/instructions/0"),
    ("ZK011", document(inputs=[{"name": "a", "typ": {"kind": "scalar"}}]), "/inputs/0/typ"),
    ("ZK011", document(inputs=[{"name": "a", "typ": {"kind": "Stream"}}]), "/inputs/0/typ"),
    (
        "ZK011",
        document(constants=[constant({"values": 1}, typ={"kind": "Tuple", "items": []})]),
        "/constants/0/typ",
    ),
    ("ZK012", document(curve="bn128"), "/curve"),
    ("ZK012", document(curve=1), "/curve"),
    (
        "ZK012",
        document(inputs=[{"name": "a", "typ": {"kind": "Point", "group": "G1"}}]),
        "/inputs/0/typ/group",
    ),
    (
        "ZK012",
        document(constants=[constant({**FILE, "encoding": "raw"})]),
        "/constants/0/data/encoding",
    ),
    (
        "ZK013",
        as_json(document(constants=[constant({"bytes": "AA=", "encoding": "canonical"})])),
        "/constants/0/data/bytes",
    ),
    (
        "ZK013",
        as_json(document(constants=[constant({"bytes": "AB==", "encoding": "canonical"})])),
        "/constants/0/data/bytes",
    ),
    (
        "ZK013",
        as_json(document(constants=[constant({"bytes": "A A=", "encoding": "canonical"})])),
        "/constants/0/data/bytes",
    ),
    (
        "ZK013",
        as_msgpack(document(constants=[constant({"bytes": "AAAA", "encoding": "canonical"})])),
        "/constants/0/data/bytes",
    ),
    ("ZK014", document(inputs=[{"name": "a", "typ": SCALAR}] * 2), "/inputs/1"),
    ("ZK015", document(memory={"gpu": 1}), "/memory/gpu"),
    ("ZK015", document(memory={"gpu:01": 1}), "/memory/gpu:01"),
    (
        "ZK015",
        document({"op": "Allocate", "device": "GPU:0", "typ": SCALAR, "id": 0}),
        "/instructions/0/device",
    ),
    ("ZK015", document({"op": "Wait", "slave": "cpu\n", "event": 0}), "/instructions/0/slave"),
    ("ZK016", document(constants=[constant({})]), "/constants/0/data"),
    ("ZK016", document(constants=[constant(1)]), "/constants/0/data"),
    ("ZK016", document(constants=[constant(None)]), "/constants/0/data"),
    ("ZK016", document(constants=[constant({"value": 1})]), "/constants/0/data"),
    *(
        ("ZK017", document(constants=[constant({**FILE, "file": name})]), "/constants/0/data/file")
        for name in ("/etc/passwd", "../a", "a/../../b", "a/..", "..", "", ".", "a\0")
    ),
    (
        "ZK017",
        document(constants=[constant({**FILE, "sha256": "00"})]),
        "/constants/0/data/sha256",
    ),
    ("ZK018", document(variables={"a": "b"}), "/variables/a"),
    ("ZK018", document(variables={"01": "b"}), "/variables/01"),
    ("ZK018", document(variables={"-1": "b"}), "/variables/-1"),
    ("ZK018", document(variables={str(2**64): "b"}), f"/variables/{2**64}"),
    ("ZK019", as_json(document()) + b"{}", ""),
    ("ZK019", as_json(document()) + b"\0", ""),
    ("ZK019", as_msgpack(document()) + b"\n", ""),
]

ACCEPTED: list[tuple[str, Any]] = [
    ("ZK001", as_json(document())),
    ("ZK001", b" \r\n\t" * 40 + as_json(document()) + b" \n"),
    ("ZK001", as_msgpack(document())),
    ("ZK002", nested(MAX_DEPTH)),
    ("ZK002", document(variables={str(i): "v" for i in range(2 * MAX_KEYS)})),
    ("ZK003", document(JOIN, JOIN)),
    ("ZK004", as_json(document(name="\U0001f511 é"))),
    ("ZK004", as_msgpack(document(name="\U0001f511 é"))),
    ("ZK005", document()),
    ("ZK006", document({"op": "FuncCall", "func_id": 0, "arg_mut": [], "arg": []})),
    ("ZK007", document({**JOIN, "track": "t", "source": "a.py:1"})),
    ("ZK008", document({"op": "Record", "event": 0, "stream": None})),
    ("ZK009", document({"op": "Join", "thread": 2**64 - 1})),
    ("ZK009", document({"op": "Rotation", "src": 0, "dst": 1, "shift": -(2**63)})),
    ("ZK009", document({"op": "Rotation", "src": 0, "dst": 1, "shift": 2**64 - 1})),
    (
        "ZK010",
        document({"op": "Allocate", "device": "gpu:12", "typ": {"kind": "Stream"}, "id": 0}),
    ),
    ("ZK011", document(inputs=[{"name": "a", "typ": {"kind": "PointArray", "len": 2**60}}])),
    ("ZK012", document(curve="bls12_381")),
    (
        "ZK013",
        as_json(document(constants=[constant({"bytes": "AA==", "encoding": "canonical"})])),
    ),
    (
        "ZK013",
        as_msgpack(document(constants=[constant({"bytes": b"\0", "encoding": "montgomery"})])),
    ),
    (
        "ZK014",
        document(inputs=[{"name": "a", "typ": SCALAR}, {"name": "b", "typ": SCALAR}]),
    ),
    ("ZK015", document(memory={"cpu": 0, "gpu:0": 64, "gpu:11": 2**64 - 1, "disk": 1})),
    ("ZK016", document(constants=[constant({"values": 1}), constant(FILE)])),
    (
        "ZK017",
        document(constants=[constant({**FILE, "file": "srs/g1.bin", "sha256": "0aF" * 21 + "0"})]),
    ),
    ("ZK018", document(variables={"0": "a", str(2**64 - 1): ""})),
    ("ZK019", as_msgpack(document())),
]


def encodings(raw: Any) -> list[bytes]:
    return [raw] if isinstance(raw, bytes) else [as_json(raw), as_msgpack(raw)]


@pytest.mark.parametrize(("rule", "raw", "path"), REJECTED)
def test_rejected(rule: str, raw: Any, path: str) -> None:
    for data in encodings(raw):
        with pytest.raises(InvalidProgram) as caught:
            decode(data)
        first = caught.value.diagnostics[0]
        assert (first.rule, first.path, first.severity) == (rule, path, "error")
        assert first.message in str(caught.value)


@pytest.mark.parametrize(("rule", "raw"), ACCEPTED)
def test_accepted(rule: str, raw: Any) -> None:
    for data in encodings(raw):
        decode(data)


def test_each_rule_has_a_rejecting_and_an_accepting_document() -> None:
    assert {rule for rule, _, _ in REJECTED} == set(STRUCTURE_RULES)
    assert {rule for rule, _ in ACCEPTED} == set(STRUCTURE_RULES)
