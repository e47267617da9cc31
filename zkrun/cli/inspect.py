"""`zkrun inspect`: a program as a person reads it, the memory that it will need, what it costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zkrun.cli.options import ColorOption, JsonOption, ProgramArgument, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from zkrun.analysis import Analysis
    from zkrun.analysis.rates import Rates
    from zkrun.program.document import Constant, Program
    from zkrun.program.instructions import Instruction
    from zkrun.program.types import Typ

__all__ = ["command", "listing"]

_LONG_TUPLE = 32  # values; the items of longer ones are not listed for each instruction


def command(
    program: ProgramArgument,
    machine: Annotated[
        str | None,
        typer.Option(
            "--machine",
            metavar="this|virtual|FILE",
            callback=named,
            help="Say what time the program takes at best: on this machine, measured now (with "
            "virtual GPUs, if you like), or on one that a JSON file describes.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Shows a program: its types, the memory that it needs, and what it costs."""
    from zkrun.cli.check import show_diagnostics
    from zkrun.cli.cost import load_rates
    from zkrun.cli.targets import check_piped
    from zkrun.cli.terminal import emit, emit_json, show
    from zkrun.errors import InvalidProgram
    from zkrun.program.decode import load
    from zkrun.runtime.validate import validate

    check_piped({"the program": program, "--machine": machine or ""})
    document = load(program)
    rates = load_rates(machine, document.curve_record) if machine is not None else None
    analysis = validate(document, tasks=True)
    if json:
        emit_json(_described(document, analysis, rates))
    else:
        show(*_tables(document, analysis, rates), stream=sys.stdout, least=92, cut=False)
        emit("".join(f"{line}\n" for line in listing(document, analysis)))
        if analysis.diagnostics:
            show_diagnostics(analysis.diagnostics, document)
    if not analysis.valid:
        raise typer.Exit(InvalidProgram.exit_code)


def _tables(program: Program, analysis: Analysis, rates: Rates | None) -> Iterator[RenderableType]:
    from rich.text import Text

    from zkrun.cli.cost import cost_tables
    from zkrun.cli.forecast import forecast_table
    from zkrun.program.types import size
    from zkrun.report import text

    curve = program.curve_record
    yield Text.assemble((text.safe(program.name or "program", 100), "bold"), f"  {program.curve}")
    yield Text()
    if program.functions:
        entries = [f"{entry.name}{_params(entry.params)}" for entry in program.functions]
        yield from _table(("#", "function"), [[str(i), e] for i, e in enumerate(entries)])
    if program.constants:
        yield from _table(
            ("#", "constant", "type", "device", "size", "data"),
            [
                [
                    str(index),
                    entry.name,
                    str(entry.typ),
                    entry.device,
                    text.size(size(entry.typ, curve)),
                    _form(entry),
                ]
                for index, entry in enumerate(program.constants)
            ],
        )
    if program.inputs:
        yield from _table(
            ("#", "input", "type", "size"),
            [
                [str(index), entry.name, str(entry.typ), text.size(size(entry.typ, curve))]
                for index, entry in enumerate(program.inputs)
            ],
        )
    yield forecast_table(analysis.forecast)
    yield Text()
    yield from cost_tables(analysis.tasks, rates)


def _table(titles: tuple[str, ...], rows: list[list[str]]) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from zkrun.report.text import safe

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for title in titles:
        table.add_column(
            title,
            justify="right" if title in ("#", "size") else "left",
            no_wrap=title != "function",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(safe(cell)) for cell in row))
    yield table
    yield Text()


def _params(params: dict[str, Any]) -> str:
    import json

    if not params:
        return ""
    return f"({', '.join(f'{key}={json.dumps(value)}' for key, value in params.items())})"


def _form(constant: Constant) -> str:
    """Where the data of a constant comes from."""
    from zkrun.program.document import Bytes, File

    match constant.data:
        case File(file=file, offset=offset, sha256=sha256):
            return (
                f"file {file}"
                + (f" from {offset}" if offset else "")
                + ("" if sha256 else ", unchecked")
            )
        case Bytes(encoding=encoding):
            return f"{encoding} bytes"
        case _:
            return "values"


def listing(program: Program, analysis: Analysis) -> Iterator[str]:
    """One line an instruction: its index in its thread, what it does, where it comes from."""
    from zkrun.program.document import walk
    from zkrun.report.text import safe

    for path, _, instruction in walk(program):
        depth = path.count("/") // 2 - 1
        index = path.rpartition("/")[2]
        notes = [_bytes(program, instruction), instruction.track, instruction.source]
        comment = ", ".join(note for note in notes if note)
        text = _text(program, analysis, path, instruction)
        yield safe(
            f"{'      ' * depth}{index:>5}  {text}" + (f"  ; {comment}" if comment else ""), 500
        )


def _text(program: Program, analysis: Analysis, path: str, instruction: Instruction) -> str:
    from zkrun.program.disassembly import line
    from zkrun.program.instructions import Allocate
    from zkrun.program.types import Stream

    operands = analysis.operands.get(path, ())
    types = {info.id: info.typ for info in operands if not isinstance(info.typ, Stream)}
    if isinstance(instruction, Allocate):  # which names its type itself
        types = {}
    return line(program, instruction, types)


def _bytes(program: Program, instruction: Instruction) -> str | None:
    from zkrun.program.instructions import Allocate
    from zkrun.program.types import size
    from zkrun.report import text

    if not isinstance(instruction, Allocate):
        return None
    nbytes = size(instruction.typ, program.curve_record)
    return text.size(nbytes) if nbytes else None


def _values(typ: Typ, counts: dict[int, int]) -> int:
    """How many values a type holds, those of inner tuples too; `counts` of types by their id."""
    from zkrun.program.types import Tuple

    if not isinstance(typ, Tuple):
        return 1
    if id(typ) not in counts:
        counts[id(typ)] = sum(_values(item, counts) for item in typ.items)
    return counts[id(typ)]


def _described(program: Program, analysis: Analysis, rates: Rates | None) -> dict[str, Any]:
    from zkrun.cli.cost import cost_json
    from zkrun.cli.forecast import forecast_json
    from zkrun.program.document import walk
    from zkrun.program.types import Tuple, size
    from zkrun.runtime.typ_json import raw_typ

    curve = program.curve_record
    counts: dict[int, int] = {}

    def raw(typ: Typ) -> dict[str, Any]:
        many = isinstance(typ, Tuple) and _values(typ, counts) > _LONG_TUPLE
        return {"kind": "Tuple", "values": _values(typ, counts)} if many else raw_typ(typ)

    return {
        "schema": "zkrun-inspect/1",
        "program": program.name,
        "curve": program.curve,
        "valid": analysis.valid,
        "functions": [{"name": entry.name, "params": entry.params} for entry in program.functions],
        "constants": [
            {
                "name": entry.name,
                "typ": raw_typ(entry.typ),
                "device": entry.device,
                "bytes": size(entry.typ, curve),
                "data": _form(entry),
            }
            for entry in program.constants
        ],
        "inputs": [
            {"name": entry.name, "typ": raw_typ(entry.typ), "bytes": size(entry.typ, curve)}
            for entry in program.inputs
        ],
        "memory": forecast_json(analysis.forecast),
        "cost": cost_json(analysis.tasks, rates),
        "instructions": [
            {
                "path": path,
                "thread": thread,
                "op": instruction.op,
                "text": _text(program, analysis, path, instruction),
                "operands": [
                    {**info._asdict(), "typ": raw(info.typ)}
                    for info in analysis.operands.get(path, ())
                ],
            }
            for path, thread, instruction in walk(program)
        ],
        "diagnostics": [diagnostic.to_json() for diagnostic in analysis.diagnostics],
    }
