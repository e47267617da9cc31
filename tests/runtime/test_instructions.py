"""Every instruction does what the format says, wherever the memory lies."""

from __future__ import annotations

from typing import Any

import pytest
from program_kit import (
    SCALAR,
    STREAM,
    allocate,
    array,
    call,
    constant,
    copy,
    load,
    numbers,
    program,
    record,
    result,
    run,
    scalars,
    wait,
)

from zkrun.algebra.curves import BN254
from zkrun.errors import Mismatch, RunFailed, ZkrunError

DEVICES = ("cpu", "gpu:0", "gpu:1", "disk")


@pytest.mark.parametrize("source", DEVICES)
@pytest.mark.parametrize("target", DEVICES)
def test_transfer_between_every_pair_with_views_on_both_sides(source: str, target: str) -> None:
    document = program(
        load(0, 0),
        allocate(1, array(5), source),
        copy(0, 1, "cpu", source),
        {"op": "Rotation", "src": 1, "dst": 2, "shift": 2},
        {"op": "Slice", "src": 2, "dst": 3, "start": 1, "end": 4},
        allocate(4, array(4), target),
        load(9, 1),
        copy(9, 4, "cpu", target),
        {"op": "SetSliceMeta", "src": 4, "dst": 5, "offset": 3, "len": 3},
        copy(3, 5, source, target),
        allocate(6, array(4)),
        copy(4, 6, target, "cpu"),
        result(6),
        constants=[scalars("c", [10, 11, 12, 13, 14]), scalars("zeros", [0] * 4)],
    )
    moved = [14, 10, 11]  # numpy.roll([10 … 14], 2)[1:4]
    assert numbers(run(document)) == [moved[1], moved[2], 0, moved[0]]


@pytest.mark.parametrize("shift", [0, 1, 3, 7, -1, -9, 2**63, -(2**63)])
def test_rotation_is_numpy_roll(shift: int) -> None:
    values = list(range(1, 8))
    document = program(
        load(0, 0),
        {"op": "Rotation", "src": 0, "dst": 1, "shift": shift},
        result(1),
        constants=[scalars("c", values)],
    )
    assert numbers(run(document)) == [values[(i - shift) % 7] for i in range(7)]


def test_views_of_nothing() -> None:
    document = program(
        load(0, 0),
        {"op": "Rotation", "src": 0, "dst": 1, "shift": 5},
        {"op": "Slice", "src": 1, "dst": 2, "start": 0, "end": 0},
        allocate(3, array(0), "gpu:0"),
        copy(2, 3, "cpu", "gpu:0"),
        result(3),
        constants=[scalars("c", [])],
    )
    assert numbers(run(document)) == []


def test_set_slice_meta_drops_rotation_and_wraps() -> None:
    document = program(
        load(0, 0),
        {"op": "Rotation", "src": 0, "dst": 1, "shift": 1},
        {"op": "Slice", "src": 1, "dst": 2, "start": 1, "end": 3},
        {"op": "SetSliceMeta", "src": 2, "dst": 3, "offset": 3, "len": 4},
        result(3),
        constants=[scalars("c", [1, 2, 3, 4, 5])],
    )
    assert numbers(run(document)) == [4, 5, 1, 2]


@pytest.mark.parametrize("device", ["cpu", "gpu:0", "disk"])
def test_get_scalar_from_array_through_a_view(device: str) -> None:
    document = program(
        load(0, 0),
        {"op": "Rotation", "src": 0, "dst": 1, "shift": 2},
        allocate(2, SCALAR),
        {"op": "GetScalarFromArray", "src": 1, "dst": 2, "idx": 1},
        result(2),
        constants=[scalars("c", [7, 8, 9], device)],
    )
    assert numbers(run(document)) == 9


def test_registers_tuples_and_points() -> None:
    g = [BN254.g1[0], BN254.g1[1]]
    document = program(
        load(0, 0),
        load(1, 1),
        {"op": "CopyRegister", "src": 0, "dst": 2},
        {"op": "MoveRegister", "src": 2, "dst": 3},
        {"op": "RemoveRegister", "id": 0},
        {"op": "AssembleTuple", "vars": [3, 1], "dst": 4},
        {"op": "AssembleTuple", "vars": [4, 3], "dst": 5},
        result(5),
        constants=[
            scalars("c", [1, 2]),
            constant("p", {"kind": "PointArray", "len": 2}, [g, None]),
        ],
    )
    outcome = run(document)
    assert outcome.result.values == [[["0x1", "0x2"], [["0x1", "0x2"], None]], ["0x1", "0x2"]]
    assert outcome.result.document()["typ"]["items"][1] == {"kind": "ScalarArray", "len": 2}


def test_moved_memory_is_freed_by_its_new_owner() -> None:
    document = program(
        load(0, 0),
        allocate(1, array(2)),
        {"op": "MoveRegister", "src": 1, "dst": 2},
        {"op": "Deallocate", "id": 2},
        allocate(1, array(2)),
        copy(0, 1, "cpu", "cpu"),
        result(1),
        constants=[scalars("c", [1, 2])],
    )
    outcome = run(document)
    assert numbers(outcome) == [1, 2]
    taken = [sample.bytes for sample in outcome.trace.memory if sample.device == "cpu"]
    assert taken[1] > taken[2] == taken[0]


def test_arena_memory_is_shared_in_turn() -> None:
    document = program(
        load(0, 0),
        load(1, 1),
        allocate(2, array(2), "gpu:0", offset=64),
        copy(0, 2, "cpu", "gpu:0"),
        allocate(3, array(2)),
        copy(2, 3, "gpu:0", "cpu"),
        {"op": "Deallocate", "id": 2},
        allocate(4, array(2), "gpu:0", offset=64),
        copy(1, 4, "cpu", "gpu:0"),
        {"op": "AssembleTuple", "vars": [3, 4], "dst": 5},
        result(5),
        memory={"gpu:0": 256},
        constants=[scalars("c", [1, 2]), scalars("d", [3, 4])],
    )
    outcome = run(document)
    assert numbers(outcome) == [[1, 2], [3, 4]]
    assert [d.planned for d in outcome.trace.devices if d.name == "gpu:0"] == [256]


def test_work_on_streams_in_order() -> None:
    document = program(
        load(0, 0),
        allocate(1, STREAM, "gpu:0"),
        allocate(2, STREAM, "gpu:0"),
        allocate(3, array(4), "gpu:0"),
        allocate(4, array(4), "gpu:0"),
        allocate(5, array(4)),
        copy(0, 3, "cpu", "gpu:0", stream=1),
        call(0, [4], [3, 3, 1]),
        record(0, 1),
        wait(0, 2),
        call(0, [3], [4, 4, 2]),
        copy(3, 5, "gpu:0", "cpu", stream=2),
        {"op": "Deallocate", "id": 3, "stream": 2},
        {"op": "Deallocate", "id": 1},
        record(1, 2),
        wait(1),
        {"op": "Deallocate", "id": 2},
        result(5),
        functions=["poly_add"],
        constants=[scalars("c", [1, 2, 3, 4])],
    )
    for shuffle in (None, 1, 2):
        outcome = run(document, shuffle=shuffle)
        assert numbers(outcome) == [4, 8, 12, 16]
    trace = outcome.trace
    assert [(t.kind, t.device) for t in trace.tracks] == [
        ("thread", "cpu"),
        ("stream", "gpu:0"),
        ("stream", "gpu:0"),
    ]
    assert {(flow.event, flow.record_track, flow.wait_track) for flow in trace.flows} == {
        (0, 1, 2),
        (1, 2, 0),
    }
    queued = [trace.instructions[span.at].op for span in trace.spans if span.track == 2]
    assert queued == ["Wait", "FuncCall", "Transfer", "Deallocate", "Record", "Deallocate"]
    use = {device.name: device for device in trace.devices}
    assert (use["gpu:0"].bytes_in, use["gpu:0"].bytes_out) == (128, 128)


def test_stream_freed_while_its_work_is_queued_still_does_it() -> None:
    document = program(
        load(0, 0),
        allocate(1, STREAM, "gpu:0"),
        allocate(2, array(2), "gpu:0"),
        {
            "op": "Fork",
            "new_thread": 0,
            "instructions": [load(9, 0), record(7)],
        },
        wait(7, 1),
        copy(0, 2, "cpu", "gpu:0", stream=1),
        {"op": "Deallocate", "id": 1},
        {"op": "Join", "thread": 0},
        allocate(1, STREAM, "gpu:0"),
        result(2),
        constants=[scalars("c", [5, 6])],
    )
    assert numbers(run(document)) == [5, 6]


def test_slice_of_a_buffer_as_workspace() -> None:
    document = program(
        load(0, 0),
        allocate(1, {"kind": "GpuBuffer", "nbytes": 256}, "gpu:0"),
        {"op": "SliceBuffer", "src": 1, "dst": 2, "offset": 64, "len": 64},
        {"op": "SliceBuffer", "src": 2, "dst": 3, "offset": 0, "len": 32},
        {"op": "Deallocate", "id": 1},
        result(0),
        constants=[scalars("c", [5])],
    )
    assert numbers(run(document)) == [5]


def test_transcripts_are_values() -> None:
    transcript = {"kind": "Transcript", "hash": "keccak256"}
    document = program(
        load(0, 0),
        allocate(1, transcript),
        call(0, [1], [0]),
        allocate(2, transcript),
        copy(1, 2, "cpu", "cpu"),
        {"op": "AssertEq", "value": 1, "expected": 2},
        result(2),
        functions=["write_transcript"],
        constants=[constant("s", SCALAR, 258)],
    )
    assert run(document).result.values == f"{258:064x}"


def _differing(typ: dict[str, Any], value: Any, expected: Any, **devices: str) -> str:
    document = program(
        load(0, 0),
        load(1, 1),
        {"op": "AssertEq", "value": 0, "expected": 1, "msg": "it\x1b[2Jdiffers"},
        result(0),
        constants=[
            constant("a", typ, value, devices.get("a", "cpu")),
            constant("b", typ, expected, devices.get("b", "cpu")),
        ],
    )
    with pytest.raises(Mismatch) as caught:
        run(document)
    assert caught.value.exit_code == 5
    assert caught.value.where is not None
    assert caught.value.where.path == "/instructions/2"
    return str(caught.value)


def test_assert_eq_says_where_the_values_differ() -> None:
    text = _differing(array(4), [1, 2, 3, 4], [1, 2, 30, 40], a="gpu:1", b="disk")
    assert text == (
        "AssertEq at /instructions/2 (the main thread): it\\x1b[2Jdiffers: "
        "the values differ at [2]: found 0x3, expected 0x1e"
    )
    assert "differ: found 0x1, expected 0x2" in _differing(SCALAR, 1, 2)
    point = [BN254.g1[0], BN254.g1[1]]
    text = _differing({"kind": "PointArray", "len": 2}, [point, None], [point, point])
    assert text.endswith("differ at [1]: found infinity, expected [0x1, 0x2]")


@pytest.mark.parametrize("n", [0, 1, 5])
def test_assert_eq_of_equal_values_on_any_devices(n: int) -> None:
    values = list(range(n))
    document = program(
        *[load(i, i) for i in range(3)],
        {"op": "AssertEq", "value": 0, "expected": 1},
        {"op": "AssertEq", "value": 2, "expected": 1},
        result(0),
        constants=[scalars(f"c{i}", values, d) for i, d in enumerate(("gpu:0", "disk", "cpu"))],
    )
    assert numbers(run(document)) == values


def test_print_is_short_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    document = program(
        load(0, 0),
        {"op": "Slice", "src": 0, "dst": 1, "start": 0, "end": 2},
        {"op": "Print", "id": 0, "label": "a\x1b]0;b\n"},
        {"op": "AssembleTuple", "vars": [1, 1], "dst": 2},
        {"op": "Print", "id": 2},
        {"op": "AssembleTuple", "vars": [2, *[1] * 11], "dst": 3},
        {"op": "Print", "id": 3},
        result(1),
        variables={"2": "pair", "3": "many"},
        constants=[scalars("c", list(range(1000)), "gpu:0")],
    )
    run(document)
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("a\\x1b]0;b\\n = [0x0, 0x1, ")
    assert first.endswith("0x7, … 990 more …, 0x3e6, 0x3e7]")
    assert second == "pair = ([0x0, 0x1], [0x0, 0x1])"
    one = "[0x0, 0x1]"
    assert third == f"many = (({one}, {one}), {', '.join([one] * 7)}, … 2 more …, {one}, {one})"


@pytest.mark.parametrize("device", ["cpu", "gpu:0", "disk"])
def test_blind_overwrites_its_range_only(device: str) -> None:
    document = program(
        load(0, 0),
        allocate(1, array(6), device),
        copy(0, 1, "cpu", device),
        {"op": "Rotation", "src": 1, "dst": 2, "shift": 1},
        {"op": "Blind", "dst": 2, "start": 2, "end": 4},
        result(1),
        constants=[scalars("c", [0, 1, 2, 3, 4, 5])],
    )
    values = numbers(run(document))
    assert [values[i] for i in (0, 3, 4, 5)] == [0, 3, 4, 5]
    assert all(value > 5 for value in values[1:3])
    assert numbers(run(document)) != values
    assert numbers(run(document, seed=4)) == numbers(run(document, seed=4))
    assert numbers(run(document, seed=4)) != numbers(run(document, seed=5))


def test_a_missing_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    document = program(load(0, 0), result(0), constants=[scalars("c", [1], "gpu:7")])
    with pytest.raises(RunFailed, match="gpu:7: this machine has no such device"):
        run(document, gpu="real")


def test_failing_function_names_its_instruction() -> None:
    document = program(
        load(0, 0),
        allocate(1, SCALAR),
        copy(0, 1, "cpu", "cpu"),
        call(0, [1], [], source="plonk.py:120", track="commit"),
        result(1),
        functions=["scalar_invert"],
        constants=[constant("zero", SCALAR, 0)],
    )
    with pytest.raises(RunFailed) as caught:
        run(document)
    text = "FuncCall at /instructions/3 (the main thread, track commit, plonk.py:120): "
    assert str(caught.value).startswith(text)
    assert isinstance(caught.value, ZkrunError)
    assert caught.value.where is not None
    assert caught.value.where.source == "plonk.py:120"
