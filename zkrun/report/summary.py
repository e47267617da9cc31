"""A Trace in figures: what each track, function, transfer and device did.

Pure aggregation, one pass over the spans. Work that an instruction queues is counted where it ran:
on the stream, not on the thread that queued it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from zkrun.runtime.trace import InstructionInfo, Span, Trace

__all__ = [
    "BottleneckSummary",
    "DeviceSummary",
    "FailureSummary",
    "FunctionSummary",
    "OtherSummary",
    "PlaceSummary",
    "StoppedSummary",
    "Summary",
    "TrackSummary",
    "TransferSummary",
    "summarise",
]


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """One thread or stream. Times in ns; `share` is busy time over the wall time.

    `busy` is the time of its own work: of a stream, on the device, as events there tell it. `host`
    is the time that threads took for it: to queue the work of a stream, all of a thread's.
    """

    name: str
    kind: str
    device: str
    instructions: int
    busy: int
    host: int
    waiting: int
    share: float


@dataclass(frozen=True, slots=True)
class BottleneckSummary:
    """The track that works most: what makes it faster makes the run faster, if it works throughout.

    `place` is the program's own name of most of its work, where it has one.
    """

    track: str
    kind: str
    device: str
    place: str | None
    busy: int
    host: int
    share: float


@dataclass(frozen=True, slots=True)
class PlaceSummary:
    """One of the names that the program's own `track` gives to instructions."""

    name: str
    instructions: int
    busy: int
    waiting: int
    share: float


@dataclass(frozen=True, slots=True)
class FunctionSummary:
    """The calls of one function on one device. Rates are per second, of the work its cost names."""

    name: str
    device: str
    calls: int
    total: int
    mean: float
    multiplications_per_second: float
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class TransferSummary:
    """The transfers from one device to one device."""

    src: str
    dst: str
    transfers: int
    bytes: int
    total: int
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class OtherSummary:
    """Instructions of one kind that neither call a function nor move data."""

    op: str
    instructions: int
    total: int


@dataclass(frozen=True, slots=True)
class DeviceSummary:
    """One device: time in which any of its work ran, and bytes."""

    name: str
    busy: int
    share: float
    peak: int
    planned: int
    bytes_in: int
    bytes_out: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class StoppedSummary:
    """What a track was doing when its run failed, and for how long already."""

    track: str
    label: str
    path: str
    source: str | None
    waiting: bool
    since: int


@dataclass(frozen=True, slots=True)
class FailureSummary:
    """Why a run failed: `path` is its instruction, if it was one; `held` is bytes by device."""

    path: str | None
    message: str
    time: int
    stopped: tuple[StoppedSummary, ...]
    held: dict[str, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """All of it. `work` is the time of all working spans, `transfer_work` that of transfers."""

    program: str
    started: str
    wall: int
    iterations: tuple[int, ...]
    gpu: str
    insecure_seed: bool
    work: int
    transfer_work: int
    tracks: tuple[TrackSummary, ...]
    bottleneck: BottleneckSummary | None
    places: tuple[PlaceSummary, ...]
    functions: tuple[FunctionSummary, ...]
    transfers: tuple[TransferSummary, ...]
    others: tuple[OtherSummary, ...]
    devices: tuple[DeviceSummary, ...]
    machine: tuple[tuple[str, str], ...]
    failure: FailureSummary | None


_Key = TypeVar("_Key")


@dataclass(slots=True)
class _Sum:
    """What is added up under one key."""

    spans: int = 0
    busy: int = 0
    host: int = 0
    waiting: int = 0
    multiplications: int = 0
    bytes: int = 0

    def add(self, info: InstructionInfo, nanoseconds: int, waited: bool, costs: bool) -> None:
        self.spans += 1
        if waited:
            self.waiting += nanoseconds
        else:
            self.busy += nanoseconds
        if costs:
            self.multiplications += info.multiplications
            self.bytes += info.bytes


def summarise(trace: Trace) -> Summary:
    """Adds up a trace."""
    tracks = [_Sum() for _ in trace.tracks]
    places: defaultdict[str, _Sum] = defaultdict(_Sum)
    functions: defaultdict[tuple[str, str], _Sum] = defaultdict(_Sum)
    transfers: defaultdict[tuple[str, str], _Sum] = defaultdict(_Sum)
    others: defaultdict[str, _Sum] = defaultdict(_Sum)
    running: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    streams = {track.id for track in trace.tracks if track.kind == "stream"}
    queued = {
        at: track
        for track, at in zip(trace.spans.track, trace.spans.at, strict=True)
        if track in streams
    }
    worked: defaultdict[tuple[int, str | None], int] = defaultdict(int)
    work = 0
    for track, at, start, end, kind in trace.spans:
        info = trace.instructions[at]
        waited = kind == "wait"
        nanoseconds = end - start
        tracks[track].add(info, nanoseconds, waited, costs=False)
        if track not in streams and at in queued:
            tracks[queued[at]].host += nanoseconds
            continue  # the thread only queued it
        if info.track is not None:
            places[info.track].add(info, nanoseconds, waited, costs=False)
        if waited:
            continue
        work += nanoseconds
        worked[track, info.track] += nanoseconds
        running[info.device].append((start, end))
        if info.function is not None:
            functions[info.function, info.device].add(info, nanoseconds, waited, costs=True)
        elif info.src is not None and info.dst is not None:
            transfers[info.src, info.dst].add(info, nanoseconds, waited, costs=True)
        else:
            others[info.op].add(info, nanoseconds, waited, costs=False)
    track_summaries = tuple(
        TrackSummary(
            name=track.name,
            kind=track.kind,
            device=track.device,
            instructions=entry.spans,
            busy=entry.busy,
            host=entry.busy if track.kind == "thread" else entry.host,
            waiting=entry.waiting,
            share=_ratio(entry.busy, trace.wall),
        )
        for track, entry in zip(trace.tracks, tracks, strict=True)
    )
    return Summary(
        program=trace.program,
        started=trace.started,
        wall=trace.wall,
        iterations=tuple(trace.iterations),
        gpu=trace.gpu,
        insecure_seed=trace.insecure_seed,
        work=work,
        transfer_work=sum(entry.busy for entry in transfers.values()),
        tracks=track_summaries,
        bottleneck=_bottleneck(track_summaries, worked),
        places=tuple(
            PlaceSummary(
                name, entry.spans, entry.busy, entry.waiting, _ratio(entry.busy, trace.wall)
            )
            for name, entry in places.items()
        ),
        functions=tuple(_functions(functions)),
        transfers=tuple(_transfers(transfers)),
        others=tuple(
            OtherSummary(op, entry.spans, entry.busy) for op, entry in _longest_first(others)
        ),
        devices=tuple(_devices(trace, running)),
        machine=tuple(trace.machine.items()),
        failure=_failure(trace),
    )


def _failure(trace: Trace) -> FailureSummary | None:
    if trace.failure is None:
        return None
    time, path, message = trace.failure
    # A track that was still at something had its last span end no earlier than the failure.
    at_the_end = {span.track: span for span in trace.spans if span.start <= time <= span.end}
    held = {sample.device: sample.bytes for sample in trace.memory if sample.time <= time}
    return FailureSummary(
        path, message, time, tuple(_stopped(trace, at_the_end.values(), time)), held
    )


def _stopped(trace: Trace, spans: Iterable[Span], time: int) -> Iterator[StoppedSummary]:
    for span in sorted(spans, key=lambda span: span.track):
        info = trace.instructions[span.at]
        yield StoppedSummary(
            track=trace.tracks[span.track].name,
            label=info.label,
            path=info.path,
            source=info.source,
            waiting=span.kind == "wait",
            since=time - span.start,
        )


def _bottleneck(
    tracks: tuple[TrackSummary, ...], worked: Mapping[tuple[int, str | None], int]
) -> BottleneckSummary | None:
    if not worked:
        return None
    index = max(range(len(tracks)), key=lambda index: tracks[index].busy)
    track = tracks[index]
    places = {place: time for (at, place), time in worked.items() if at == index}
    return BottleneckSummary(
        track=track.name,
        kind=track.kind,
        device=track.device,
        place=max(places, key=lambda place: places[place], default=None),
        busy=track.busy,
        host=track.host,
        share=track.share,
    )


def _functions(sums: dict[tuple[str, str], _Sum]) -> Iterator[FunctionSummary]:
    for (name, device), entry in _longest_first(sums):
        yield FunctionSummary(
            name=name,
            device=device,
            calls=entry.spans,
            total=entry.busy,
            mean=_ratio(entry.busy, entry.spans),
            multiplications_per_second=_ratio(entry.multiplications * 1e9, entry.busy),
            bytes_per_second=_ratio(entry.bytes * 1e9, entry.busy),
        )


def _transfers(sums: dict[tuple[str, str], _Sum]) -> Iterator[TransferSummary]:
    for (src, dst), entry in _longest_first(sums):
        yield TransferSummary(
            src=src,
            dst=dst,
            transfers=entry.spans,
            bytes=entry.bytes,
            total=entry.busy,
            bytes_per_second=_ratio(entry.bytes * 1e9, entry.busy),
        )


def _devices(trace: Trace, running: dict[str, list[tuple[int, int]]]) -> Iterator[DeviceSummary]:
    for use in trace.devices:
        busy = _covered(running.get(use.name, ()))
        yield DeviceSummary(
            name=use.name,
            busy=busy,
            share=_ratio(busy, trace.wall),
            peak=use.peak,
            planned=use.planned,
            bytes_in=use.bytes_in,
            bytes_out=use.bytes_out,
            limit=use.limit,
        )


def _longest_first(sums: dict[_Key, _Sum]) -> list[tuple[_Key, _Sum]]:
    return sorted(sums.items(), key=lambda item: -item[1].busy)


def _covered(intervals: Iterable[tuple[int, int]]) -> int:
    """The length of the union of intervals: work side by side counts once."""
    total = reached = 0
    for start, end in sorted(intervals):
        if end > reached:
            total += end - max(start, reached)
            reached = end
    return total


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
