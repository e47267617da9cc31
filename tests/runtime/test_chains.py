"""Chains of instructions that are queued together, and the names that a profiler is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from program_kit import (
    STREAM,
    allocate,
    array,
    call,
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

import zkrun
from zkrun.devices.base import Function, Work
from zkrun.devices.virtual.device import VirtualGpu
from zkrun.devices.virtual.stream import VirtualStream
from zkrun.errors import Mismatch
from zkrun.program.document import Program
from zkrun.program.signature import Call
from zkrun.runtime.chains import find_chains
from zkrun.runtime.linker import CallTypes

N = 8
VALUES = list(range(1, N + 1))

ON_GPU: CallTypes = ("gpu:0", (), ())
ON_CPU: CallTypes = ("cpu", (), ())


def found(*instructions: dict[str, Any], cpu: Sequence[int] = ()) -> list[tuple[int, list[int]]]:
    """The chains of these instructions, whose calls run on the GPU but for those at `cpu`."""
    document = program(*instructions, result(0), functions=["poly_add"])
    types = {at: ON_CPU if at in cpu else ON_GPU for at in range(200)}
    return find_chains(document, types)


def add(stream: int) -> dict[str, Any]:
    return call(0, [1], [1, 1, stream])


def test_calls_and_copies_within_a_gpu_are_a_chain() -> None:
    assert found(add(9), add(9), copy(1, 2, "gpu:0", "gpu:0", 9), add(9)) == [(9, [0, 1, 2, 3])]


def test_instructions_that_nobody_notices_do_not_end_a_chain() -> None:
    between = [
        allocate(3, array(N), "gpu:0", offset=0),
        {"op": "Slice", "src": 1, "dst": 2, "start": 0, "end": 2},
        {"op": "Rotation", "src": 1, "dst": 4, "shift": 1},
        {"op": "RemoveRegister", "id": 2},
        {"op": "Deallocate", "id": 3},
    ]
    assert found(add(9), *between, add(9)) == [(9, [0, 6])]


@pytest.mark.parametrize(
    "between",
    [
        record(0, 9),
        record(0),
        wait(0, 9),
        wait(0),
        copy(1, 2, "cpu", "gpu:0", 9),
        copy(1, 2, "gpu:0", "gpu:1", 9),
        copy(1, 2, "gpu:0", "gpu:0"),
        allocate(3, array(N), "gpu:0"),
        {"op": "Deallocate", "id": 1},
        {"op": "Deallocate", "id": 1, "stream": 9},
        {"op": "Fork", "new_thread": 0, "instructions": []},
        {"op": "Join", "thread": 0},
        {"op": "Print", "id": 1},
    ],
    ids=lambda it: it["op"],
)
def test_whatever_others_may_notice_ends_it(between: dict[str, Any]) -> None:
    assert found(add(9), between, add(9)) == [(9, [0]), (9, [2])]


def test_memory_that_moved_to_an_arenas_variable_is_no_bookkeeping() -> None:
    instructions = [
        allocate(3, array(N), "gpu:0", offset=0),
        allocate(4, array(N), "gpu:0"),
        {"op": "Deallocate", "id": 3},
        {"op": "MoveRegister", "src": 4, "dst": 3},
    ]
    assert found(*instructions, add(9), {"op": "Deallocate", "id": 3}, add(9)) == [
        (9, [4]),
        (9, [6]),
    ]


def test_each_stream_and_each_thread_has_chains_of_its_own() -> None:
    inner = {"op": "Fork", "new_thread": 0, "instructions": [add(9), add(9)]}
    assert found(add(9), add(8), add(8), inner, add(8)) == [
        (9, [0]),
        (8, [1, 2]),
        (9, [4, 5]),
        (8, [6]),
    ]


def test_streams_that_take_turns_have_chains_side_by_side() -> None:
    assert found(add(9), add(8), add(9), add(8)) == [(9, [0, 2]), (8, [1, 3])]
    assert found(add(9), add(8), record(0, 8), add(9)) == [(9, [0]), (8, [1]), (9, [3])]


def test_calls_on_the_cpu_are_in_none() -> None:
    assert found(add(9), add(9), add(9), cpu=[1]) == [(9, [0]), (9, [2])]


def test_chains_end_before_the_gpu_would_wait_for_long() -> None:
    assert [len(positions) for _, positions in found(*[add(9)] * 200)] == [8, 16, 32, 64, 64, 16]
    again = found(*[add(9)] * 10, record(0, 9), *[add(9)] * 10)
    assert [len(positions) for _, positions in again] == [8, 2, 8, 2]


def doubling(times: int) -> Program:
    """2^times · a on gpu:0, in an arena, then on the host, checked there."""
    expected = [value * 2**times for value in VALUES]
    return program(
        allocate(9, STREAM, "gpu:0"),
        load(0, 0),
        allocate(1, array(N), "gpu:0", offset=0),
        copy(0, 1, "cpu", "gpu:0", 9),
        *[add(9)] * times,
        allocate(2, array(N)),
        copy(1, 2, "gpu:0", "cpu", 9),
        record(0, 9),
        wait(0),
        load(3, 1),
        {"op": "AssertEq", "value": 2, "expected": 3},
        result(2),
        constants=[scalars("a", VALUES), scalars("expected", expected)],
        functions=["poly_add"],
        memory={"gpu:0": 32 * N},
    )


def test_repeated_runs_queue_chains_with_equal_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[int], object]] = []

    def spy(self: VirtualStream, works: Sequence[tuple[int, Work]], key: object) -> None:
        seen.append(([at for at, _ in works], key))
        for at, work in works:
            self.run(at, work)

    monkeypatch.setattr(VirtualStream, "run_all", spy)
    document = doubling(10)
    once = run(document)
    assert seen == []
    outcome = run(document, iterations=3)
    assert numbers(outcome) == numbers(once) == [value << 10 for value in VALUES]
    assert [positions for positions, _ in seen] == [list(range(4, 12)), [12, 13]] * 3
    for _, key in seen:  # three operands a call: address, offset, length, whole
        assert isinstance(key, tuple)
        assert {key[i + 1 : i + 4] for i in range(0, len(key), 4)} == {(0, N, N)}
    assert [len(key) for _, key in seen if isinstance(key, tuple)] == [8 * 12, 2 * 12] * 3
    tracks = [sorted(set(trace.spans.at)) for trace in (once.trace, outcome.trace)]
    assert tracks[0] == tracks[1]


def test_a_failure_in_a_chain_names_the_instruction() -> None:
    document = program(
        allocate(9, STREAM, "gpu:0"),
        load(0, 0),
        allocate(1, {"kind": "Scalar"}, "gpu:0"),
        {"op": "GetScalarFromArray", "src": 0, "dst": 1, "idx": 0, "stream": 9},
        call(1, [1], [9]),
        call(0, [1], [9]),
        call(1, [1], [9]),
        result(1),
        constants=[scalars("zero", [0], "gpu:0")],
        functions=["scalar_invert", {"name": "scalar_pow", "params": {"exp": "3"}}],
    )
    with pytest.raises(zkrun.RunFailed, match=r"at /instructions/5 .*zero has no inverse"):
        run(document, iterations=2)


def test_a_mismatch_ends_all_iterations() -> None:
    document = doubling(3)
    wrong = program(
        load(0, 0),
        load(1, 1),
        {"op": "AssertEq", "value": 0, "expected": 1},
        result(0),
        constants=[scalars("a", VALUES), scalars("b", VALUES[::-1])],
    )
    assert numbers(run(document, warmup=1, iterations=2)) == [8 * value for value in VALUES]
    with pytest.raises(Mismatch):
        run(wrong, iterations=2)


def test_a_device_foresees_each_call_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[str]]] = []
    bound: list[str] = []
    bind = VirtualGpu.bind

    def foresee(self: VirtualGpu, calls: Sequence[Call]) -> None:
        assert bound == []
        seen.append((self.name, [call.signature.name for call in calls]))

    def spy(self: VirtualGpu, call: Call) -> Function:
        bound.append(call.signature.name)
        return bind(self, call)

    monkeypatch.setattr(VirtualGpu, "foresee", foresee)
    monkeypatch.setattr(VirtualGpu, "bind", spy)
    run(doubling(5))
    assert seen == [("gpu:0", ["poly_add"])]
    assert bound == ["poly_add"]


def test_a_profiler_is_told_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    depth: list[int] = []

    def begin(name: str) -> None:
        names.append(name)
        depth.append(1)

    def end() -> None:
        depth.append(-1)

    monkeypatch.setattr(VirtualGpu, "ranges", lambda self: (begin, end))
    assert numbers(run(doubling(2), iterations=2)) == [4 * value for value in VALUES]
    assert sum(depth) == 0
    # Each call is named where it is queued and where it runs; so are copies on a stream.
    assert names.count("poly_add") == 2 * 2 * 2
    assert names.count("Transfer cpu gpu:0") == names.count("Transfer gpu:0 cpu") == 2 * 2
    assert {"AssertEq", "Allocate gpu:0", "Wait cpu", "Return"} <= set(names)
