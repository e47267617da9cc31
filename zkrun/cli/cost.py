"""What a program costs, for `inspect`: totals, critical path, and the best time on a machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from zkrun.algebra.curves import Curve
    from zkrun.analysis.cost import Task
    from zkrun.analysis.rates import Rates

__all__ = ["cost_json", "cost_tables", "load_rates"]

_MOST = 1 << 20  # bytes of the description of a machine
_SHOWN = 12  # of the tasks on the critical path


def load_rates(machine: str, curve: Curve) -> Rates:
    """The rates of this machine, measured now, for `this` and `virtual`; else those in a file.

    Raises UsageError where the file cannot be read or describes no machine.
    """
    if machine in ("this", "virtual"):
        from zkrun.runtime.measure import measure

        return measure(curve, machine == "virtual")
    import json
    from pathlib import Path

    from zkrun.analysis.rates import Rates
    from zkrun.errors import UsageError
    from zkrun.runtime.files import read_bounded

    try:
        text = read_bounded(Path(machine), _MOST)
        return Rates.from_json(json.loads(text))
    except OSError as error:
        raise UsageError(f"cannot read the machine {machine}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{machine} is not JSON: {error}") from None
    except UsageError as error:
        raise UsageError(f"{machine}: {error}") from None


def cost_json(tasks: Sequence[Task], rates: Rates | None) -> dict[str, Any]:
    """Totals by device and link; the critical path as paths of instructions, each with its cost."""
    from zkrun.analysis.cost import critical_path, totals
    from zkrun.analysis.rates import estimate

    sums = totals(tasks)
    most, path = critical_path(tasks, _multiplications)
    found: dict[str, Any] = {
        "multiplications": [
            {"device": device, "field": field, "count": count}
            for (device, field), count in sums.multiplications.items()
        ],
        "traffic": dict(sums.traffic),
        "moved": [
            {"source": source, "target": target, "bytes": nbytes}
            for (source, target), nbytes in sums.moved.items()
        ],
        "critical_path": {
            "multiplications": most,
            "instructions": [
                {"path": tasks[at].path, "multiplications": tasks[at].multiplications}
                for at in path
            ],
        },
    }
    if rates is not None:
        best = estimate(tasks, rates)
        found["machine"] = rates.to_json()
        found["best"] = {
            "seconds": best.seconds,
            "critical_path_seconds": best.path_seconds,
            "critical_path": [
                {"path": tasks[at].path, "seconds": rates.seconds(tasks[at])} for at in best.path
            ],
            "busy_seconds": dict(best.busy),
            "unknown": list(best.unknown),
        }
    return found


def cost_tables(tasks: Sequence[Task], rates: Rates | None) -> Iterator[RenderableType]:
    """The same for people; nothing for a program without work."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from zkrun.analysis.cost import critical_path, totals
    from zkrun.analysis.rates import estimate
    from zkrun.report.text import duration, safe, size

    if not tasks:
        return
    sums = totals(tasks)
    best = estimate(tasks, rates) if rates is not None else None
    busy = best.busy if best else {}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("work", style="cyan", no_wrap=True)
    for title in ("scalar field ×", "base field ×", "bytes", *(["at best"] if best else [])):
        table.add_column(title, justify="right", no_wrap=True)

    def row(name: str, key: str, scalar: int, base: int, nbytes: int) -> None:
        counts = [f"{count:,}" if count else "–" for count in (scalar, base)]
        time = [duration(busy[key] * 1e9) if busy.get(key) else "–"] if best else []
        table.add_row(name, *counts, size(nbytes), *time)

    for device, nbytes in sums.traffic.items():
        scalar, base = (sums.multiplications.get((device, f), 0) for f in ("scalar", "base"))
        row(device, device, scalar, base, nbytes)
    for (source, target), nbytes in sums.moved.items():
        row(f"{source}→{target}", f"{source}->{target}", 0, 0, nbytes)
    yield table
    yield Text()
    if best is None or rates is None:
        most, path = critical_path(tasks, _multiplications)
        costs = {at: f"{tasks[at].multiplications:,}" for at in path}
        whole = sum(task.multiplications for task in tasks)
        yield Text(f"critical path: {most:,.0f} of {whole:,} multiplications")
    else:
        path = list(best.path)
        costs = {at: duration(rates.seconds(tasks[at]) * 1e9) for at in path}
        times = [duration(seconds * 1e9) for seconds in (best.seconds, best.path_seconds)]
        name = f" on {safe(rates.name)}" if rates.name else ""
        if best.seconds:
            yield Text(f"at best {times[0]}{name}; critical path: {times[1]}")
        if best.unknown:
            yield Text(f"of unknown speed, counted as no time: {', '.join(best.unknown)}")
    cost = rates.seconds if rates is not None else _multiplications
    shown = set(sorted(path, key=lambda at: -cost(tasks[at]))[:_SHOWN])
    for at in path:
        if at in shown:
            yield Text(f"  {costs[at]:>14}  {tasks[at].path}")
    if len(path) > len(shown):
        yield Text(f"  {'…':>14}  {len(path) - len(shown)} cheaper ones in between")
    yield Text()


def _multiplications(task: Task) -> float:
    return task.multiplications
