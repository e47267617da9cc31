"""Traces made by hand, for the tests of the reports."""

from collections.abc import Iterable

from zkrun.runtime.trace import (
    DeviceUse,
    Failure,
    Flow,
    InstructionInfo,
    MemorySample,
    Span,
    Spans,
    Trace,
    Track,
)

__all__ = ["MS", "commitment", "failed", "trace_of"]

MS = 1_000_000


def trace_of(
    tracks: list[Track],
    instructions: list[InstructionInfo],
    spans: Iterable[Span],
    *,
    wall: int,
    program: str = "made by hand",
    memory: Iterable[MemorySample] = (),
    devices: Iterable[DeviceUse] = (),
    flows: Iterable[Flow] = (),
    insecure_seed: bool = False,
    iterations: Iterable[int] = (),
) -> Trace:
    """A trace of these spans; times in nanoseconds."""
    columns = Spans()
    for span in spans:
        columns.append(*span)
    return Trace(
        program=program,
        started="2025-01-02T03:04:05Z",
        wall=wall,
        tracks=tracks,
        instructions=instructions,
        spans=columns,
        memory=list(memory),
        devices=list(devices),
        flows=list(flows),
        insecure_seed=insecure_seed,
        gpu="virtual",
        machine={"zkrun": "0.1.0", "cpu": "a processor"},
        iterations=list(iterations) or [wall],
    )


def commitment() -> Trace:
    """100 ms of a commitment: a thread that queues and waits, a stream, a second thread."""
    gpu = "gpu:0"
    instructions = [
        InstructionInfo("LoadInput", "LoadInput blob", "/instructions/0", "cpu"),
        InstructionInfo(
            "Transfer",
            "Transfer cpu→gpu:0",
            "/instructions/1",
            gpu,
            bytes=131072,
            src="cpu",
            dst=gpu,
        ),
        InstructionInfo(
            "FuncCall",
            "FuncCall msm",
            "/instructions/2",
            gpu,
            track="commit",
            source="commit.py:12",
            function="msm",
            multiplications=1_000_000,
            bytes=524288,
        ),
        InstructionInfo("Record", "Record 0", "/instructions/3", gpu),
        InstructionInfo("Wait", "Wait 0", "/instructions/4", "cpu"),
        InstructionInfo("Return", "Return", "/instructions/5", "cpu"),
        InstructionInfo(
            "FuncCall",
            "FuncCall evaluate",
            "/instructions/6/instructions/0",
            "cpu",
            function="evaluate",
            multiplications=4096,
        ),
    ]
    spans = [
        Span(0, 0, 0, 2 * MS, "run"),
        Span(0, 1, 2 * MS, 2 * MS + 5000, "run"),
        Span(0, 2, 3 * MS, 3 * MS + 5000, "run"),
        Span(0, 3, 4 * MS, 4 * MS + 1000, "run"),
        Span(0, 4, 5 * MS, 95 * MS, "wait"),
        Span(0, 5, 96 * MS, 100 * MS, "run"),
        Span(1, 1, 3 * MS, 13 * MS, "run"),
        Span(1, 2, 13 * MS, 93 * MS, "run"),
        Span(1, 3, 93 * MS, 93 * MS, "run"),
        Span(2, 6, 10 * MS, 30 * MS, "run"),
    ]
    return trace_of(
        [
            Track(0, "thread", "main", "cpu"),
            Track(1, "stream", "stream 7", gpu),
            Track(2, "thread", "thread 1", "cpu"),
        ],
        instructions,
        spans,
        wall=100 * MS,
        program="commitment",
        memory=[
            MemorySample(0, "cpu", 65536),
            MemorySample(2 * MS, gpu, 655360),
            MemorySample(40 * MS, gpu, 1 << 20),
            MemorySample(93 * MS, gpu, 0),
        ],
        devices=[
            DeviceUse("cpu", 65536, 0, 0, 131072),
            DeviceUse(gpu, 1 << 20, 655360, 131072, 0, 1 << 30),
        ],
        flows=[Flow(0, 1, 93 * MS, 0, 95 * MS)],
    )


def failed() -> Trace:
    """The same, which fails after 50 ms in a function on the stream."""
    trace = commitment()
    message = "FuncCall at /instructions/2 (the main thread, commit.py:12): no\x1b[2J"
    trace.failure = Failure(50 * MS, "/instructions/2", message)
    return trace
