"""What compiling a graph came to, for `compile --explain` and `--json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from zkrun.analysis.rates import Rates
    from zkrun.compiler.compile import Compiled

__all__ = ["explanation", "explanation_json"]


def explanation_json(
    compiled: Compiled,
    budget: Mapping[str, int],
    rates: Rates,
    output: str | None,
    nbytes: int | None,
) -> dict[str, Any]:
    """Passes, devices, moves and the time to expect; `nbytes` are those of the program's file."""
    prediction = compiled.prediction
    return {
        "schema": "zkrun-compile/1",
        "graph": compiled.graph.name,
        "curve": compiled.graph.curve,
        "output": output,
        "bytes": nbytes,
        "passes": [
            {"name": step.name, "does": step.doc, "before": step.before, "after": step.after}
            for step in compiled.steps
        ],
        "pieces": dict(zip(("arithmetic", "msm"), compiled.way, strict=True)),
        "devices": {
            device: {
                "peak": peak,
                "budget": budget.get(device),
                "evicted": compiled.evicted.get(device, 0),
            }
            for device, peak in compiled.peak.items()
        },
        "instructions": len(compiled.program.instructions),
        "events": len(compiled.schedule.recorded),
        "moved": [
            {"source": source, "target": target, "bytes": moved}
            for (source, target), moved in prediction.moved.items()
        ],
        "machine": rates.name,
        "predicted": {"seconds": prediction.seconds, "tracks": dict(prediction.busy)},
    }


def explanation(
    compiled: Compiled, budget: Mapping[str, int], rates: Rates
) -> Iterator[RenderableType]:
    """The same for people."""
    from rich.text import Text

    from zkrun.report.text import count, duration, safe, size

    prediction = compiled.prediction
    passes = _table(("pass", "vertices", "then", "what it does"), right=(1, 2))
    for step in compiled.steps:
        passes.add_row(step.name, f"{step.before:,}", f"{step.after:,}", step.doc)
    yield passes
    yield Text()
    whats = ("a vertex", "a multi-scalar multiplication")
    for what, most in zip(whats, compiled.way, strict=True):
        if most is not None:
            yield Text(f"on a GPU {what} takes at most {size(most)}")
    if any(compiled.way):
        yield Text()
    devices = _table(("device", "most held", "of", "left for lack of room"), right=(1, 2, 3))
    for device, peak in compiled.peak.items():
        most = budget.get(device)
        evicted = compiled.evicted.get(device, 0)
        devices.add_row(
            device,
            size(peak),
            "–" if most is None else size(most),
            size(evicted) if evicted else "–",
        )
    yield devices
    yield Text()
    if prediction.moved:
        moves = _table(("move", "bytes"), right=(1,))
        for (source, target), moved in prediction.moved.items():
            moves.add_row(f"{source}→{target}", size(moved))
        yield moves
        yield Text()
    tracks = _table(("track", "busy", "of the time"), right=(1, 2))
    for track, seconds in prediction.busy.items():
        share = seconds / prediction.seconds if prediction.seconds else 0.0
        tracks.add_row(track, duration(seconds * 1e9), f"{share:.0%}")
    yield tracks
    yield Text()
    name = f" on {safe(rates.name)}" if rates.name else ""
    instructions = count(len(compiled.program.instructions), "instruction")
    events = count(len(compiled.schedule.recorded), "event")
    yield Text(f"{instructions}, {events}; {duration(prediction.seconds * 1e9)} to expect{name}")


def _table(titles: tuple[str, ...], right: tuple[int, ...]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for index, title in enumerate(titles):
        table.add_column(
            title,
            justify="right" if index in right else "left",
            style="cyan" if index == 0 else None,
            no_wrap=title != "what it does",
        )
    return table
