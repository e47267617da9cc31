"""`zkrun convert`: the same program, or graph, as JSON or as MessagePack."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zkrun.cli.interrupts import let_ctrl_c_raise
from zkrun.cli.options import ColorOption, JsonOption, dashed, named

if TYPE_CHECKING:
    from zkrun.program.reading import DocumentFormat

__all__ = ["command"]


class Form(StrEnum):
    """How a program is written."""

    json = "json"
    msgpack = "msgpack"


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN", callback=named, help="A program or a graph; - is standard input."
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="OUT", callback=dashed, help="The file to write; - is standard output."
        ),
    ],
    to: Annotated[
        Form | None,
        typer.Option(
            "--to",
            metavar="json|msgpack",
            help="The form to write; without it, that which OUT ends in, else the other one.",
        ),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Converts a program or a graph between JSON and MessagePack, without loss."""
    from zkrun.cli.terminal import emit_bytes, emit_json
    from zkrun.errors import UsageError
    from zkrun.program.decode import read_bytes
    from zkrun.program.encode import to_json, to_msgpack
    from zkrun.program.reading import read_document
    from zkrun.runtime.files import write_whole

    if json and target == "-":
        raise UsageError("--json and the converted program cannot both take standard output")
    document, form = read_document(read_bytes(source))
    _check(document, form)
    wanted = to or _by_name(target) or (Form.msgpack if form == "json" else Form.json)
    encode = to_json if wanted is Form.json else to_msgpack
    payload = encode(document, form)
    if target == "-":
        emit_bytes(payload)
        return
    let_ctrl_c_raise()
    write_whole(Path(target), payload)
    if json:
        emit_json(
            {
                "schema": "zkrun-convert/1",
                "from": form,
                "to": wanted.value,
                "output": target,
                "bytes": len(payload),
            }
        )


def _check(document: dict[str, Any], form: DocumentFormat) -> None:
    """Refuses what is neither a program nor a graph: it is not rewritten."""
    if document.get("format") == "zkrun-graph":
        from zkrun.compiler.type2.codec import from_raw as graph_from_raw

        graph_from_raw(document, form)
    else:
        from zkrun.program.decode import from_raw

        from_raw(document, form)


def _by_name(target: str) -> Form | None:
    suffix = Path(target).suffix.removeprefix(".").lower()
    return Form(suffix) if suffix in Form.__members__ else None
