from traces import MS, commitment, failed, trace_of

from zkrun.report.findings import findings
from zkrun.report.json import report
from zkrun.report.summary import summarise
from zkrun.runtime.trace import DeviceUse, Failure, InstructionInfo, Span, Track


def test_tracks_count_work_and_waiting_apart() -> None:
    main, stream, other = summarise(commitment()).tracks
    assert (main.instructions, main.busy, main.waiting) == (6, 6 * MS + 11_000, 90 * MS)
    assert (stream.instructions, stream.busy, stream.waiting) == (3, 90 * MS, 0)
    assert stream.share == 0.9
    assert (other.name, other.busy) == ("thread 1", 20 * MS)


def test_queued_work_counts_where_it_ran_and_once() -> None:
    summary = summarise(commitment())
    (msm, evaluate) = summary.functions
    assert (msm.name, msm.device, msm.calls, msm.total) == ("msm", "gpu:0", 1, 80 * MS)
    assert msm.mean == 80 * MS
    assert msm.multiplications_per_second == 12.5e6
    assert (evaluate.device, evaluate.total) == ("cpu", 20 * MS)
    (transfer,) = summary.transfers
    assert (transfer.src, transfer.dst, transfer.bytes) == ("cpu", "gpu:0", 131072)
    assert transfer.bytes_per_second == 13_107_200
    assert summary.work == (10 + 80 + 20 + 2 + 4) * MS
    assert summary.transfer_work == 10 * MS


def test_places_are_the_names_the_program_gave() -> None:
    (place,) = summarise(commitment()).places
    assert (place.name, place.instructions, place.busy) == ("commit", 1, 80 * MS)


def test_work_side_by_side_counts_once_for_a_device() -> None:
    info = InstructionInfo("FuncCall", "FuncCall fill", "/instructions/0", "cpu", function="fill")
    trace = trace_of(
        [Track(0, "thread", "main", "cpu"), Track(1, "thread", "thread 0", "cpu")],
        [info, info, info],
        [Span(0, 0, 0, 60, "run"), Span(1, 1, 20, 40, "run"), Span(1, 2, 50, 80, "run")],
        wall=100,
        devices=[DeviceUse("cpu", 10, 0, 0, 0)],
    )
    (device,) = summarise(trace).devices
    assert (device.busy, device.share) == (80, 0.8)
    assert summarise(trace).work == 110


def test_an_empty_run_divides_by_nothing() -> None:
    summary = summarise(trace_of([Track(0, "thread", "main", "cpu")], [], [], wall=0))
    assert summary.tracks[0].share == 0
    assert findings(summary) == []


def test_findings_name_the_bottleneck_and_not_the_thread_that_waits_for_it() -> None:
    (bottleneck,) = findings(summarise(commitment()))
    assert bottleneck == (
        "Stream 7 of gpu:0 (commit) is the bottleneck: it works 90 % of the wall time; msm on "
        "gpu:0 is 69 % of all work."
    )


def test_waiting_while_nothing_works_is_a_finding() -> None:
    compute = InstructionInfo("FuncCall", "FuncCall ntt", "/instructions/0", "cpu", function="ntt")
    wait = InstructionInfo("Join", "Join 0", "/instructions/1", "cpu")
    trace = trace_of(
        [Track(0, "thread", "main", "cpu"), Track(1, "thread", "thread 0", "cpu")],
        [compute, wait],
        [Span(0, 1, 0, 90 * MS, "wait"), Span(1, 0, 0, 40 * MS, "run")],
        wall=100 * MS,
        devices=[DeviceUse("cpu", 10, 0, 0, 0)],
    )
    assert "The main thread waits 90 % of the time." in findings(summarise(trace))


def test_streams_of_a_gpu_keep_it_busy_together() -> None:
    work = InstructionInfo("FuncCall", "FuncCall ntt", "/instructions/0", "gpu:0", function="ntt")
    host = InstructionInfo("Print", "Print", "/instructions/1", "cpu")
    streams = [Track(i, "stream", f"stream {i}", "gpu:0") for i in range(1, 11)]
    trace = trace_of(
        [Track(0, "thread", "main", "cpu"), *streams],
        [work, host],
        [
            Span(0, 1, 0, 50 * MS, "run"),
            *(Span(i, 0, 8 * i * MS, 8 * (i + 1) * MS, "run") for i in range(1, 11)),
        ],
        wall=100 * MS,
        devices=[DeviceUse("gpu:0", 10, 0, 0, 0)],
    )
    found = findings(summarise(trace))
    assert len(found) == 1
    assert "is the bottleneck" in found[0]


def test_host_time_is_what_threads_take_to_queue_the_work_of_a_stream() -> None:
    main, stream, other = summarise(commitment()).tracks
    assert (main.busy, main.host) == (6 * MS + 11_000, 6 * MS + 11_000)
    assert (stream.busy, stream.host) == (90 * MS, 11_000)
    assert (other.busy, other.host) == (20 * MS, 20 * MS)


def test_the_bottleneck_is_told_to_tools_as_well() -> None:
    made = report(summarise(commitment()))
    assert made["bottleneck"] == {
        "track": "stream 7",
        "kind": "stream",
        "device": "gpu:0",
        "place": "commit",
        "busy": 90 * MS,
        "host": 11_000,
        "share": 0.9,
    }


def test_where_every_track_is_mostly_idle_none_is_the_bottleneck() -> None:
    info = InstructionInfo("FuncCall", "FuncCall ntt", "/instructions/0", "cpu", function="ntt")
    trace = trace_of(
        [Track(0, "thread", "main", "cpu"), Track(1, "thread", "thread 0", "cpu")],
        [info, info],
        [Span(0, 0, 0, 20 * MS, "run"), Span(1, 1, 30 * MS, 60 * MS, "run")],
        wall=100 * MS,
        devices=[DeviceUse("cpu", 10, 0, 0, 0)],
    )
    assert findings(summarise(trace))[0] == (
        "No track is the bottleneck: thread 0, the busiest, works 30 % of the wall time; ntt on "
        "cpu is 100 % of all work."
    )


def test_a_short_run_has_no_bottleneck() -> None:
    info = InstructionInfo("Allocate", "Allocate", "/instructions/0", "cpu")
    trace = trace_of(
        [Track(0, "thread", "main", "cpu")], [info], [Span(0, 0, 0, 4 * MS, "run")], wall=4 * MS
    )
    assert findings(summarise(trace)) == []


def test_findings_tell_of_transfers_idle_queues_and_full_memory() -> None:
    move = InstructionInfo(
        "Transfer", "Transfer", "/instructions/0", "gpu:0", bytes=1, src="cpu", dst="gpu:0"
    )
    host = InstructionInfo("Print", "Print", "/instructions/1", "cpu")
    trace = trace_of(
        [Track(0, "thread", "main", "cpu"), Track(1, "stream", "stream 0", "gpu:0")],
        [move, host],
        [
            Span(0, 0, 0, MS, "run"),
            Span(1, 0, MS, 41 * MS, "run"),
            Span(0, 1, MS, 61 * MS, "run"),
        ],
        wall=100 * MS,
        devices=[DeviceUse("gpu:0", 95, 0, 1, 0, 100)],
    )
    found = " ".join(findings(summarise(trace)))
    assert "Transfers are 40 % of all work: cpu→gpu:0 alone moved 1 B in 40.0 ms." in found
    assert "No GPU works more than 40 % of the time" in found
    assert (
        "gpu:0 held 95 B at its peak, the workspace of kernels included; its limit of 100 B is "
        "for what the program allocates." in found
    )


def test_the_json_report_names_its_schema_and_keeps_exact_numbers() -> None:
    made = report(summarise(commitment()))
    assert made["schema"] == "zkrun-report/1"
    assert made["wall"] == 100 * MS
    assert made["tracks"][1]["busy"] == 90 * MS
    assert made["machine"]["cpu"] == "a processor"
    assert made["findings"]


def test_a_failure_names_what_was_going_on() -> None:
    failure = summarise(failed()).failure
    assert failure is not None
    assert [(stop.track, stop.path, stop.waiting) for stop in failure.stopped] == [
        ("main", "/instructions/4", True),
        ("stream 7", "/instructions/2", False),
    ]
    assert [stop.since for stop in failure.stopped] == [45 * MS, 37 * MS]
    assert failure.held == {"cpu": 65536, "gpu:0": 1 << 20}
    assert report(summarise(failed()))["failure"]["path"] == "/instructions/2"
    assert report(summarise(commitment()))["failure"] is None


def test_a_failure_of_nothing_that_ran() -> None:
    trace = trace_of([Track(0, "thread", "main", "cpu")], [], [], wall=0)
    trace.failure = Failure(0, None, "interrupted")
    failure = summarise(trace).failure
    assert failure is not None
    assert (failure.stopped, failure.held) == ((), {})
