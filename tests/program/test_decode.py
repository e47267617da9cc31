"""What decoding gives, what it says of bad documents, and that no document harms it."""

import gc
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from documents import SCALAR, as_json, as_msgpack, constant, document
from hypothesis import given
from hypothesis import strategies as st

from zkrun.algebra.curves import BLS12_381
from zkrun.errors import InvalidProgram, UsageError
from zkrun.program import instructions as op
from zkrun.program import types
from zkrun.program.decode import decode, load
from zkrun.program.diagnostic import Diagnostic
from zkrun.program.document import Bytes, File, Program, Values, walk
from zkrun.program.limits import MAX_FINDINGS
from zkrun.program.reading import read_document

EVERYTHING = document(
    {"op": "Allocate", "device": "gpu:0", "typ": {"kind": "Stream"}, "id": 9, "track": "t"},
    {
        "op": "Fork",
        "new_thread": 3,
        "instructions": [
            {"op": "Fork", "new_thread": 4, "instructions": [{"op": "Record", "event": 1}]},
            {"op": "Join", "thread": 4, "source": "a.py:7"},
        ],
    },
    {"op": "FuncCall", "func_id": 0, "arg_mut": [1], "arg": [2, 9]},
    {"op": "Rotation", "src": 1, "dst": 2, "shift": -3},
    {"op": "Return", "id": 1},
    name="all of it",
    curve="bls12_381",
    functions=[{"name": "ntt", "params": {"inverse": True, "coset": "0x7"}}, {"name": "msm"}],
    constants=[
        constant({"values": ["1", "0x2", 3]}, typ={"kind": "ScalarArray", "len": 3}),
        constant({"file": "a/b.bin", "nbytes": 96, "encoding": "montgomery"}, device="gpu:1"),
    ],
    inputs=[{"name": "p", "typ": {"kind": "Point"}}],
    memory={"cpu": 64, "gpu:0": 128},
    variables={"1": "a"},
)


@pytest.mark.parametrize("encode", [as_json, as_msgpack])
def test_everything_is_decoded(encode: Any) -> None:
    program = decode(encode(EVERYTHING), Path("here"))
    assert program.name == "all of it"
    assert program.curve_record is BLS12_381
    assert program.folder == Path("here")
    assert [entry.name for entry in program.functions] == ["ntt", "msm"]
    assert program.functions[0].params == {"inverse": True, "coset": "0x7"}
    assert program.functions[1].params == {}
    assert program.constants[0].data == Values(["1", "0x2", 3])
    assert program.constants[0].typ == types.ScalarArray(3)
    assert program.constants[0].device == "cpu"
    assert program.constants[1].data == File(file="a/b.bin", nbytes=96, encoding="montgomery")
    assert program.inputs[0].typ == types.Point("g1")
    assert program.memory == {"cpu": 64, "gpu:0": 128}
    assert program.variables == {"1": "a"}
    assert program.instructions[0] == op.Allocate(
        device="gpu:0", typ=types.Stream(), id=9, track="t"
    )
    assert program.instructions[2] == op.FuncCall(func_id=0, arg_mut=[1], arg=[2, 9])


def test_walk_gives_each_fork_before_its_own_instructions() -> None:
    program = decode(as_json(EVERYTHING))
    found = [(path, thread, instruction.op) for path, thread, instruction in walk(program)]
    assert found == [
        ("/instructions/0", None, "Allocate"),
        ("/instructions/1", None, "Fork"),
        ("/instructions/1/instructions/0", 3, "Fork"),
        ("/instructions/1/instructions/0/instructions/0", 4, "Record"),
        ("/instructions/1/instructions/1", 3, "Join"),
        ("/instructions/2", None, "FuncCall"),
        ("/instructions/3", None, "Rotation"),
        ("/instructions/4", None, "Return"),
    ]


def test_bytes_are_binary_in_one_form_and_base64_in_the_other() -> None:
    data = {"encoding": "canonical"}
    binary = decode(as_msgpack(document(constants=[constant({"bytes": b"\0\xff", **data})])))
    text = decode(as_json(document(constants=[constant({"bytes": "AP8=", **data})])))
    assert binary == text
    assert binary.constants[0].data == Bytes(bytes=b"\0\xff", encoding="canonical")


def test_an_array_of_any_length_costs_nothing() -> None:
    claim = {"kind": "ScalarArray", "len": 2**60}
    program = decode(as_json(document({"op": "Allocate", "device": "cpu", "typ": claim, "id": 0})))
    assert types.size(program.instructions[0].typ, program.curve_record) == 2**65


def test_a_hundred_nested_forks_are_fine() -> None:
    inner: list[dict[str, Any]] = []
    for thread in range(100):
        inner = [{"op": "Fork", "new_thread": thread, "instructions": inner}]
    assert len(list(walk(decode(as_json(document(*inner)))))) == 100


def first(raw: Any) -> Diagnostic:
    with pytest.raises(InvalidProgram) as caught:
        decode(as_json(raw))
    return caught.value.diagnostics[0]


@pytest.mark.parametrize(
    ("raw", "message", "help"),
    [
        (document({"op": "Alocate"}), 'unknown instruction "Alocate"', 'did you mean "Allocate"?'),
        (
            document({"op": "Join", "treadh": 1, "thread": 1}),
            'unknown key "treadh" in Join',
            'did you mean "thread"?',
        ),
        (document({"op": "Join"}), '"thread" is missing in Join', None),
        (
            document({"op": "Join", "thread": "12"}),
            'an integer belongs here, not the text "12"',
            "write the number without quotes",
        ),
        (document({"op": "Join", "thread": True}), "an integer belongs here, not a boolean", None),
        (
            document({"op": "Join", "thread": 1.5}),
            "an integer belongs here, not the float 1.5",
            None,
        ),
        (
            document({"op": "Join", "thread": 2**64}),
            "the integer 18446744073709551616 is greater than 2^64 - 1",
            None,
        ),
        (
            document(inputs=[{"name": "a", "typ": {"kind": "Scala"}}]),
            'unknown type "Scala"',
            'did you mean "Scalar"?',
        ),
        (
            document(curve="bn256"),
            "must be 'bn254' or 'bls12_381', not the text \"bn256\"",
            'did you mean "bn254"?',
        ),
        (document(constants=[constant(7)]), "DATA is a map with `values`, `bytes` or `file`", None),
        (document(inputs=[{"name": "a"}]), '"typ" is missing in an input', None),
    ],
)
def test_messages_say_what_and_how_to_mend_it(raw: Any, message: str, help: str | None) -> None:
    found = first(raw)
    assert (found.message, found.help) == (message, help)


def test_a_finding_carries_the_instructions_source() -> None:
    inner = {"op": "Join", "thread": -1, "source": "a.py:3"}
    fork = {"op": "Fork", "new_thread": 0, "instructions": [inner], "source": "a.py:1"}
    found = first(document(fork))
    assert found.to_json() == {
        "rule": "ZK009",
        "severity": "error",
        "path": "/instructions/0/instructions/0/thread",
        "message": "the integer -1 is less than 0",
        "source": "a.py:3",
    }


def test_findings_go_on_behind_the_first_and_stop_at_the_limit() -> None:
    bad = [{"op": "Join"}, {"op": "Join", "thread": 0}, {"op": "Nope"}]
    with pytest.raises(InvalidProgram) as caught:
        decode(as_json(document(*bad, inputs=[1], curve="x")))
    paths = [found.path for found in caught.value.diagnostics]
    assert sorted(paths) == ["/curve", "/inputs/0", "/instructions/0", "/instructions/2"]
    with pytest.raises(InvalidProgram) as caught:
        decode(as_json(document(*[{"op": "Nope"}] * 500)))
    assert len(caught.value.diagnostics) == MAX_FINDINGS


def test_a_long_list_of_errors_within_a_fork_is_one_finding() -> None:
    fork = {"op": "Fork", "new_thread": 0, "instructions": [{"op": "Nope"}] * 100_000}
    with pytest.raises(InvalidProgram) as caught:
        decode(as_json(document(fork)))
    assert len(caught.value.diagnostics) == 1


def test_paths_are_pointers_into_the_document_even_with_keys_named_like_classes() -> None:
    found = first(document({"op": "Join", "thread": 0, "Join": {"a": 1}}))
    assert found.path == "/instructions/0/Join"
    nested = {"kind": "Tuple", "items": [SCALAR, {"kind": "Tuple", "items": [{"kind": "X"}]}]}
    found = first(document({"op": "Allocate", "device": "cpu", "typ": nested, "id": 0}))
    assert found.path == "/instructions/0/typ/items/1/items/0"


def test_load_reads_files_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = as_msgpack(EVERYTHING)
    (tmp_path / "p.json").write_bytes(data)  # told apart by content, not by name
    assert load(tmp_path / "p.json").folder == tmp_path
    stream = io.TextIOWrapper(io.BytesIO(data))
    monkeypatch.setattr(sys, "stdin", stream)
    assert load("-") == load(tmp_path / "p.json")
    for missing in (tmp_path / "none.json", tmp_path, "a\0b"):
        with pytest.raises(UsageError, match="cannot read the program"):
            load(missing)


def test_the_collector_runs_again_afterwards() -> None:
    assert gc.isenabled()
    decode(as_json(document()))
    with pytest.raises(InvalidProgram):
        decode(b"{")
    assert gc.isenabled()


SEEDS = [as_json(EVERYTHING), as_msgpack(EVERYTHING)]


@given(st.sampled_from(SEEDS), st.data())
def test_changed_bytes_end_in_a_program_or_in_findings(seed: bytes, data: st.DataObject) -> None:
    mutable = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutable)))
        piece = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"[", b"{", b'"', b"\xdf", b"1e9"])
        )
        mutable[at : at + data.draw(st.integers(0, 6))] = piece
    ends_well(bytes(mutable))


@given(st.binary(max_size=64), st.sampled_from([b"{", b"\x81", b"\xdf", b"\xde\x00\x02", b""]))
def test_any_bytes_end_in_a_program_or_in_findings(tail: bytes, head: bytes) -> None:
    ends_well(head + tail)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["op", "kind", "typ", "id", "values", "bytes", "x"]), inner
        )
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(["instructions", "constants", "inputs", "memory", "variables", "functions"]),
    JSON_VALUES,
)
def test_any_value_anywhere_ends_in_a_program_or_in_findings(key: str, value: Any) -> None:
    ends_well(as_json({**EVERYTHING, key: value}))
    ends_well(as_json({**EVERYTHING, key: [value]}))
    raw = dict(EVERYTHING["instructions"][2])
    ends_well(as_json(document({**raw, "arg": value}, {**raw, "op": value})))
    ends_well(
        as_json(document(constants=[constant(value), constant({"values": value}, typ=value)]))
    )


def ends_well(data: bytes) -> None:
    """Decodes to a Program, or to findings of which each says what and leads somewhere."""
    found: tuple[Diagnostic, ...] | None = None
    try:
        program = decode(data)
    except InvalidProgram as error:
        found = error.diagnostics
    if found is None:
        assert isinstance(program, Program)
        return
    raw = read_document_or_none(data)
    assert found
    assert all(one.message for one in found)
    assert raw is None or all(leads_somewhere(raw, one.path) for one in found if one.path)


def read_document_or_none(data: bytes) -> Any:
    try:
        return read_document(data)[0]
    except InvalidProgram:
        return None


def leads_somewhere(raw: Any, path: str) -> bool:
    """Whether a JSON pointer names a value of the document."""
    for part in path[1:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(raw, list) and part.isdecimal() and int(part) < len(raw):
            raw = raw[int(part)]
        elif isinstance(raw, dict) and part in raw:
            raw = raw[part]
        else:
            return False
    return True
