"""The report of a run as tables for the terminal."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from zkrun.report.findings import findings
from zkrun.report.summary import FailureSummary, FunctionSummary, Summary
from zkrun.report.text import count, duration, percent, rate, safe, size

__all__ = ["LEAST_WIDTH", "headline", "sentences", "tables"]

_MOST_ROWS = 40
_BAR = 12
_NOTABLE = 0.05  # share of the work from which on other instructions are listed


LEAST_WIDTH = 92
"""Columns that the tables need: a narrower console would cut figures."""


def tables(summary: Summary) -> RenderableType:
    """The whole report: headline, one table a subject, and what the figures mean."""
    return Group(*headline(summary), *_tables(summary), *sentences(summary))


def headline(summary: Summary) -> Iterator[RenderableType]:
    """What ran and how long it took, why it failed, and whether its blinding can be repeated."""
    line = Text.assemble((safe(summary.program) or "program", "bold"), "  ")
    line.append(duration(summary.wall), style="bold cyan")
    if len(summary.iterations) > 1:
        fastest, slowest = min(summary.iterations), max(summary.iterations)
        line.append(
            f"  median of {len(summary.iterations)} iterations,"
            f" {duration(fastest)} to {duration(slowest)}"
        )
    if summary.gpu == "virtual" and any(device.name != "cpu" for device in summary.devices):
        line.append("  GPUs are virtual", style="yellow")
    if summary.failure is not None:
        line.append("  failed", style="bold red")
    yield line
    if summary.failure is not None:
        yield Text(safe(summary.failure.message, 1000), style="red")
    if summary.insecure_seed:
        yield Text(
            "insecure seed: the blinding of this run can be repeated; keep its result to yourself",
            style="bold red",
        )


def sentences(summary: Summary) -> Iterator[RenderableType]:
    """The findings, one bullet each."""
    bullets = Table.grid(padding=(0, 1))
    for sentence in findings(summary):
        bullets.add_row("•", Text(sentence))
    if bullets.row_count:
        yield Text()
        yield bullets


def _stopped(failure: FailureSummary) -> Iterator[RenderableType]:
    """What was going on when the run failed, and what memory was taken."""
    if failure.stopped:
        yield _table(
            "stopped in",
            ("instruction", "<"),
            ("at", "<"),
            ("after", ">"),
            rows=[
                (
                    safe(stopped.track),
                    safe(stopped.label, 60),
                    safe(stopped.path if stopped.source is None else stopped.source),
                    duration(stopped.since),
                )
                for stopped in failure.stopped
            ],
        )
    if failure.held:
        yield _table(
            "device",
            ("held then", ">"),
            rows=[(device, size(nbytes)) for device, nbytes in failure.held.items()],
        )


def _tables(summary: Summary) -> Iterator[RenderableType]:
    if summary.failure is not None:
        yield from _stopped(summary.failure)
    tracks = summary.tracks
    if len(tracks) > _MOST_ROWS:
        tracks = tuple(sorted(tracks, key=lambda track: -track.busy))
    yield _table(
        "track",
        ("device", "<"),
        ("count", ">"),
        ("device time", ">"),
        ("host time", ">"),
        ("waiting", ">"),
        ("share of the wall", "<"),
        rows=[
            (
                safe(track.name),
                track.device,
                f"{track.instructions:,}",
                "–" if track.kind == "thread" else duration(track.busy),
                duration(track.host),
                _some(duration, track.waiting),
                _share(track.share),
            )
            for track in tracks
        ],
    )
    if summary.places:
        yield _table(
            "place in the program",
            ("instructions", ">"),
            ("busy", ">"),
            ("waiting", ">"),
            ("share of the wall", "<"),
            rows=[
                (
                    safe(place.name),
                    f"{place.instructions:,}",
                    duration(place.busy),
                    _some(duration, place.waiting),
                    _share(place.share),
                )
                for place in summary.places
            ],
        )
    if summary.functions:
        yield _table(
            "function",
            ("device", "<"),
            ("calls", ">"),
            ("total", ">"),
            ("mean", ">"),
            ("rate", ">"),
            rows=[
                (
                    safe(function.name),
                    function.device,
                    f"{function.calls:,}",
                    duration(function.total),
                    duration(function.mean),
                    _function_rate(function),
                )
                for function in summary.functions
            ],
        )
    if summary.transfers:
        yield _table(
            "transfer",
            ("count", ">"),
            ("bytes", ">"),
            ("total", ">"),
            ("rate", ">"),
            rows=[
                (
                    f"{transfer.src} → {transfer.dst}",
                    f"{transfer.transfers:,}",
                    size(transfer.bytes),
                    duration(transfer.total),
                    rate(transfer.bytes_per_second, "B"),
                )
                for transfer in summary.transfers
            ],
        )
    others = [other for other in summary.others if other.total >= _NOTABLE * summary.work]
    if others:
        yield _table(
            "other instruction",
            ("count", ">"),
            ("total", ">"),
            ("mean", ">"),
            rows=[
                (
                    other.op,
                    f"{other.instructions:,}",
                    duration(other.total),
                    duration(other.total / other.instructions),
                )
                for other in others
            ],
        )
    yield _table(
        "device",
        ("peak", ">"),
        ("planned", ">"),
        ("limit", ">"),
        ("in", ">"),
        ("out", ">"),
        ("busy", ">"),
        ("share of the wall", "<"),
        rows=[
            (
                device.name,
                size(device.peak),
                _some(size, device.planned),
                _some(size, device.limit),
                _some(size, device.bytes_in),
                _some(size, device.bytes_out),
                duration(device.busy),
                _share(device.share),
            )
            for device in summary.devices
        ],
    )


def _table(
    first: str, *columns: tuple[str, str], rows: Sequence[Iterable[str | Text]]
) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column(first, style="cyan", no_wrap=True)
    for title, side in columns:
        table.add_column(title, justify="right" if side == ">" else "left", no_wrap=True)
    for row in rows[:_MOST_ROWS]:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    if len(rows) > _MOST_ROWS:
        table.add_row(Text(f"… {count(len(rows) - _MOST_ROWS, 'more row')}", style="dim"))
    return Group(Text(), table)


def _some(form: Callable[[float], str], value: int | None) -> str:
    """The value as text; a dash where there is none."""
    return form(value) if value else "–"


def _share(share: float) -> Text:
    filled = round(share * _BAR)
    bar = Text("━" * min(filled, _BAR), style="green")
    bar.append("╌" * (_BAR - filled), style="dim")
    return bar.append(f" {percent(share):>6}", style="default")


def _function_rate(function: FunctionSummary) -> str:
    if function.multiplications_per_second:
        return rate(function.multiplications_per_second, "mul")
    return rate(function.bytes_per_second, "B") if function.bytes_per_second else "–"
