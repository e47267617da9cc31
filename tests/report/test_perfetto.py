"""The exported trace against the rules of the Trace Event Format."""

import json
from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from traces import MS, commitment, failed, trace_of

from zkrun.report.perfetto import perfetto
from zkrun.runtime.trace import Flow, InstructionInfo, MemorySample, Span, Trace, Track

Event = dict[str, Any]

PHASES = {"M", "X", "s", "f", "C"}


def exported(trace: Trace) -> list[Event]:
    document = json.loads(perfetto(trace))
    assert set(document) == {"displayTimeUnit", "otherData", "traceEvents"}
    events: list[Event] = document["traceEvents"]
    check(events)
    return events


def check(events: list[Event]) -> None:
    """The rules: known phases, names for all, slices that nest, flows that pair up."""
    assert {event["ph"] for event in events} <= PHASES
    for event in events:
        assert type(event["pid"]) is int
        assert type(event["tid"]) is int
        assert event["ts"] >= 0
        assert event["name"].isprintable()
    named = {(event["name"], event["pid"], event["tid"]) for event in events if event["ph"] == "M"}
    for event in events:
        if event["ph"] == "M":
            continue
        assert ("process_name", event["pid"], 0) in named
        assert ("process_sort_index", event["pid"], 0) in named
        if event["ph"] != "C":
            assert ("thread_name", event["pid"], event["tid"]) in named
            assert ("thread_sort_index", event["pid"], event["tid"]) in named
    timed = [event["ts"] for event in events if event["ph"] != "M"]
    assert timed == sorted(timed)
    check_slices(events)
    check_flows(events)
    check_counters(events)


def nanoseconds(microseconds: float) -> int:
    return round(microseconds * 1000)


def slices_of(events: list[Event]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    tracks: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            assert event["dur"] >= 0
            start = nanoseconds(event["ts"])
            tracks[event["pid"], event["tid"]].append((start, start + nanoseconds(event["dur"])))
    return tracks


def check_slices(events: list[Event]) -> None:
    for slices in slices_of(events).values():
        around: list[tuple[int, int]] = []
        for start, end in sorted(slices, key=lambda each: (each[0], -each[1])):
            while around and around[-1][1] <= start:
                around.pop()
            assert not around or end <= around[-1][1]
            around.append((start, end))


def check_flows(events: list[Event]) -> None:
    slices = slices_of(events)
    flows: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event["ph"] in "sf":
            flows[event["id"]].append(event)
            time = nanoseconds(event["ts"])
            own = slices[event["pid"], event["tid"]]
            assert any(start <= time < max(end, start + 1) for start, end in own)
    for start, finish in flows.values():
        assert (start["ph"], finish["ph"], finish["bp"]) == ("s", "f", "e")
        assert (start["name"], start["cat"]) == (finish["name"], finish["cat"])
        assert start["ts"] <= finish["ts"]


def check_counters(events: list[Event]) -> None:
    last: dict[tuple[int, str], float] = {}
    for event in events:
        if event["ph"] == "C":
            key = event["pid"], event["name"]
            assert event["ts"] >= last.get(key, 0)
            last[key] = event["ts"]
            assert event["args"]["bytes"] >= 0


def test_a_run_becomes_processes_threads_slices_flows_and_counters() -> None:
    events = exported(commitment())
    names = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in events
        if event["ph"] == "M" and "name" in event["args"]
    }
    assert names == {
        (1, 0): "cpu",
        (2, 0): "gpu:0",
        (1, 1): "main",
        (2, 2): "stream 7",
        (1, 3): "thread 1",
    }
    slices = [event for event in events if event["ph"] == "X"]
    assert len(slices) == 10
    msm = next(event for event in slices if event["name"] == "FuncCall msm" and event["pid"] == 2)
    assert (msm["ts"], msm["dur"]) == (13_000, 80_000)
    assert msm["args"]["source"] == "commit.py:12"
    record, wait = (event for event in events if event["ph"] in "sf")
    assert (record["tid"], wait["tid"]) == (2, 1)
    assert nanoseconds(wait["ts"]) == 95 * MS - 1
    counters = [event["args"]["bytes"] for event in events if event["name"] == "memory gpu:0"]
    assert counters == [655360, 1 << 20, 0]


def test_one_record_with_two_waits_is_two_flows() -> None:
    trace = commitment()
    trace.flows.append(Flow(0, 1, 93 * MS, 2, 30 * MS))
    trace.flows[-1] = trace.flows[-1]._replace(wait_track=0, wait_time=96 * MS + 1)
    events = exported(trace)
    assert len({event["id"] for event in events if event["ph"] == "s"}) == 2


def test_an_empty_run_is_still_a_trace() -> None:
    assert exported(trace_of([], [], [], wall=0)) == []


def test_hostile_names_are_harmless() -> None:
    trace = commitment()
    trace.tracks[0] = trace.tracks[0]._replace(name='main"\x1b[31m</script>\n')
    events = exported(trace)
    assert any(event["args"].get("name", "").startswith('main"\\x1b') for event in events)


spans = st.lists(
    st.builds(
        lambda track, start, length, waits: Span(
            track, 0, start, start + length, "wait" if waits else "run"
        ),
        st.integers(0, 3),
        st.integers(0, 50),
        st.integers(0, 30),
        st.booleans(),
    ),
    max_size=40,
)


@given(spans, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 60))))
def test_slices_nest_and_flows_bind_whatever_the_spans(
    spans: list[Span], flows: list[tuple[int, int, int]]
) -> None:
    tracks = [
        Track(0, "thread", "main", "cpu"),
        Track(1, "stream", "stream 0", "gpu:0"),
        Track(2, "stream", "stream 1", "gpu:1"),
        Track(3, "thread", "thread 0", "cpu"),
    ]
    ends = {track: max((s.end for s in spans if s.track == track), default=0) for track in range(4)}
    info = InstructionInfo("Record", "Record 0", "/instructions/0", "cpu")
    memory = [MemorySample(span.end, "cpu", span.start) for span in spans]
    # a Wait ends after the Record that it waits for: take the last slice of its track
    causal = [
        Flow(index, record, time, wait, ends[wait])
        for index, (record, wait, time) in enumerate(flows)
        if time < ends[wait]
        and any(s.track == record and s.start <= time for s in spans)
        and max(s.start for s in spans if s.track == wait) >= time
    ]
    exported(trace_of(tracks, [info], spans, wall=100, memory=memory, flows=causal))


def test_a_failure_is_told() -> None:
    assert "failed" not in json.loads(perfetto(commitment()))["otherData"]
    assert json.loads(perfetto(failed()))["otherData"]["failed"].endswith(r"no\x1b[2J")
