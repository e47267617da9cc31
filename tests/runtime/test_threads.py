"""Threads, events and failures: what is started ends, and the first failure decides."""

from __future__ import annotations

import threading
import time
from pathlib import Path
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

from zkrun.devices.cpu.device import CpuDevice
from zkrun.devices.virtual.stream import VirtualStream
from zkrun.errors import InvalidProgram, Mismatch, ResourceLimit, RunFailed, UsageError
from zkrun.program.document import Program
from zkrun.runtime.state import Run, StreamRecord


def fork(thread: int, *instructions: dict[str, Any]) -> dict[str, Any]:
    return {"op": "Fork", "new_thread": thread, "instructions": list(instructions)}


def join(thread: int) -> dict[str, Any]:
    return {"op": "Join", "thread": thread}


FAIL = [
    load(90, 0),
    {"op": "AssertEq", "value": 90, "expected": 90},
    allocate(91, SCALAR),
    {"op": "Slice", "src": 90, "dst": 92, "start": 0, "end": 1},
    {"op": "GetScalarFromArray", "src": 92, "dst": 91, "idx": 0},
    call(0, [91], [], source="bad.py:7"),
]
"""Instructions that invert zero: constant 0 starts with it, function 0 is scalar_invert."""


def failing(*instructions: dict[str, Any], **keys: Any) -> Any:
    functions = ["scalar_invert", "poly_add"]
    constants = [scalars("zero", [0, 1, 2, 3])]
    return program(*instructions, functions=functions, constants=constants, **keys)


def test_a_hundred_runs_of_forks_records_and_waits() -> None:
    document = program(
        load(0, 0),
        *[allocate(10 + i, array(3)) for i in range(4)],
        fork(0, wait(5), call(0, [11], [10, 10]), record(1), fork(1, wait(2), record(3))),
        fork(2, call(0, [10], [0, 0]), record(5), wait(1), call(0, [12], [11, 10]), record(2)),
        join(0),
        join(2),
        wait(3),
        call(0, [13], [12, 12]),
        join(1),
        result(13),
        functions=["poly_add"],
        constants=[scalars("c", [1, 2, 3])],
    )
    outcome = run(document, iterations=100)
    assert numbers(outcome) == [12, 24, 36]
    assert len(outcome.trace.iterations) == 100
    assert [track.name for track in outcome.trace.tracks] == [
        "main",
        "thread 0",
        "thread 1",
        "thread 2",
    ]
    assert {flow.event for flow in outcome.trace.flows} == {1, 2, 3, 5}
    for flow in outcome.trace.flows:
        assert flow.record_time <= flow.wait_time


def test_threads_that_are_not_joined_are_waited_for() -> None:
    document = program(
        load(0, 0),
        fork(0, allocate(1, array(2), "disk"), copy(0, 1, "cpu", "disk"), fork(1, load(2, 0))),
        result(0),
        constants=[scalars("c", [1, 2])],
    )
    outcome = run(document)
    assert numbers(outcome) == [1, 2]
    assert len(outcome.trace.spans) == len(outcome.trace.instructions)


def test_a_failure_crosses_joins_and_names_its_thread() -> None:
    document = failing(load(0, 0), fork(3, fork(4, *FAIL), join(4)), join(3), result(0))
    with pytest.raises(RunFailed) as caught:
        run(document)
    where = caught.value.where
    assert where is not None
    assert (where.thread, where.source) == (4, "bad.py:7")
    assert where.path == "/instructions/1/instructions/0/instructions/5"
    assert "(thread 4, bad.py:7)" in str(caught.value)


def test_a_failure_frees_threads_and_streams_that_wait() -> None:
    document = failing(
        load(0, 0),
        allocate(1, STREAM, "gpu:0"),
        allocate(2, array(4), "gpu:0"),
        fork(0, *FAIL, record(0), record(1)),
        fork(1, wait(0)),
        wait(1, 1),
        copy(0, 2, "cpu", "gpu:0", stream=1),
        join(1),
        result(2),
    )
    with pytest.raises(RunFailed, match="thread 0"):
        run(document)


def test_a_failure_frees_those_who_join_a_thread_that_never_starts() -> None:
    document = failing(
        load(0, 0),
        fork(0, *FAIL, fork(1, load(95, 0)), record(0)),
        fork(2, wait(0), join(1)),
        join(2),
        result(0),
    )
    with pytest.raises(RunFailed, match="thread 0"):
        run(document)
    joiner = failing(load(0, 0), fork(0, *FAIL, fork(1, load(95, 0))), join(0), join(1), result(0))
    with pytest.raises(RunFailed, match="thread 0"):
        run(joiner)


def test_queued_work_that_fails_is_reported_where_it_was_queued() -> None:
    document = failing(
        load(0, 0),
        allocate(1, STREAM, "gpu:0"),
        allocate(2, SCALAR, "gpu:0"),
        {"op": "GetScalarFromArray", "src": 0, "dst": 2, "idx": 0, "stream": 1},
        call(0, [2], [1], track="inverses"),
        record(0, 1),
        wait(0),
        result(2),
    )
    for _ in range(20):
        with pytest.raises(RunFailed) as caught:
            run(document)
        assert caught.value.where is not None
        assert caught.value.where.path == "/instructions/4"
        assert "track inverses" in str(caught.value)


def test_the_first_failure_decides() -> None:
    document = failing(
        load(0, 0),
        fork(0, load(1, 0), wait(0), {"op": "AssertEq", "value": 1, "expected": 1}),
        fork(1, *FAIL, record(0)),
        join(0),
        join(1),
        result(0),
    )
    for _ in range(20):
        with pytest.raises(RunFailed, match="thread 1"):
            run(document)


def test_a_differing_value_in_a_thread_is_a_mismatch() -> None:
    document = program(
        load(0, 0),
        load(1, 1),
        fork(0, {"op": "AssertEq", "value": 0, "expected": 1}),
        result(0),
        constants=[constant("a", SCALAR, 1), constant("b", SCALAR, 2)],
    )
    with pytest.raises(Mismatch, match="thread 0"):
        run(document)


def _slow(seconds: float) -> Any:
    """A program that would take much longer than `seconds`."""
    squarings = [call(0, [1], []) for _ in range(int(seconds * 2000))]
    return program(
        load(0, 0),
        allocate(1, SCALAR),
        copy(0, 1, "cpu", "cpu"),
        *squarings,
        result(1),
        functions=[{"name": "scalar_pow", "params": {"exp": "0x" + "f" * 60_000}}],
        constants=[constant("s", SCALAR, 3)],
    )


def test_a_run_that_takes_too_long_is_stopped() -> None:
    document = _slow(1)
    start = time.monotonic()
    with pytest.raises(ResourceLimit, match=r"longer than 0\.2 seconds"):
        run(document, timeout=0.2)
    assert time.monotonic() - start < 30  # not minutes: it was stopped, not waited for


def test_a_run_that_ends_too_late_has_taken_too_long_whoever_sees_it_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wait = Run.wait

    def late(run: Run, seconds: float | None = None) -> bool:
        wait(run)  # Python's main thread gets its turn only when all is over
        return wait(run, seconds)

    monkeypatch.setattr(Run, "wait", late)
    document = program(load(0, 0), result(0), constants=[scalars("c", [1])])
    with pytest.raises(ResourceLimit, match="took longer"):
        run(document, timeout=1e-9)
    assert numbers(run(document, timeout=60.0)) == [1]


@pytest.mark.parametrize("device", ["cpu", "gpu:0", "disk"])
def test_memory_beyond_a_limit_is_refused(device: str, tmp_path: Path) -> None:
    document = program(
        load(0, 0),
        allocate(1, array(1 << 16), device),
        allocate(2, array(1 << 16), device),
        allocate(3, array(1 << 16), device),
        result(0),
        constants=[scalars("c", [1])],
    )
    with pytest.raises(ResourceLimit) as caught:
        run(document, limits={device: 5 << 20}, folder=tmp_path)
    assert caught.value.where is not None
    assert caught.value.where.path == "/instructions/3"
    assert list(tmp_path.iterdir()) == []
    assert numbers(run(document, limits={device: 7 << 20}, folder=tmp_path)) == [1]


def test_an_arena_beyond_a_limit_is_refused() -> None:
    document = program(
        load(0, 0), result(0), memory={"gpu:0": 1 << 20}, constants=[scalars("c", [1])]
    )
    with pytest.raises(ResourceLimit, match="gpu:0"):
        run(document, limits={"gpu:0": 1 << 19})


def test_more_memory_than_there_is_is_refused() -> None:
    document = program(
        load(0, 0), allocate(1, array(1 << 50)), result(0), constants=[scalars("c", [1])]
    )
    with pytest.raises(ResourceLimit):
        run(document)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iterations": 0}, "at least one"),
        ({"warmup": -1}, "fewer than 0"),
        ({"timeout": 0.0}, "time limit"),
        ({"limits": {"gpu:1": 5}}, "gpu:1"),
        ({"limits": {"cpu": -5}}, "negative"),
        ({"limits": {"cpu": 1 << 64}}, "more than any memory"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    document = program(load(0, 0), result(0), constants=[scalars("c", [1])])
    with pytest.raises(UsageError, match=words):
        run(document, **options)


def with_a_stream() -> Program:
    return program(
        load(0, 0), allocate(1, STREAM, "gpu:0"), result(0), constants=[scalars("c", [1])]
    )


def test_streams_that_are_gone_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    has_passed, asked = StreamRecord.has_passed, []

    def counted(entry: StreamRecord) -> bool:
        asked.append(entry)
        return has_passed(entry)

    monkeypatch.setattr(StreamRecord, "has_passed", counted)
    document = program(
        load(1, 0),
        *[allocate(0, STREAM, "gpu:0"), {"op": "Deallocate", "id": 0}] * 200,
        result(1),
        constants=[scalars("c", [1])],
    )
    assert numbers(run(document)) == [1]
    assert len(asked) < 200 * 20


def test_a_stream_that_the_system_gives_no_thread_is_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if "stream" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ResourceLimit, match=r"/instructions/1 .* no thread"):
        run(with_a_stream())


def test_a_stream_that_fails_when_everything_has_returned_fails_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def synchronize(stream: VirtualStream) -> None:
        calls.append(stream)
        if len(calls) == 2:  # the first one is that of Return
            raise RunFailed("the device was lost")

    monkeypatch.setattr(VirtualStream, "synchronize", synchronize)
    with pytest.raises(RunFailed, match="the device was lost"):
        run(with_a_stream())


def test_devices_are_closed_also_where_a_stream_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    close, closed = VirtualStream.close, []

    def broken(stream: VirtualStream) -> None:
        close(stream)
        raise RunFailed("the stream is lost")

    monkeypatch.setattr(VirtualStream, "close", broken)
    monkeypatch.setattr(CpuDevice, "close", lambda cpu: closed.append(cpu.name))
    with pytest.raises(RunFailed, match="the stream is lost"):
        run(with_a_stream())
    assert closed == ["cpu"]


def test_an_invalid_program_never_starts() -> None:
    document = program(load(0, 0), result(1), constants=[scalars("c", [1])])
    with pytest.raises(InvalidProgram) as caught:
        run(document)
    assert any(one.path.startswith("/instructions/1") for one in caught.value.diagnostics)


def test_blinding_does_not_depend_on_timing() -> None:
    ids = range(1, 7)
    document = program(
        *[allocate(i, array(3)) for i in ids],
        *[fork(i, {"op": "Blind", "dst": i, "start": 0, "end": 3}) for i in ids],
        *[join(i) for i in ids],
        {"op": "AssembleTuple", "vars": list(ids), "dst": 0},
        result(0),
    )
    first = numbers(run(document, seed=1))
    assert len({value for values in first for value in values}) == 18
    for _ in range(5):
        assert numbers(run(document, seed=1)) == first
    assert run(document, seed=1).trace.insecure_seed
    assert not run(document).trace.insecure_seed
