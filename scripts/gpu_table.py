"""The table of bench_gpu.py: a row for what is measured, a column for each size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

LABEL, UNIT, NEEDED, CELL = 37, 6, 7, 14
WIDTH = LABEL + UNIT + NEEDED + 5 * CELL  # with five sizes
LEGEND = """\
Medians. Behind a value: limit / value, or value / limit where more is better; 100% is on the limit.
`needs` is the share that is asked for, and ! marks what falls short of it."""


@dataclass(frozen=True)
class Result:
    """One cell: the median of a row at a size, and its share of the limit where there is one.

    `needed` is the share that is asked for, and `judged` whether it is at this size.
    """

    row: str
    log: int
    value: float
    unit: str = "ms"
    share: float | None = None
    needed: float = 1.0
    judged: bool = True


@dataclass
class Section:
    """Rows under one title; for sizes that could not be measured, why."""

    title: str
    results: list[Result] = field(default_factory=list)
    missing: dict[int, str] = field(default_factory=dict)


def render(head: str, sections: Sequence[Section], logs: Sequence[int]) -> Iterator[str]:
    """The lines of the table."""
    reasons: list[str] = []
    yield head
    yield LEGEND
    yield "=" * WIDTH
    sizes = "".join(f"{f'2^{log} ':>{CELL}}" for log in logs)
    yield f"{'':{LABEL}}{'unit':{UNIT}}{'needs':>{NEEDED}}{sizes}"
    for section in sections:
        yield "-" * WIDTH
        yield section.title
        rows: dict[str, dict[int, Result]] = {}
        for result in section.results:
            rows.setdefault(result.row, {})[result.log] = result
        dashes = {log: _dash(reason, reasons) for log, reason in section.missing.items()}
        if not rows:
            yield _line("  nothing measured", "", "", dashes, logs)
        for row, results in rows.items():
            first = next(iter(results.values()))
            needed = "" if first.share is None else f"{first.needed:.0%}"
            cells = dashes | {log: _cell(result) for log, result in results.items()}
            yield _line(f"  {row}", first.unit, needed, cells, logs)
    yield "=" * WIDTH
    for number, reason in enumerate(reasons, 1):
        yield f"[{number}] {reason}"


def _line(label: str, unit: str, needed: str, cells: dict[int, str], logs: Sequence[int]) -> str:
    found = "".join(f"{cells.get(log, ''):>{CELL}}" for log in logs)
    return f"{label:{LABEL}}{unit:{UNIT}}{needed:>{NEEDED}}{found}".rstrip()


def _cell(result: Result) -> str:
    """`0.303  94% `, of a width that does not depend on what stands there."""
    value = f"{result.value:.0f}" if result.value >= 999.5 else f"{result.value:.3g}"
    if result.share is None:
        return f"{value}{'':6}"
    short = "!" if result.judged and result.share < result.needed else " "
    return f"{value}{result.share:5.0%}{short}"


def _dash(reason: str, reasons: list[str]) -> str:
    if reason not in reasons:
        reasons.append(reason)
    return f"- [{reasons.index(reason) + 1}]  "
