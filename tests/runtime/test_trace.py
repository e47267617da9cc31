"""The trace of a run, its file, and what is refused as one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
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
    program,
    record,
    result,
    run,
    scalars,
    wait,
)

from zkrun.errors import ResourceLimit, RunFailed, UsageError, ZkrunError
from zkrun.runtime import trace as trace_module
from zkrun.runtime import trace_file
from zkrun.runtime.trace import Trace, last_trace_path


@pytest.fixture
def trace() -> Trace:
    document = program(
        load(0, 0),
        allocate(1, array(4), "disk"),
        copy(0, 1, "cpu", "disk"),
        {"op": "Fork", "new_thread": 5, "instructions": [{"op": "Record", "event": 3}]},
        {"op": "Wait", "slave": "cpu", "event": 3},
        result(1),
        name="sample",
        constants=[scalars("c", [1, 2, 3, 4])],
    )
    return run(document, warmup=1, iterations=3, seed=1).trace


def test_a_trace_holds_what_happened(trace: Trace) -> None:
    assert trace.program == "sample"
    assert trace.insecure_seed
    assert len(trace.iterations) == 3
    assert trace.wall == sorted(trace.iterations)[1]
    labels = [info.label for info in trace.instructions]
    assert labels[2] == "Transfer cpu→disk"
    assert trace.instructions[4].path == "/instructions/3/instructions/0"
    assert [span.kind for span in trace.spans if span.track == 0][-2:] == ["wait", "wait"]
    for track in trace.tracks:
        spans = [span for span in trace.spans if span.track == track.id]
        assert all(a.end <= b.start for a, b in pairwise(spans))
    assert max(span.end for span in trace.spans) <= trace.wall
    disk = next(use for use in trace.devices if use.name == "disk")
    assert (disk.bytes_in, disk.bytes_out) == (128, 0)
    assert disk.peak >= 128
    assert [flow.event for flow in trace.flows] == [3]


def test_saved_and_loaded_again(trace: Trace, tmp_path: Path) -> None:
    file = tmp_path / "new" / "trace.msgpack"
    trace.save(file)
    assert Trace.load(file) == trace
    assert [entry.name for entry in file.parent.iterdir()] == ["trace.msgpack"]


def failed(*instructions: dict[str, Any], **options: Any) -> tuple[ZkrunError, Trace]:
    """What a program that inverts zero, constant 0, raises, and the trace in it."""
    document = program(
        load(0, 0),
        *instructions,
        functions=["scalar_invert", {"name": "scalar_pow", "params": {"exp": "0x" + "f" * 60_000}}],
        constants=[constant("zero", SCALAR, 0), constant("three", SCALAR, 3)],
    )
    with pytest.raises(ZkrunError) as caught:
        run(document, **options)
    assert caught.value.trace is not None
    return caught.value, caught.value.trace


def last(trace: Trace, track: int) -> str:
    """The path of what a track did last."""
    return trace.instructions[[span.at for span in trace.spans if span.track == track][-1]].path


@pytest.mark.parametrize("iterations", [1, 3])
def test_a_failed_run_leaves_what_it_did(iterations: int, tmp_path: Path) -> None:
    error, trace = failed(
        allocate(1, SCALAR),
        copy(0, 1, "cpu", "cpu"),
        {"op": "Fork", "new_thread": 5, "instructions": [wait(3), record(4)]},
        call(0, [1], []),
        record(3),
        {"op": "Join", "thread": 5},
        result(1),
        iterations=iterations,
    )
    assert isinstance(error, RunFailed)
    assert error.where is not None
    assert trace.failure is not None
    assert (trace.failure.path, trace.failure.message) == ("/instructions/4", str(error))
    assert 0 < trace.failure.time <= trace.wall
    (at_it,) = [
        span for span in trace.spans if trace.instructions[span.at].path == error.where.path
    ]
    assert at_it.start <= trace.failure.time <= at_it.end
    assert trace.iterations == [trace.wall]
    assert last(trace, 0) == "/instructions/4"
    assert last(trace, 1) in ("/instructions/3/instructions/0", "/instructions/4")
    assert max(span.end for span in trace.spans) <= trace.wall
    assert [use.name for use in trace.devices] == ["cpu"]
    trace.save(tmp_path / "trace")
    assert Trace.load(tmp_path / "trace") == trace


def test_work_that_no_stream_came_to_costs_nothing() -> None:
    _, trace = failed(
        allocate(4, STREAM, "gpu:0"),
        allocate(1, SCALAR, "gpu:0"),
        allocate(2, SCALAR, "gpu:0"),
        copy(0, 1, "cpu", "gpu:0", 4),
        call(0, [1], [4]),
        copy(1, 2, "gpu:0", "gpu:0", 4),
        {"op": "Deallocate", "id": 1, "stream": 4},
        record(0, 4),
        wait(0),
        {"op": "Deallocate", "id": 4},
        result(0),
    )
    assert trace.failure is not None
    assert trace.failure.path == "/instructions/5"
    assert trace.instructions[4].bytes == 32
    for info in trace.instructions[5:]:
        assert (info.function, info.src, info.dst) == (None, None, None)
        assert (info.multiplications, info.bytes, info.device) == (0, 0, "cpu")
    assert trace.instructions[5].label == "FuncCall scalar_invert"


def test_a_run_that_takes_too_long_says_where_it_was() -> None:
    error, trace = failed(
        load(1, 1),
        allocate(2, SCALAR),
        copy(1, 2, "cpu", "cpu"),
        *[call(1, [2], [])] * 1000,
        result(2),
        timeout=0.05,
    )
    assert isinstance(error, ResourceLimit)
    assert trace.failure is not None
    assert trace.failure.path is None
    assert last(trace, 0) not in ("/instructions/0", "/instructions/1004")


def test_what_never_ran_has_no_trace() -> None:
    with pytest.raises(UsageError) as caught:
        run(program(load(0, 0), result(0), constants=[constant("c", SCALAR, 0)]), iterations=0)
    assert caught.value.trace is None


def _broken(raw: dict[str, Any], *path: Any, value: Any) -> bytes:
    at: Any = raw
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    packed: bytes = msgpack.packb(raw)
    return packed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "zkrun-trace/1"),
        (("failure",), "why"),
        (("failure",), [0, None]),
        (("failure",), [-1, None, "why"]),
        (("failure",), [0, 1, "why"]),
        (("wall",), "long"),
        (("wall",), True),
        (("extra",), 1),
        (("tracks", 0, 0), 1),
        (("tracks", 0, 1), "queue"),
        (("tracks", 0), [0, "thread", "main"]),
        (("instructions", 0, 7), None),
        (("spans", "at"), b"1234567"),
        (("spans", "at"), b""),
        (("spans", "kind"), (7).to_bytes(8, "little") * 7),
        (("spans", "track"), (9).to_bytes(8, "little") * 7),
        (("spans", "end"), bytes(56)),
        (("flows", 0, 1), 50),
        (("gpu",), "other"),
        (("machine",), {"zkrun": 1}),
        (("iterations",), [1.5]),
        (("iterations",), [-1]),
        (("wall",), -1),
        (("memory", 0, 0), -(2**63)),
        (("devices", 0, 1), -1),
        (("spans", "start"), (-(2**40)).to_bytes(8, "little", signed=True) * 7),
        (("tracks", 0, 3), "\x1b[2J"),
        (("instructions", 0, 0), "\x1b[2J"),
        (("instructions", 0, 3), "\x1b[2J"),
        (("instructions", 2, 9), "\x1b[2J"),
        (("memory", 0, 1), "\x1b[2J"),
        (("devices", 0, 0), "\x1b[2J"),
    ],
)
def test_broken_traces_are_refused(
    trace: Trace, path: tuple[Any, ...], value: Any, tmp_path: Path
) -> None:
    file = tmp_path / "trace"
    trace.save(file)
    raw = msgpack.unpackb(file.read_bytes())
    file.write_bytes(_broken(raw, *path, value=value))
    with pytest.raises(UsageError, match="is not a trace of this version"):
        Trace.load(file)


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    for content in (b"", b"\xc1", b"[]", b"\x80", b"\x91" * 5000):
        file.write_bytes(content)
        with pytest.raises(UsageError, match="is not a trace"):
            Trace.load(file)
    with pytest.raises(UsageError, match="cannot read the trace"):
        Trace.load(tmp_path / "none")


def test_a_file_without_an_end_is_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (trace_module, trace_file):
        monkeypatch.setattr(module, "MAX_TRACE", 1 << 20)
    with pytest.raises(UsageError, match=r"/dev/zero is not a trace: it has more than 1,048,576"):
        Trace.load(Path("/dev/zero"))


def test_where_the_last_trace_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert last_trace_path() == tmp_path / "zkrun" / "last-trace.msgpack"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert last_trace_path() == Path.home() / ".local/state/zkrun/last-trace.msgpack"
