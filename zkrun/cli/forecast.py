"""The memory forecast of a program, for `exec --dry-run` and `inspect`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from zkrun.analysis.forecast import Forecast
    from zkrun.program.document import Program

__all__ = ["forecast_json", "forecast_table", "print_forecast"]


def print_forecast(program: Program, forecast: Forecast, json: bool) -> None:
    """Prints the forecast on standard output; nothing is allocated or run."""
    from zkrun.cli.terminal import emit_json, show

    if json:
        emit_json(
            {
                "schema": "zkrun-forecast/1",
                "program": program.name,
                "devices": forecast_json(forecast),
            }
        )
    else:
        show(forecast_table(forecast), stream=sys.stdout, least=92)


def forecast_json(forecast: Forecast) -> dict[str, Any]:
    """Bytes by device."""
    return {device: need.to_json() for device, need in forecast.items()}


def forecast_table(forecast: Forecast) -> RenderableType:
    """What each device must hold: its arena, the pool at its peak, constants and inputs."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from zkrun.report.text import safe, size

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("device", style="cyan", no_wrap=True)
    for title in ("arena", "pool at its peak", "constants", "inputs", "total"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("peak at", no_wrap=True)
    for device, need in forecast.items():
        parts = (need.arena, need.pool, need.constants, need.inputs)
        cells = [size(part) if part else "–" for part in parts]
        total = size(need.total)
        if not need.exact:  # a bound: the program is too large to find the peak itself
            cells[1], total = f"≤ {cells[1]}", f"≤ {total}"
        table.add_row(device, *cells, Text(total, "bold"), safe(need.peak_at or "–"))
    return Group(table, Text("without the workspace of kernels", style="dim"))
