"""Whoever wrote the bytes may be hostile: they end in findings or in a valid program, soon.

Programs of this tree are changed where a reader may stumble: values, keys and whole instructions of
the document, then single bytes of either encoding. ZKRUN_FUZZ says how many of each test are tried;
10,000 take some minutes.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import msgpack
from bounds import answered
from correct_programs import program
from hostile_programs import FAMILIES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zkrun.program.instructions import OPS

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "rules"
EXAMPLES = int(os.environ.get("ZKRUN_FUZZ", "400"))
QUIET = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))


def _seeds() -> list[dict[str, Any]]:
    files = [*sorted(FOLDER.glob("ZK*-*t.json")), *sorted(ROOT.glob("programs/*/program.json"))]
    found = []
    for file in files:
        try:
            raw = json.loads(file.read_bytes())
        except ValueError:  # it is the point of some rules that the document cannot be read
            continue
        if isinstance(raw, dict) and raw.get("format") == "zkrun":
            found.append(raw)
    found += [make(40) for make in FAMILIES.values()]
    found += [program(Random(seed), threads=3, streams=3) for seed in range(10)]
    return found


SEEDS = _seeds()
NUMBERS = [-1, 0, 1, 2, 7, 8, 63, 64, 2**31, 2**32, 2**53, 2**60, 2**63, 2**64 - 1, 2**64, 10**40]
TEXTS = [
    "",
    "0",
    "0x",
    "-1",
    "1" * 300,
    "cpu",
    "gpu:0",
    "gpu:07",
    "disk",
    "\0",
    "é\U0001f511",
    "../x",
]
TEXTS += ["ScalarArray", "Tuple", "Stream", "GpuBuffer", "PointArray", "g2", "values", "montgomery"]
TEXTS += [*OPS, "y0 = x0*x1", "y0 = " + "(" * 300 + "x0", "y0 = x0^99999999999", "/dev/zero"]
VALUES = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from([None, True, 1.5, float("inf"), [], {}, [[]], [0] * 40, {"a": {}}, b"\0" * 32]),
    st.sampled_from([{"kind": kind, "len": 2**40} for kind in ("ScalarArray", "PointArray")]),
    st.sampled_from([{"kind": "Tuple", "items": [{"kind": "Tuple", "items": []}]}]),
)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["replace", "remove", "repeat", "swap", "rename", "add", "nest"]),
        st.integers(0, 2**16),
        st.integers(0, 2**16),
        VALUES,
    ),
    min_size=1,
    max_size=4,
)


def places(raw: Any) -> list[tuple[Any, Any]]:
    """(owner, key or index) of each value below a document."""
    found: list[tuple[Any, Any]] = []
    rest = [raw]
    while rest:
        owner = rest.pop()
        keys = list(owner) if isinstance(owner, dict) else range(len(owner))
        for key in keys:
            found.append((owner, key))
            if isinstance(owner[key], dict | list):
                rest.append(owner[key])
    return found


def change(raw: dict[str, Any], kind: str, first: int, second: int, value: Any) -> None:
    """Changes one place of a document, or two."""
    there = places(raw)
    if not there:
        return
    owner, key = there[first % len(there)]
    other, other_key = there[second % len(there)]
    match kind:
        case "replace":
            owner[key] = copy.deepcopy(value)
        case "remove":
            del owner[key]
        case "repeat" if isinstance(owner, list):
            owner[key:key] = [copy.deepcopy(owner[key]) for _ in range(1 + second % 40)]
        case "swap":
            mine, others = copy.deepcopy(owner[key]), copy.deepcopy(other[other_key])
            owner[key], other[other_key] = others, mine
        case "rename" if isinstance(owner, dict):
            owner[str(value)[:80]] = owner.pop(key)
        case "add" if isinstance(owner[key], dict):
            owner[key][str(other_key)] = copy.deepcopy(other[other_key])
        case "add" if isinstance(owner[key], list):
            owner[key].append(copy.deepcopy(other[other_key]))
        case "nest":
            for _ in range(second % 300):
                owner[key] = [owner[key]]
        case _:
            pass


def encoded(raw: dict[str, Any], as_json: bool) -> bytes | None:
    """None for what the encoding cannot say."""
    try:
        if as_json:
            text = json.dumps(raw, default=lambda value: value.decode("latin-1"))
            return text.encode()
        packed: bytes = msgpack.packb(raw)
        return packed
    except (ValueError, OverflowError):
        return None


@QUIET
@given(st.sampled_from(SEEDS), CHANGES, st.booleans())
def test_documents(
    seed: dict[str, Any], changes: list[tuple[str, int, int, Any]], as_json: bool
) -> None:
    raw = copy.deepcopy(seed)
    for one in changes:
        change(raw, *one)
    data = encoded(raw, as_json)
    if data is not None:
        answered(data, FOLDER)


@QUIET
@given(
    st.sampled_from(SEEDS),
    st.lists(
        st.tuples(st.integers(0, 2**16), st.integers(0, 40), st.binary(max_size=6)),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_bytes(seed: dict[str, Any], splices: list[tuple[int, int, bytes]], as_json: bool) -> None:
    """Some bytes at a time are left out and others put there."""
    data = encoded(seed, as_json) or b""
    for at, length, new in splices:
        at %= len(data) + 1
        data = data[:at] + new + data[at + length :]
    answered(data, FOLDER)


@QUIET
@given(st.binary(max_size=64), st.integers(1, 2**20))
def test_what_claims_to_be_large(tail: bytes, count: int) -> None:
    """Headers of MessagePack that announce more than there is, or a lot of little."""
    sized = [b"\xdd", b"\xdf", b"\xdb", b"\xc6"][count % 4] + (count << 11).to_bytes(4, "big")
    answered(b"\x81\xacinstructions" + sized + tail, FOLDER)
    answered(b"\x81\xacinstructions\xdd" + count.to_bytes(4, "big") + tail[:1] * count, FOLDER)


def test_tuples_that_double() -> None:
    """A million values by way of twenty instructions, in many variables."""
    doubled = [{"op": "AssembleTuple", "vars": [id, id], "dst": id + 1} for id in range(19)]
    copies = [{"op": "CopyRegister", "src": 19, "dst": 100 + id} for id in range(200)]
    equal = [{"op": "AssertEq", "value": 19, "expected": 100 + id} for id in range(200)]
    load = {"op": "LoadInput", "src": 0, "dst": 0}
    raw = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "inputs": [{"name": "x", "typ": {"kind": "Scalar"}}],
        "instructions": [load, *doubled, *copies, *equal, {"op": "Return", "id": 19}],
    }
    answered(json.dumps(raw).encode(), FOLDER)


def test_tuples_that_double_twice() -> None:
    """Two that are equal, but not by way of the same variables."""
    chains = [
        {"op": "AssembleTuple", "vars": [start + id] * 2, "dst": start + id + 1}
        for start in (0, 100)
        for id in range(19)
    ]
    loads = [{"op": "LoadInput", "src": 0, "dst": id} for id in (0, 100)]
    equal = [{"op": "AssertEq", "value": 19, "expected": 119}] * 200
    raw = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "inputs": [{"name": "x", "typ": {"kind": "Scalar"}}],
        "instructions": [*loads, *chains, *equal, {"op": "Return", "id": 19}],
    }
    answered(json.dumps(raw).encode(), FOLDER)
