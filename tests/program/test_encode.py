"""Both encodings carry the same documents, without loss."""

import base64
import json
from typing import Any

import msgpack
import pytest
from documents import as_msgpack, constant, document
from hypothesis import given
from hypothesis import strategies as st
from test_decode import EVERYTHING

from zkrun.errors import InvalidProgram
from zkrun.program.decode import decode
from zkrun.program.encode import program_to_raw, to_json, to_msgpack
from zkrun.program.reading import read_document

UINT = st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TYPES = st.recursive(
    st.sampled_from(
        [
            {"kind": "Scalar"},
            {"kind": "Point"},
            {"kind": "Point", "group": "g2"},
            {"kind": "Stream"},
            {"kind": "Transcript", "hash": "keccak256"},
        ]
    )
    | st.builds(lambda n: {"kind": "ScalarArray", "len": n}, UINT)
    | st.builds(lambda n: {"len": n, "kind": "PointArray"}, UINT),
    lambda inner: st.builds(
        lambda items: {"kind": "Tuple", "items": items}, st.lists(inner, max_size=3)
    ),
    max_leaves=4,
)
PLACE = st.fixed_dictionaries({}, optional={"track": TEXT, "source": TEXT})


def op(name: str, **operands: Any) -> Any:
    maps = st.fixed_dictionaries({"op": st.just(name), **operands})
    return st.builds(lambda map, place: {**map, **place}, maps, PLACE)


INSTRUCTIONS = st.recursive(
    op("Allocate", device=st.sampled_from(["cpu", "disk", "gpu:3"]), typ=TYPES, id=UINT)
    | op("FuncCall", func_id=UINT, arg_mut=st.lists(UINT), arg=st.lists(UINT))
    | op("Rotation", src=UINT, dst=UINT, shift=st.integers(-(2**63), 2**64 - 1))
    | op("Deallocate", id=UINT, stream=st.none() | UINT)
    | op("AssertEq", value=UINT, expected=UINT, msg=TEXT),
    lambda inner: op("Fork", new_thread=UINT, instructions=st.lists(inner, max_size=3)),
    max_leaves=5,
)
VALUES = st.recursive(
    st.none() | UINT | st.integers(0, 2**300).map(str), lambda inner: st.lists(inner, max_size=3)
)
DATA = st.builds(lambda v: {"values": v}, VALUES) | st.builds(
    lambda b: {"encoding": "canonical", "bytes": b}, st.binary(max_size=40)
)
DOCUMENTS = st.builds(
    lambda instructions, data, params, names: document(
        *instructions,
        constants=[constant(item) for item in data],
        functions=[{"name": "ntt", "params": params}],
        variables={str(i): name for i, name in enumerate(names)},
    ),
    st.lists(INSTRUCTIONS, max_size=4),
    st.lists(DATA, max_size=3),
    st.dictionaries(TEXT, VALUES | st.booleans(), max_size=2),
    st.lists(TEXT, max_size=3),
)


@given(DOCUMENTS)
def test_converting_there_and_back_changes_nothing(raw: dict[str, Any]) -> None:
    packed = as_msgpack(raw)
    text = to_json(raw, "msgpack")
    document, form = read_document(text)
    assert form == "json"
    assert to_msgpack(document, "json") == packed  # keys in order, integers and bytes exact
    assert to_json(document, "json") == text
    assert decode(text) == decode(packed)


@given(DOCUMENTS)
def test_a_program_becomes_a_document_of_an_equal_program(raw: dict[str, Any]) -> None:
    program = decode(as_msgpack(raw))
    again = program_to_raw(program)
    assert decode(to_msgpack(again, "msgpack")) == program
    assert decode(to_json(again, "msgpack")) == program


def test_defaults_are_left_out_and_binary_is_where_it_belongs() -> None:
    raw = document(
        {"op": "FuncCall", "func_id": 0, "arg_mut": [], "arg": []},
        constants=[constant({"bytes": b"\1", "encoding": "canonical"})],
    )
    assert program_to_raw(decode(as_msgpack(raw))) == raw
    text = to_json(raw, "msgpack")
    assert json.loads(text)["constants"][0]["data"]["bytes"] == base64.b64encode(b"\1").decode()
    assert read_document(to_msgpack(json.loads(text)))[0] == raw


def test_bytes_elsewhere_are_a_key_like_any_other() -> None:
    raw = document(functions=[{"name": "f", "params": {"bytes": "AA=="}}])
    assert msgpack.unpackb(to_msgpack(raw, "json")) == raw


def test_json_has_a_line_for_each_instruction() -> None:
    lines = to_json(EVERYTHING, "json").decode().splitlines()
    assert sum('"op"' in line for line in lines) == len(EVERYTHING["instructions"])


@pytest.mark.parametrize(
    ("raw", "rule", "path"),
    [
        ({"a": [1.5]}, "ZK008", "/a/0"),
        ({"a": float("nan")}, "ZK008", "/a"),
        ({"a": {"b": 2**64}}, "ZK009", "/a/b"),
        ({"a": -(2**63) - 1}, "ZK009", "/a"),
    ],
)
def test_what_no_program_carries_is_refused(raw: Any, rule: str, path: str) -> None:
    for encode in (to_json, to_msgpack):
        with pytest.raises(InvalidProgram) as caught:
            encode(raw, "json")
        assert [(found.rule, found.path) for found in caught.value.diagnostics] == [(rule, path)]


def test_bytes_that_cannot_be_converted_are_refused() -> None:
    for bad in ("A", "AB==", "é", 3, None):
        with pytest.raises(InvalidProgram, match="base64"):
            to_msgpack(document(constants=[constant({"bytes": bad})]), "json")
    with pytest.raises(InvalidProgram, match="binary"):
        to_json(document(constants=[constant({"bytes": "AA=="})]), "msgpack")
    with pytest.raises(InvalidProgram, match="binary stands only under"):
        to_json(document(name=b"\0"), "msgpack")
