"""`zkrun exec`: runs a program and shows its result and where the time went."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zkrun.cli.options import (
    ColorOption,
    Gpu,
    JsonOption,
    ProgramArgument,
    dashed,
    limit_option,
    named,
    named_folder,
)
from zkrun.devices.cpu.native_module import MOST_THREADS
from zkrun.errors import ResourceLimit, UsageError, ZkrunError

if TYPE_CHECKING:
    from zkrun.runtime.engine import Outcome
    from zkrun.runtime.trace import Trace

__all__ = ["command"]

_LONGEST = 1e9  # seconds of a timeout that the system can still count
_LONG_LIST = 8  # elements that a terminal is shown of a longer list
_LONG_TEXT = 512  # digits, of a proof


def command(
    program: ProgramArgument,
    input: Annotated[
        list[str],
        typer.Option(
            "--input",
            metavar="NAME=FILE",
            help="The value of an input: .json, .bin or .npy; - is standard input as JSON.",
            show_default=False,
        ),
    ] = [],  # noqa: B006  # typer copies defaults
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="FILE",
            callback=dashed,
            help="Write the result here instead of standard output, also if --expect differs.",
        ),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="FILE",
            callback=named,
            help="Compare the result with this one; exit 5 if it differs.",
        ),
    ] = None,
    gpu: Annotated[
        Gpu,
        typer.Option(
            "--gpu",
            metavar="real|virtual",
            help="Run every gpu:N on this machine's GPUs, or on the virtual device.",
        ),
    ] = Gpu.real,
    insecure_seed: Annotated[
        int | None,
        typer.Option(
            "--insecure-seed",
            metavar="N",
            min=0,
            help="Make Blind repeatable. For debugging only: the result no longer hides anything.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            max=MOST_THREADS,
            help="Threads of the CPU's functions; without it, one for each CPU.",
        ),
    ] = None,
    disk: Annotated[
        str | None,
        typer.Option(
            "--disk",
            metavar="FOLDER",
            callback=named_folder,
            help="Where the disk device keeps its temporary files.",
        ),
    ] = None,
    limit: Annotated[
        list[str],
        limit_option(
            "The most memory that the program may allocate on a device, such as cpu=8GiB. "
            "The workspace of kernels comes on top, and shows in the peak."
        ),
    ] = [],  # noqa: B006  # typer copies defaults
    sanitize: Annotated[
        bool,
        typer.Option(
            "--sanitize",
            help="With --gpu virtual: fail (exit 4) at the first access that is ordered by luck.",
        ),
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", help="Stop a run that takes longer; exit 6."),
    ] = None,
    warmup: Annotated[
        int,
        typer.Option("--warmup", metavar="N", min=0, help="Runs before those that are measured."),
    ] = 0,
    iterations: Annotated[
        int,
        typer.Option(
            "--iterations", metavar="N", min=1, help="Measured runs; the report is of the median."
        ),
    ] = 1,
    trace: Annotated[
        str | None,
        typer.Option(
            "--trace",
            metavar="FILE",
            callback=dashed,
            help="Save the trace of the run here as well; - is standard output.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the memory that each device needs, without the workspace of kernels; run "
            "nothing.",
        ),
    ] = False,
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Runs a program. The result goes to standard output, the report to standard error."""
    from zkrun.cli.check import checked
    from zkrun.cli.options import parse_limits
    from zkrun.cli.progress import Progress
    from zkrun.cli.targets import check_piped, check_readable, check_targets, constant_files

    limits = parse_limits(limit)
    if expect is not None:
        check_readable("--expect", expect)
    if timeout is not None and not 0 < timeout < _LONGEST:
        raise UsageError("--timeout takes a number of seconds above 0")
    if sanitize and gpu is not Gpu.virtual:
        raise UsageError("--sanitize watches virtual GPUs only: add --gpu virtual")
    document, analysis = checked(program)
    values = _inputs(input, [entry.name for entry in document.inputs])
    read = {
        "the program": program,
        **{f"input {name!r}": str(file) for name, file in values.items()},
    }
    if expect is not None:
        read["--expect"] = expect
    check_piped(read)
    if dry_run:
        from zkrun.cli.forecast import print_forecast

        needs = {name: need.total for name, need in analysis.forecast.items()}
        over = [name for name, need in needs.items() if need > limits.get(name, need)]
        if not (over and json):  # where the error is the one document
            print_forecast(document, analysis.forecast, json)
        if over:
            hint = "`zkrun validate --limit` says where"
            raise ResourceLimit(f"{over[0]} may need more memory than its limit; {hint}")
        return
    from zkrun.cli.interrupts import let_ctrl_c_raise
    from zkrun.runtime.options import Options

    check_targets(output, trace, json, {**read, **constant_files(document)})
    progress = Progress(document.name or "the program")
    options = Options(
        gpu=gpu.value,
        seed=insecure_seed,
        limits=limits,
        timeout=timeout,
        warmup=warmup,
        iterations=iterations,
        folder=None if disk is None else Path(disk),
        sanitize=sanitize,
        notify=progress.tell,
    )
    if threads is not None:
        from zkrun.devices.cpu.native_module import native

        native().set_threads(threads)
    from zkrun.runtime.engine import run

    let_ctrl_c_raise()
    try:
        with progress:
            outcome = run(document, values, options, analysis)
    except ZkrunError as error:
        if error.trace is not None:
            _save_failed(error.trace, trace)
        raise
    _hand_over(outcome, output, json)
    _save(outcome.trace, trace)
    if expect is not None:
        outcome.result.check(Path(expect))


def _inputs(texts: list[str], names: list[str]) -> dict[str, Path]:
    """The file of each input by its name. A name may hold a `=` itself: the longest one counts."""
    files: dict[str, Path] = {}
    for text in texts:
        known = [name for name in names if text.startswith(name + "=")]
        name = max(known, key=len) if known else text.partition("=")[0]
        separator, file = text[len(name) : len(name) + 1], text[len(name) + 1 :]
        if not separator or not file:
            raise UsageError(f"--input {text!r} is not NAME=FILE")
        if name in files:
            raise UsageError(f"--input names {name!r} twice")
        files[name] = Path(file)
    return files


def _save(trace: Trace, file: str | None) -> None:
    """Saves the trace for `zkrun trace`. Where the home folder takes none, that is only said."""
    from zkrun.cli.terminal import emit_bytes, note
    from zkrun.runtime.trace import last_trace_path
    from zkrun.runtime.trace_file import pack

    if file == "-":
        emit_bytes(pack(trace))
    elif file is not None:
        trace.save(Path(file))
    try:
        trace.save(last_trace_path())
    except (ZkrunError, RuntimeError) as error:  # RuntimeError: there is no home folder
        note(f"note: `zkrun trace` will not show this run: {error}")


def _save_failed(trace: Trace, file: str | None) -> None:
    """The same for a run that failed, which is what its user should hear of first."""
    from zkrun.cli.terminal import note

    with suppress(ZkrunError):  # standard error takes nothing
        try:
            _save(trace, file)
        except ZkrunError as error:
            note(f"note: {error}")


def _hand_over(outcome: Outcome, output: str | None, json: bool) -> None:
    """The result to its file or standard output, then the report."""
    import sys

    from zkrun.cli.terminal import emit_json, show
    from zkrun.report.summary import summarise

    summary = summarise(outcome.trace)
    result = outcome.result.document()
    if output is not None and output != "-":
        outcome.result.write(Path(output))
    if json:
        from zkrun.report.json import report

        emit_json({"schema": "zkrun-exec/1", "result": result, "report": report(summary)})
        return
    if output is None or output == "-":
        _print_result(result, short=output is None and sys.stdout.isatty())
    from zkrun.report.tables import LEAST_WIDTH, tables

    show(tables(summary), least=LEAST_WIDTH)


def _print_result(result: dict[str, Any], short: bool) -> None:
    """The result as one line of JSON; for a person at a terminal, long lists are cut."""
    from json import dumps

    from zkrun.cli.terminal import emit, note

    shown = _cut(result["values"]) if short else result["values"]
    emit(dumps({**result, "values": shown}, ensure_ascii=False) + "\n")
    if shown != result["values"]:
        note("note: long lists are cut here; --output FILE writes all of the result")


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= 2 * _LONG_TEXT else f"{value[:_LONG_TEXT]}…"
    if not isinstance(value, list):
        return value
    if len(value) <= _LONG_LIST:
        return [_cut(item) for item in value]
    head = [_cut(item) for item in value[:_LONG_LIST]]
    return [*head, f"… {len(value) - _LONG_LIST} more"]
