"""`zkrun trace`: shows where the time and memory of a run went, and where it failed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zkrun.cli.options import ColorOption, JsonOption, dashed
from zkrun.errors import UsageError

if TYPE_CHECKING:
    from zkrun.runtime.trace import Trace

__all__ = ["command"]


def command(
    trace: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TRACE]",
            help="A saved trace, - from standard input; without it, that of the last run.",
        ),
    ] = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Draw a chart with one row for each track.")
    ] = False,
    perfetto: Annotated[
        str | None,
        typer.Option(
            "--perfetto",
            metavar="FILE",
            callback=dashed,
            help="Write a trace for Perfetto and chrome://tracing; - is standard output.",
        ),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Shows where the time and memory of a run went and, if it failed, what it was doing then.

    As tables of its tracks, functions, transfers and devices, unless an option says otherwise.
    """
    import sys

    from zkrun.cli.targets import is_same
    from zkrun.cli.terminal import emit_bytes, emit_json, show, width
    from zkrun.report.summary import summarise

    if perfetto == "-" and (json or timeline):
        raise UsageError("--perfetto - takes standard output for itself")
    if perfetto is not None and trace is not None and is_same(Path(perfetto), trace):
        raise UsageError(f"--perfetto would replace the trace that it is made from: {perfetto}")
    run = _load(trace)
    if perfetto is not None:
        from zkrun.report.perfetto import perfetto as export

        if perfetto == "-":
            emit_bytes(export(run))
        else:
            from zkrun.cli.interrupts import let_ctrl_c_raise
            from zkrun.runtime.files import write_whole

            let_ctrl_c_raise()
            write_whole(Path(perfetto), export(run))
    summary = summarise(run)
    if json:
        from zkrun.report.json import report

        emit_json(report(summary))
    elif timeline:
        from zkrun.report.tables import headline, sentences
        from zkrun.report.timeline import timeline as chart

        lines = chart(run, summary, width(sys.stdout))
        show(*headline(summary), *lines, *sentences(summary), stream=sys.stdout)
    elif perfetto is None:
        from zkrun.report.tables import LEAST_WIDTH, tables

        show(tables(summary), stream=sys.stdout, least=LEAST_WIDTH)


def _load(trace: Path | None) -> Trace:
    from zkrun.runtime.trace import Trace, last_trace_path

    if trace is not None:
        return Trace.load(trace)
    try:
        file = last_trace_path()
        known = file.exists()
    except RuntimeError:  # there is no home folder
        known = False
    except OSError:
        known = True  # it cannot be read, and `load` says why
    if not known:
        raise UsageError("there is no last run to show: run a program first, or name a trace")
    return Trace.load(file)
