"""Arenas, and the forecast."""

from __future__ import annotations

from short_programs import (
    SCALAR,
    Instruction,
    accepted,
    allocate,
    array,
    blind,
    call,
    check,
    document,
    fork,
    free,
    join,
    load,
    record,
    refused,
    remove,
    return_,
    stream,
    wait,
)

from zkrun.analysis import DeviceForecast

MEMORY = {"cpu": 512, "gpu:0": 256, "disk": 0}

VALID: dict[str, list[Instruction]] = {
    "side by side": [allocate(0, offset=0), allocate(1, offset=256), free(0), free(1)],
    "one after the other": [allocate(0, offset=0), free(0), allocate(1, offset=0), free(1)],
    "the same place on two devices": [
        allocate(0, offset=0),
        allocate(1, device="gpu:0", offset=0),
        free(0),
        free(1),
    ],
    "nothing at the end": [allocate(0, array(0), offset=512), free(0)],
    "nothing inside another": [
        allocate(0, offset=0),
        allocate(1, array(0), offset=64),
        free(0),
        free(1),
    ],
    "nothing in an empty arena": [allocate(0, array(0), "disk", offset=0), free(0)],
    "exactly the bytes of the type": [
        allocate(0, array(2), offset=0),
        allocate(1, array(2), offset=64),
        free(0),
        free(1),
    ],
    "longer than any memory": [allocate(0, array(2**60)), free(0)],
}

BROKEN: dict[str, tuple[list[Instruction], list[tuple[str, str]]]] = {
    "no entry": ([allocate(0, device="gpu:1", offset=0), free(0)], [("ZK080", "0/offset")]),
    "odd": ([allocate(0, SCALAR, offset=32), free(0)], [("ZK081", "0/offset")]),
    "beyond": ([allocate(0, offset=320), free(0)], [("ZK082", "0/offset")]),
    "far beyond": ([allocate(0, array(0), offset=2**64 - 64)], [("ZK082", "0/offset")]),
    "inside another": (
        [allocate(0, array(16), offset=0), allocate(1, SCALAR, offset=64)],
        [("ZK083", "1/offset")],
    ),
    "around another": (
        [allocate(0, SCALAR, offset=64), allocate(1, array(16), offset=0)],
        [("ZK083", "1/offset")],
    ),
    "across two": (
        [allocate(0, offset=0), allocate(1, offset=256), allocate(2, offset=128)],
        [("ZK083", "2/offset")],
    ),
    "lost, so never freed": (
        [allocate(0, offset=0), remove(0), allocate(0, offset=0)],
        [("ZK083", "2/offset")],
    ),
}


test_valid = accepted(VALID, memory=MEMORY)
test_broken = refused(BROKEN, memory=MEMORY)


def test_the_forecast_adds_up_and_names_the_peak() -> None:
    constant = {"name": "c", "typ": SCALAR, "device": "gpu:0", "data": {"values": 1}}
    raw = document(
        allocate(0, array(4)),
        allocate(1, array(2)),
        free(1),
        allocate(2, array(3)),
        free(0),
        allocate(3, array(3)),
        allocate(4, array(4), "gpu:0", offset=0),
        free(2),
        free(3),
        free(4),
        memory={"gpu:0": 1024},
        constants=[constant],
    )
    analysis = check(raw)
    assert analysis.diagnostics == ()
    inputs = 8 * 32 + 32 + 8 * 64
    assert analysis.forecast == {
        "cpu": DeviceForecast(
            pool=7 * 32,
            inputs=inputs,
            alive=("/instructions/0", "/instructions/3"),
            frontier=("/instructions/3",),
        ),
        "gpu:0": DeviceForecast(arena=1024, constants=32),
    }
    assert analysis.forecast["cpu"].total == 7 * 32 + inputs
    assert analysis.forecast["gpu:0"].to_json() == {
        "arena": 1024,
        "pool": 0,
        "constants": 32,
        "inputs": 0,
        "total": 1056,
        "exact": True,
        "peak_at": None,
        "alive": [],
        "frontier": [],
    }


def test_memory_freed_on_a_stream_counts_until_the_work_has_passed() -> None:
    start = [stream(0), allocate(1, device="gpu:0"), call("fill", [1], [0]), free(1, stream=0)]
    rest = [allocate(2, device="gpu:0"), free(2)]
    peak = check(document(*start, *rest)).forecast["gpu:0"].pool
    assert peak == 2 * 256
    waited = check(document(*start, record(0, 0), wait(0), *rest)).forecast["gpu:0"].pool
    assert waited == 256


def test_a_limit_is_kept_in_every_order() -> None:
    raw = document(
        stream(0),
        fork(1, allocate(1, array(4), "gpu:0"), free(1)),
        allocate(2, array(2), "gpu:0"),
        free(2, stream=0),
        join(1),
        allocate(3, array(1), "gpu:0", offset=0),
        free(3),
        memory={"gpu:0": 64},
    )
    need = 64 + 6 * 32
    assert check(raw, limits={"gpu:0": need}).diagnostics == ()
    (finding,) = check(raw, limits={"gpu:0": need - 1}).diagnostics
    assert (finding.rule, finding.path) == ("ZK084", "/instructions/1/instructions/0")
    assert str(need) in finding.message
    assert str(need - 1) in finding.message
    assert [place.path for place in finding.related] == ["/instructions/2"]


def test_a_limit_below_the_arena() -> None:
    raw = document(memory={"gpu:0": 64})
    (finding,) = check(raw, limits={"gpu:0": 63, "gpu:1": 0}).diagnostics
    assert (finding.rule, finding.path) == ("ZK084", "/memory/gpu:0")
    assert finding.help is not None
    assert finding.help.startswith("shrink `memory`: the arena alone takes ")


def test_operands_are_described_where_they_are_asked_for() -> None:
    raw = document(
        load("array", 5),
        allocate(0, device="gpu:0"),
        stream(1),
        call("fill", [0], [1]),
        {"op": "Rotation", "src": 5, "dst": 6, "shift": 3},
        {"op": "AssembleTuple", "vars": [6, 5], "dst": 7},
        free(0, stream=1),
        return_(7),
    )
    assert check(raw).operands == {}
    operands = check(raw, operands=True).operands
    told = {
        path.removeprefix("/instructions/"): [
            (info.operand, info.id, str(info.typ), info.device) for info in infos
        ]
        for path, infos in operands.items()
    }
    assert told == {
        "0": [("dst", 5, "ScalarArray[8]", "cpu")],
        "1": [("id", 0, "ScalarArray[8]", "gpu:0")],
        "2": [("id", 1, "Stream", "gpu:0")],
        "3": [("arg_mut/0", 0, "ScalarArray[8]", "gpu:0"), ("arg/0", 1, "Stream", "gpu:0")],
        "4": [("src", 5, "ScalarArray[8]", "cpu"), ("dst", 6, "ScalarArray[8]", "cpu")],
        "5": [
            ("vars/0", 6, "ScalarArray[8]", "cpu"),
            ("vars/1", 5, "ScalarArray[8]", "cpu"),
            ("dst", 7, "(ScalarArray[8], ScalarArray[8])", "cpu"),
        ],
        "6": [("id", 0, "ScalarArray[8]", "gpu:0"), ("stream", 1, "Stream", "gpu:0")],
        "7": [("id", 7, "(ScalarArray[8], ScalarArray[8])", "cpu")],
    }
    rotated = operands["/instructions/4"][1]
    assert (rotated.offset, rotated.whole, rotated.read_only) == (5, 8, True)


def test_blinded_memory_is_no_input() -> None:
    raw = document(allocate(0), blind(0), return_(0))
    (info,) = check(raw, operands=True).operands["/instructions/1"]
    assert not info.read_only
