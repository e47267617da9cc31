"""The trace of a run, its file, and what is refused as one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import pytest
from program_kit import allocate, array, copy, load, program, result, run, scalars

from zkrun.errors import UsageError
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
        (("schema",), "zkrun-trace/2"),
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


def test_where_the_last_trace_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert last_trace_path() == tmp_path / "zkrun" / "last-trace.msgpack"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert last_trace_path() == Path.home() / ".local/state/zkrun/last-trace.msgpack"
