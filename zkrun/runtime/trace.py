"""What happened in a run: pure data that the reports read, and its file form.

Times are nanoseconds from the start of the run. An instruction runs at most once in a run, so it
has at most one span on the track of its thread and, where it queues work, one on the track of its
stream.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

__all__ = [
    "MAX_TRACE",
    "SCHEMA",
    "DeviceUse",
    "Failure",
    "Flow",
    "InstructionInfo",
    "MemorySample",
    "Span",
    "SpanKind",
    "Spans",
    "Trace",
    "Track",
    "last_trace_path",
]

SCHEMA = "zkrun-trace/2"

MAX_TRACE = 2 << 30
"""Bytes of a file of a trace: some million instructions take a tenth."""

TrackKind = Literal["thread", "stream"]
SpanKind = Literal["run", "wait"]


class Track(NamedTuple):
    """A thread of the program or a stream: what has an order of its own. `id` is its index."""

    id: int
    kind: TrackKind
    name: str  # "main", "thread 3", "stream 7" (the variable of its Allocate)
    device: str  # "cpu" of a thread, "gpu:0" of a stream


class Span(NamedTuple):
    """One instruction on one track. On a thread, queueing work is a span of its own."""

    track: int
    at: int  # index into the instructions of the trace
    start: int
    end: int
    kind: SpanKind


class InstructionInfo(NamedTuple):
    """An instruction as the reports show it; costs are those of its work, once."""

    op: str
    label: str  # "FuncCall ntt", "Transfer cpu→gpu:0"
    path: str  # JSON pointer into the program
    device: str  # where its work runs: "cpu", "gpu:0", "disk"
    track: str | None = None  # the program's own name of its place
    source: str | None = None
    function: str | None = None
    multiplications: int = 0
    bytes: int = 0  # moved by a transfer or, by its signature, a function
    src: str | None = None  # devices of a transfer
    dst: str | None = None


class MemorySample(NamedTuple):
    """Bytes really taken on a device from this time on."""

    time: int
    device: str
    bytes: int


class DeviceUse(NamedTuple):
    """What a device gave to the run, in bytes. `planned` is the arena that the program names."""

    name: str
    peak: int
    planned: int
    bytes_in: int  # transferred to it from other devices
    bytes_out: int
    limit: int | None = None


class Flow(NamedTuple):
    """From a Record to one Wait for it: ends of their spans."""

    event: int
    record_track: int
    record_time: int
    wait_track: int
    wait_time: int


class Failure(NamedTuple):
    """Why a run ended before its Return; what its tracks did last is in the spans."""

    time: int
    path: str | None  # of the instruction; None where a limit or the user ended the run
    message: str  # which names the instruction as well


@dataclass(slots=True)
class Spans:
    """Spans as parallel columns of 64-bit integers; `kind` is 0 for "run" and 1 for "wait"."""

    track: array[int] = field(default_factory=lambda: array("q"))
    at: array[int] = field(default_factory=lambda: array("q"))
    start: array[int] = field(default_factory=lambda: array("q"))
    end: array[int] = field(default_factory=lambda: array("q"))
    kind: array[int] = field(default_factory=lambda: array("q"))

    def append(self, track: int, at: int, start: int, end: int, kind: SpanKind) -> None:
        self.track.append(track)
        self.at.append(at)
        self.start.append(start)
        self.end.append(end)
        self.kind.append(kind == "wait")

    def __len__(self) -> int:
        return len(self.track)

    def __iter__(self) -> Iterator[Span]:
        columns = zip(self.track, self.at, self.start, self.end, self.kind, strict=True)
        for track, at, start, end, kind in columns:
            yield Span(track, at, start, end, "wait" if kind else "run")


@dataclass(slots=True)
class Trace:
    """A run. `iterations` holds the wall time of every measured iteration, of which this is the
    median one, or the one that failed; `insecure_seed` brands a run whose blinding can be
    repeated."""

    program: str
    started: str  # ISO 8601, UTC
    wall: int
    tracks: list[Track]
    instructions: list[InstructionInfo]
    spans: Spans
    memory: list[MemorySample]
    devices: list[DeviceUse]
    flows: list[Flow]
    insecure_seed: bool
    gpu: Literal["real", "virtual"]
    machine: dict[str, str]  # "zkrun", "python", "system", "cpu", "isa", "threads", …
    iterations: list[int]
    failure: Failure | None = None
    schema: str = SCHEMA

    def save(self, path: Path) -> None:
        """Writes the trace as MessagePack, whole or not at all."""
        from zkrun.runtime.files import write_whole
        from zkrun.runtime.trace_file import pack

        write_whole(path, pack(self))

    @classmethod
    def load(cls, path: Path) -> Trace:
        """Reads a saved trace, from standard input for `-`.

        UsageError where it cannot be read or is not one.
        """
        from zkrun.errors import UsageError
        from zkrun.runtime.files import read_bounded
        from zkrun.runtime.trace_file import unpack

        try:
            payload = read_bounded(path, MAX_TRACE)
        except OSError as error:
            raise UsageError(f"cannot read the trace {path}: {error.strerror}") from error
        return unpack(payload, "standard input" if str(path) == "-" else str(path))


def last_trace_path() -> Path:
    """Where the trace of the last run lies: in $XDG_STATE_HOME, by default ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return folder / "zkrun" / "last-trace.msgpack"
