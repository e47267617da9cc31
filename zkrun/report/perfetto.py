"""A trace in the Chrome JSON format, which Perfetto and chrome://tracing open.

One process a device, one thread of it for each of its tracks; a slice (`X`) for each span, a flow
(`s`, `f`) from each Record to each Wait for it, a counter for each device's memory. Times are
microseconds from the start of the run. The fields are those of the Trace Event Format:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from zkrun.report.text import safe
from zkrun.runtime.trace import InstructionInfo, Span, Trace

__all__ = ["perfetto"]

_Event = dict[str, Any]


def perfetto(trace: Trace) -> bytes:
    """The JSON document, one event a line."""
    devices = _devices(trace)
    places = [{"pid": devices[track.device], "tid": track.id + 1} for track in trace.tracks]
    slices = _slices(trace)
    timed = [
        *_slice_events(trace, slices, places),
        *_flow_events(trace, slices, places),
        *_counter_events(trace, devices),
    ]
    timed.sort(key=lambda event: float(event["ts"]))  # stable: a flow starts before it finishes
    lines = ",\n".join(_line(event) for event in (*_names(trace, devices), *timed))
    about = {
        "program": safe(trace.program),
        "started": trace.started,
        "insecure_seed": trace.insecure_seed,
        **({"failed": safe(trace.failure.message, 1000)} if trace.failure else {}),
        **trace.machine,
    }
    head = json.dumps({"displayTimeUnit": "ns", "otherData": about})
    return f'{head[:-1]}, "traceEvents": [\n{lines}\n]}}\n'.encode()


def _line(event: _Event) -> str:
    return json.dumps(event, ensure_ascii=True, separators=(",", ":"))


def _devices(trace: Trace) -> dict[str, int]:
    """The process id of each device, in the order in which they are shown."""
    names = [track.device for track in trace.tracks]
    names += [use.name for use in trace.devices]
    names += [sample.device for sample in trace.memory]
    return {name: index for index, name in enumerate(dict.fromkeys(names), start=1)}


def _names(trace: Trace, devices: dict[str, int]) -> Iterator[_Event]:
    """Metadata that names and sorts processes and threads."""

    def event(name: str, value: str | int, pid: int, tid: int = 0) -> _Event:
        key = "name" if isinstance(value, str) else "sort_index"
        return {"ph": "M", "name": name, "pid": pid, "tid": tid, "ts": 0, "args": {key: value}}

    for device, pid in devices.items():
        yield event("process_name", device, pid)
        yield event("process_sort_index", pid, pid)
    for track in trace.tracks:
        pid = devices[track.device]
        yield event("thread_name", safe(track.name), pid, track.id + 1)
        yield event("thread_sort_index", track.id, pid, track.id + 1)


def _slices(trace: Trace) -> dict[int, list[Span]]:
    """The spans of each track by start, cut so that each pair of a track is disjoint or nested."""
    tracks: defaultdict[int, list[Span]] = defaultdict(list)
    for span in trace.spans:
        tracks[span.track].append(span)
    return {
        track: _nested(sorted(spans, key=lambda span: (span.start, -span.end)))
        for track, spans in tracks.items()
    }


def _nested(spans: list[Span]) -> list[Span]:
    """A span that ends after one that it started in ends with it."""
    result = []
    around: list[int] = []  # ends of the slices that are open
    for span in spans:
        while around and around[-1] <= span.start:
            around.pop()
        if around and span.end > around[-1]:
            span = span._replace(end=around[-1])
        around.append(span.end)
        result.append(span)
    return result


def _slice_events(
    trace: Trace, slices: dict[int, list[Span]], places: list[_Event]
) -> Iterator[_Event]:
    for track, spans in slices.items():
        for span in spans:
            info = trace.instructions[span.at]
            yield {
                "ph": "X",
                "name": safe(info.label),
                "cat": span.kind,
                **places[track],
                "ts": span.start / 1000,
                "dur": (span.end - span.start) / 1000,
                "args": _details(info),
            }


def _details(info: InstructionInfo) -> dict[str, str | int]:
    details: dict[str, str | int] = {"path": info.path, "device": info.device}
    if info.source is not None:
        details["source"] = safe(info.source)
    if info.track is not None:
        details["track"] = safe(info.track)
    if info.multiplications:
        details["multiplications"] = info.multiplications
    if info.bytes:
        details["bytes"] = info.bytes
    return details


def _flow_events(
    trace: Trace, slices: dict[int, list[Span]], places: list[_Event]
) -> Iterator[_Event]:
    """An arrow a flow, each with an id of its own, from inside one slice to inside another."""
    for index, flow in enumerate(trace.flows, start=1):
        recorded = _inside(slices.get(flow.record_track, []), flow.record_time)
        waited = _inside(slices.get(flow.wait_track, []), flow.wait_time)
        if recorded is None or waited is None:
            continue
        common = {"name": f"event {flow.event}", "cat": "event", "id": index}
        start = {"ph": "s", **common, **places[flow.record_track]}
        finish = {"ph": "f", "bp": "e", **common, **places[flow.wait_track]}
        yield {**start, "ts": min(recorded, waited) / 1000}
        yield {**finish, "ts": waited / 1000}


def _inside(spans: list[Span], time: int) -> int | None:
    """The last instant up to `time` that lies in a slice; None where there is none."""
    index = bisect_right(spans, time, key=lambda span: span.start) - 1
    if index < 0:
        return None
    span = spans[index]
    return max(span.start, min(time, span.end - 1))


def _counter_events(trace: Trace, devices: dict[str, int]) -> Iterator[_Event]:
    for time, device, nbytes in sorted(trace.memory):
        yield {
            "ph": "C",
            "name": f"memory {device}",
            "pid": devices[device],
            "tid": 0,
            "ts": time / 1000,
            "args": {"bytes": nbytes},
        }
