import pytest
from traces import MS, commitment, trace_of

from zkrun.report.summary import summarise
from zkrun.report.timeline import timeline
from zkrun.runtime.trace import InstructionInfo, MemorySample, Span, Trace, Track


def lines_of(trace: Trace, width: int) -> list[str]:
    return [line.plain for line in timeline(trace, summarise(trace), width)]


def chart(width: int) -> list[str]:
    return lines_of(commitment(), width)


def test_the_chart_shows_work_waiting_and_memory_without_colour() -> None:
    assert chart(72) == [
        "                 ╷0                         ╷50 ms              100 ms╷",
        "main      cpu   │┃··░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░·┣┫│",
        "stream 7  gpu:0 │ ·┣cpu┫┣msm━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┫·   │",
        "thread 1  cpu   │     ┣evaluate━┫·                                     │",
        "memory    cpu   │██████████████████████████████████████████████████████│",
        "memory    gpu:0 │ ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅██████████████████████████████   │",
        "",
        "┣name┫ work  ░ waiting  · little work  1 column: 1.85 ms",
        "memory at its peak: cpu 64.0 KiB, gpu:0 1.00 MiB",
    ]


def test_times_of_the_device_and_of_the_host_stand_beside_the_chart() -> None:
    lines = chart(90)
    assert lines[0].endswith("100 ms╷     device      host")
    assert [line.split("│")[2] for line in lines[1:6]] == [
        "         –   6.01 ms",
        "   90.0 ms   11.0 µs",
        "         –   20.0 ms",
        "",
        "",
    ]


@pytest.mark.parametrize("width", [40, 57, 72, 80, 100, 133, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    rows = chart(width)[:6]
    assert all(len(row) == width for row in rows[1:4])
    assert all(len(row) <= width for row in rows)


@pytest.mark.parametrize("width", [1, 10, 30])
def test_a_terminal_too_narrow_still_gets_a_chart(width: int) -> None:
    assert len({len(row) for row in chart(width)[1:6]}) == 1


def bars(spans: list[tuple[int, int, str]], columns: int) -> str:
    """The bars of one track over [0, 100 ns), each span named by its function or "wait"."""
    infos = [
        InstructionInfo("FuncCall", name, "/instructions/0", "cpu", function=name)
        for _, _, name in spans
    ]
    rows = [
        Span(0, at, start, end, "wait" if name == "wait" else "run")
        for at, (start, end, name) in enumerate(spans)
    ]
    trace = trace_of([Track(0, "thread", "main", "cpu")], infos, rows, wall=100)
    line = lines_of(trace, columns + 6 + 3 + 4 + 1)[1]
    return line.split("│")[1]


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ([(0, 100, "ntt")], "┣ntt━━━━━━━━━━━━━━━┫"),
        ([(0, 50, "a"), (50, 100, "wait")], "┣a━━━━━━━┫░░░░░░░░░░"),
        ([(0, 5, "ntt"), (5, 15, "msm"), (15, 20, "ntt")], "┃┣┫┃                "),
        ([(40, 41, "ntt")], "        ·           "),
        ([(0, 24, "interpolate"), (30, 100, "msm")], "┣int┫ ┣msm━━━━━━━━━┫"),
    ],
)
def test_bars_are_drawn_to_scale(spans: list[tuple[int, int, str]], text: str) -> None:
    assert bars(spans, 20) == text


def test_only_the_busiest_of_very_many_tracks_are_shown() -> None:
    tracks = [Track(index, "thread", f"thread {index}", "cpu") for index in range(100)]
    info = InstructionInfo("FuncCall", "FuncCall ntt", "/instructions/0", "cpu", function="ntt")
    spans = [Span(index, 0, 0, index + 1, "run") for index in range(100)]
    lines = lines_of(trace_of(tracks, [info], spans, wall=100), 100)
    assert [line.split("  ")[0] for line in lines[1:41]] == [f"thread {n}" for n in range(60, 100)]
    assert lines[41] == "… 60 more tracks with less work"


def test_hostile_names_are_harmless() -> None:
    trace = commitment()
    trace.tracks[0] = trace.tracks[0]._replace(name="\x1b[2J" * 20)
    trace.instructions[2] = trace.instructions[2]._replace(function="\x1b[31mmsm\n")
    assert all(line.isprintable() for line in lines_of(trace, 100))


def test_memory_between_two_columns_shows_its_highest() -> None:
    memory = [
        MemorySample(0, "cpu", 8),
        MemorySample(40 * MS, "cpu", 80),
        MemorySample(40 * MS + 1, "cpu", 8),
        MemorySample(90 * MS, "cpu", 0),
    ]
    trace = trace_of([], [], [], wall=100 * MS, memory=memory)
    line = lines_of(trace, 34)[1]
    assert line.split("│")[1] == "▁▁▁▁▁▁▁▁█▁▁▁▁▁▁▁▁▁  "
