"""From what a run has noted to its Trace. All of it happens after the run."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter_ns, time_ns

from zkrun.errors import ZkrunError
from zkrun.program import types
from zkrun.program.document import Program, walk
from zkrun.program.instructions import (
    Allocate,
    FuncCall,
    GetScalarFromArray,
    Instruction,
    Record,
    Transfer,
    Wait,
)
from zkrun.program.signature import Call, Cost
from zkrun.program.text import printable
from zkrun.runtime.options import Options
from zkrun.runtime.state import Run, describe
from zkrun.runtime.trace import (
    DeviceUse,
    Failure,
    Flow,
    InstructionInfo,
    MemorySample,
    SpanKind,
    Spans,
    Trace,
    Track,
)

__all__ = ["Recording", "build_trace", "machine"]


@dataclass(slots=True, eq=False)
class Recording:
    """What is left of a run when its devices are closed."""

    run: Run
    calls: dict[int, Call]
    devices: list[DeviceUse]

    @property
    def wall(self) -> int:
        """Nanoseconds from the first instruction to the last. Streams of a failed run may end what
        they had begun when its threads have ended already."""
        run = self.run
        end = run.end
        if run.failure is not None:
            end = max([end, *(record.work[-1][2] for record in run.streams if record.work)])
        return end - run.start


def build_trace(
    program: Program, options: Options, recording: Recording, walls: list[int]
) -> Trace:
    """The trace of one run; `walls` are the wall times of all measured iterations."""
    run = recording.run
    instructions = [instruction for _, _, instruction in walk(program)]
    spans = _spans(run, instructions)
    queued = {at: stream.device for stream in run.streams for at, _, _ in stream.work}
    infos = [
        _info(program, run, recording.calls.get(at), queued.get(at), at, instruction)
        for at, instruction in enumerate(instructions)
    ]
    memory = sorted((max(0, at - run.start), name, now) for at, name, now in run.memory)
    return Trace(
        program=program.name or "",
        started=_started(run),
        wall=recording.wall,
        tracks=_tracks(program, run),
        instructions=infos,
        spans=spans,
        memory=[MemorySample(*sample) for sample in memory],
        devices=_transferred(run, recording.devices),
        flows=_flows(instructions, spans),
        insecure_seed=options.seed is not None,
        gpu=options.gpu,
        machine=machine(),
        iterations=walls,
        failure=_failure(run),
    )


def machine() -> dict[str, str]:
    """What the run ran on, for people who compare traces."""
    from zkrun import __version__
    from zkrun.devices.cpu.description import cpu_model
    from zkrun.devices.cpu.native_module import native

    system, version = os.uname(), sys.version_info
    return {
        "zkrun": __version__,
        "python": f"{version.major}.{version.minor}.{version.micro}",
        "system": f"{system.sysname} {system.release} {system.machine}",
        "cpu": cpu_model(),
        "isa": str(native().isa),
        "threads": str(native().threads()),
    }


def _started(run: Run) -> str:
    nanoseconds = time_ns() - (perf_counter_ns() - run.start)
    moment = datetime.fromtimestamp(nanoseconds / 1e9, tz=UTC)
    return moment.isoformat(timespec="milliseconds")


def _failure(run: Run) -> Failure | None:
    error = run.failure
    if error is None:
        return None
    where = error.where if isinstance(error, ZkrunError) else None
    time = max(0, run.failed - run.start)
    return Failure(time, None if where is None else where.path, describe(error))


def _tracks(program: Program, run: Run) -> list[Track]:
    tracks = [Track(body.track, "thread", _thread_name(body.thread), "cpu") for body in run.bodies]
    for record in run.streams:
        name = program.variables.get(str(record.variable))
        title = f"stream {record.variable}" + (f" ({printable(name)})" if name else "")
        tracks.append(Track(record.track, "stream", title, record.device))
    return tracks


def _thread_name(thread: int | None) -> str:
    return "main" if thread is None else f"thread {thread}"


def _spans(run: Run, instructions: list[Instruction]) -> Spans:
    spans, origin = Spans(), run.start
    for body in run.bodies:
        start = body.start - origin
        for at, stamp in zip(body.at, body.ends, strict=False):
            end = stamp - origin
            spans.append(body.track, at, start, end, "wait" if _waits(instructions[at]) else "run")
            start = end
    for record in run.streams:
        for at, began, ended in record.work:
            kind: SpanKind = "wait" if instructions[at].op == "Wait" else "run"
            spans.append(record.track, at, began - origin, ended - origin, kind)
    return spans


def _waits(it: Instruction) -> bool:
    """Whether a thread does nothing but wait in this instruction."""
    return it.op in ("Join", "Return") or (isinstance(it, Wait) and it.stream is None)


def _flows(instructions: list[Instruction], spans: Spans) -> list[Flow]:
    """From each Record to the Waits for its event; on the stream's track where there is one."""
    ends = {
        at: (track, end)  # streams come after threads, so where there are two, theirs is kept
        for track, at, end in zip(spans.track, spans.at, spans.end, strict=True)
        if instructions[at].op in ("Record", "Wait")
    }
    recorded = {
        it.event: place for at, place in ends.items() if isinstance(it := instructions[at], Record)
    }
    return [
        Flow(it.event, *recorded[it.event], *place)
        for at, place in ends.items()
        if isinstance(it := instructions[at], Wait) and it.event in recorded
    ]


def _transferred(run: Run, devices: list[DeviceUse]) -> list[DeviceUse]:
    """The devices with the bytes that went to and from each of them."""
    into, out = dict.fromkeys(run.devices, 0), dict.fromkeys(run.devices, 0)
    for nbytes, src, dst in run.moved.values():
        if src != dst:
            into[dst] += nbytes
            out[src] += nbytes
    return [use._replace(bytes_in=into[use.name], bytes_out=out[use.name]) for use in devices]


def _info(
    program: Program, run: Run, call: Call | None, queued: str | None, at: int, it: Instruction
) -> InstructionInfo:
    """`call` is that of a FuncCall; `queued` the device of the stream that did the work.

    Of a run that failed, work that no stream came to costs nothing: the thread queued it.
    """
    label: str = it.op
    device = queued or "cpu"
    function = src = dst = None
    cost = Cost()
    if isinstance(it, FuncCall):
        function = program.functions[it.func_id].name
        label = f"{it.op} {printable(function)}"
        if call is not None:
            cost = call.signature.cost(call)
    elif isinstance(it, Transfer | GetScalarFromArray):
        nbytes, src, dst = run.moved.get(at, (0, "cpu", "cpu"))
        label = f"{it.op} {src}→{dst}"
        cost = Cost(0, nbytes)
        device = queued or _mover(src, dst)
    elif isinstance(it, Allocate):
        device = it.device
    if run.failure is not None and queued is None and _queues(it, call):
        device, function, src, dst, cost = "cpu", None, None, None, Cost()
    place = run.places[at]
    return InstructionInfo(
        op=it.op,
        label=label,
        path=place.path,
        device=device,
        track=it.track,
        source=it.source,
        function=function,
        multiplications=cost.multiplications,
        bytes=cost.bytes,
        src=src,
        dst=dst,
    )


def _queues(it: Instruction, call: Call | None) -> bool:
    """Whether the work of an instruction is that of a stream."""
    if isinstance(it, FuncCall):
        return call is not None and len(it.arg) > len(call.immutable)
    return getattr(it, "stream", None) is not None


def _mover(src: str, dst: str) -> str:
    """The device that a copy without a stream occupies: a GPU before the disk before the CPU."""
    for name in (dst, src):
        if types.gpu_index(name) is not None:
            return name
    return "disk" if "disk" in (src, dst) else "cpu"
