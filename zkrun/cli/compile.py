"""`zkrun compile`: a graph in, a program that fits the memory there is out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zkrun.cli.interrupts import let_ctrl_c_raise
from zkrun.cli.options import ColorOption, Gpu, JsonOption, dashed, named, named_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkrun.analysis import Analysis
    from zkrun.compiler.compile import Compiled
    from zkrun.compiler.type2.graph import Graph
    from zkrun.program.document import File, Program

__all__ = ["command"]


class Stage(StrEnum):
    """What of the compiler's work can be shown."""

    type2 = "type2"
    type3 = "type3"
    program = "program"


def command(
    graph: Annotated[
        str,
        typer.Argument(
            metavar="GRAPH",
            callback=named,
            help="A graph as JSON or MessagePack; - is standard input.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            callback=dashed,
            help="Write the program here, as JSON where the name ends in .json and as MessagePack "
            "otherwise; - is standard output.",
        ),
    ] = None,
    memory: Annotated[
        list[str],
        typer.Option(
            "--memory",
            metavar="DEVICE=SIZE",
            help="A device that the program may use, and how much of its memory: bytes, or with a "
            "unit from kB and KiB to TB and TiB, such as gpu:0=1.5GiB. Without any, the program "
            "uses the CPU; without cpu=SIZE, as much as it takes there. cpu=SIZE is for what the "
            "program allocates and the workspace of its kernels.",
            show_default=False,
        ),
    ] = [],  # noqa: B006  # typer copies defaults
    disk: Annotated[
        str | None,
        typer.Option(
            "--disk",
            metavar="FOLDER",
            callback=named_folder,
            help="Values may wait on the disk; the folder where `exec --disk` will keep them says "
            "how many.",
        ),
    ] = None,
    gpu: Annotated[
        Gpu,
        typer.Option(
            "--gpu",
            metavar="real|virtual",
            help="What will run as the GPUs: real ones, or virtual ones, whose kernels take no "
            "memory of theirs.",
        ),
    ] = Gpu.real,
    emit: Annotated[
        Stage | None,
        typer.Option(
            "--emit",
            metavar="type2|type3|program",
            help="Print as text the graph after the passes, the planned chunk, or the program.",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Say what each pass did, the most that each device will hold, what will be moved, "
            "and the time to expect of each track.",
        ),
    ] = False,
    machine: Annotated[
        str | None,
        typer.Option(
            "--machine",
            metavar="this|virtual|FILE",
            help="Plan for the speed of this machine, measured now (with virtual GPUs, if you "
            "like), or of one that a JSON file describes; without it, of a server with an H200.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Compiles a graph of a proof to a program."""
    from zkrun.cli import terminal
    from zkrun.cli.cost import load_rates
    from zkrun.cli.explanation import explanation, explanation_json
    from zkrun.compiler.compile import Machine, compile_graph
    from zkrun.compiler.rates import DEFAULT_RATES
    from zkrun.compiler.type2.codec import load_graph

    _check_use(graph, output, emit, explain, json, machine)
    budget = _budget(memory)
    folder = _folder(disk)
    loaded = load_graph(graph)
    _check_devices(loaded, budget)
    _check_output(graph, output, loaded)
    _check_constants(loaded)
    curve = loaded.curve_record
    rates = DEFAULT_RATES if machine is None else load_rates(machine, curve)
    target = Machine({"cpu": None, **budget}, folder is not None, rates, gpu.value)
    compiled = compile_graph(loaded, target)
    analysis = _validated(compiled.program)
    _check_disk(folder, analysis)
    payload = None if output is None else _encoded(compiled.program, output)
    if emit is not None:
        terminal.emit("".join(f"{line}\n" for line in _text(emit, compiled, analysis)))
    if explain and not json:
        terminal.show(*explanation(compiled, budget, rates))
    if output == "-" and payload is not None:
        terminal.emit_bytes(payload)
    elif output is not None and payload is not None:
        from zkrun.runtime.files import write_whole

        let_ctrl_c_raise()
        write_whole(Path(output), payload)
    if json:
        size = None if payload is None else len(payload)
        terminal.emit_json(explanation_json(compiled, budget, rates, output, size))


def _check_use(
    graph: str,
    output: str | None,
    emit: Stage | None,
    explain: bool,
    json: bool,
    machine: str | None,
) -> None:
    """Refuses options that cannot all be meant."""
    from zkrun.cli.terminal import settings
    from zkrun.errors import RunFailed, UsageError

    taken = [name for name, wants in (("--json", json), ("--emit", emit is not None)) if wants]
    if output == "-":
        taken.append("--output -")
    if len(taken) > 1:
        raise UsageError(f"{taken[0]} and {taken[1]} cannot both take standard output")
    if not taken and output is None and not explain:
        raise UsageError("what is the program for? Write it with -o FILE, or see --emit")
    if graph == "-" and machine == "-":
        raise UsageError("GRAPH and --machine cannot both be standard input")
    if taken and settings.output_closed:
        raise RunFailed("cannot write to standard output: it is closed; name a file")


def _budget(texts: list[str]) -> dict[str, int]:
    from zkrun.cli.options import parse_limits
    from zkrun.errors import UsageError

    budget = parse_limits(texts, "--memory")
    if "disk" in budget:
        raise UsageError("the disk has no memory to name: --disk FOLDER lets a program use it")
    return budget


def _check_devices(graph: Graph, budget: dict[str, int]) -> None:
    """Refuses a graph whose author has put something on a device that it may not use."""
    from zkrun.errors import UsageError

    for index, vertex in enumerate(graph.vertices):
        if vertex.device not in (None, "cpu", *budget):
            source = f", {vertex.source}" if vertex.source else ""
            raise UsageError(
                f"the vertex at /vertices/{index}{source} is to run on {vertex.device}: give the "
                f"program memory there, as in --memory {vertex.device}=2GiB"
            )


def _folder(disk: str | None) -> Path | None:
    """The folder of the disk device, which is there."""
    from zkrun.errors import UsageError

    if disk is not None and not Path(disk).is_dir():
        raise UsageError(f"--disk {disk}: there is no such folder")
    return None if disk is None else Path(disk)


def _check_output(graph: str, output: str | None, loaded: Graph) -> None:
    """Refuses a file that cannot be written, or that the program would need itself."""
    from zkrun.cli.targets import check_targets
    from zkrun.program.document import File

    if output is None or output == "-":
        return
    read = {"GRAPH": graph}
    for name, entry in loaded.constants.items():
        if isinstance(entry.data, File) and loaded.folder is not None:
            read[f"the file of the constant {name}"] = str(loaded.folder / entry.data.file)
    check_targets(output, None, False, read)


def _check_constants(graph: Graph) -> None:
    """Refuses constants that no program may have: their places are those in the graph."""
    from zkrun.compiler.type2.types import memory_type
    from zkrun.errors import InvalidProgram
    from zkrun.program.document import Constant, Program
    from zkrun.runtime.validate import validate

    stub = Program(
        curve=graph.curve,  # type: ignore[arg-type]  # the graph's curve is one of them
        constants=[
            Constant(name, memory_type(entry.typ), entry.data)  # type: ignore[arg-type]  # checked
            for name, entry in graph.constants.items()
        ],
        instructions=[],
    )
    stub.folder = graph.folder
    findings = [one for one in validate(stub).diagnostics if one.path.startswith("/constants/")]
    if findings:
        raise InvalidProgram(f"{findings[0].message} (at {findings[0].path})", findings)


def _validated(program: Program) -> Analysis:
    """What the analysis says of a compiled program, which has nothing to find in one."""
    from zkrun.runtime.validate import validate

    analysis = validate(program)
    if analysis.diagnostics:
        first = analysis.diagnostics[0]
        raise AssertionError(
            f"the compiled program breaks {first.rule} at {first.path}: {first.message}"
        )
    return analysis


def _check_disk(disk: Path | None, analysis: Analysis) -> None:
    import shutil

    from zkrun.errors import ResourceLimit
    from zkrun.report.text import size

    if disk is None or "disk" not in analysis.forecast:
        return
    needed, free = analysis.forecast["disk"].total, shutil.disk_usage(disk).free
    if needed > free:
        raise ResourceLimit(
            f"the program would keep {size(needed)} in {disk}, where {size(free)} are free"
        )


def _encoded(program: Program, output: str) -> bytes:
    """The document of a program, with its files named from where it will lie."""
    from dataclasses import replace

    from zkrun.program.document import File
    from zkrun.program.encode import program_to_raw, to_json, to_msgpack

    folder = Path() if output == "-" else Path(output).parent
    program.constants = [
        replace(one, data=_moved(one.data, program.folder or Path(), folder))
        if isinstance(one.data, File)
        else one
        for one in program.constants
    ]
    raw = program_to_raw(program)
    return to_json(raw) if output.endswith(".json") else to_msgpack(raw, "msgpack")


def _moved(data: File, source: Path, target: Path) -> File:
    """The same file, named from another folder. UsageError where it does not lie in there."""
    from dataclasses import replace

    from zkrun.errors import UsageError

    if source.resolve() == target.resolve():
        return data
    file = (source / data.file).resolve()
    if not file.is_relative_to(target.resolve()):
        raise UsageError(
            f"the file {data.file} of a constant lies in {source}, and a program names only files "
            f"beside it: write the program there"
        )
    return replace(data, file=file.relative_to(target.resolve()).as_posix())


def _text(stage: Stage, compiled: Compiled, analysis: Analysis) -> Iterator[str]:
    from zkrun.cli.inspect import listing
    from zkrun.compiler.type2.text import lines as graph_lines
    from zkrun.compiler.type3.text import lines as chunk_lines

    match stage:
        case Stage.type2:
            yield from graph_lines(compiled.graph)
        case Stage.type3:
            yield from chunk_lines(compiled.chunk, compiled.schedule)
        case Stage.program:
            yield from listing(compiled.program, analysis)
