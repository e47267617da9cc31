"""The reference of instructions, types and functions as Markdown, from their definitions.

`programs/README.md` holds each section between two markers; a test compares them, and running this
module with the file's path as its argument writes them anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from zkrun.program.functions import expr
from zkrun.program.functions.registry import BUILT_IN
from zkrun.program.instructions import OPS, Effect, Operand
from zkrun.program.signature import Signature, form
from zkrun.program.types import KINDS

__all__ = ["SECTIONS", "functions", "instructions", "refreshed", "types"]

_EFFECTS = {
    Effect.OWNS: "bound, owning its memory",
    Effect.BINDS: "bound",
    Effect.READS: "read",
    Effect.WRITES: "written",
    Effect.WRITES_PART: "written in part",
    Effect.REFERS: "referred to",
    Effect.FREES: "freed and unbound",
    Effect.UNBINDS: "unbound",
    Effect.MOVES: "unbound, ownership moves",
    Effect.QUEUES: "the queue",
    Effect.CALLS: "as the function says",
    Effect.NAMES: "an index",
    Effect.RECORDS: "recorded",
    Effect.WAITS: "waited for",
    Effect.STARTS: "started",
    Effect.JOINS: "waited for",
}


def instructions() -> str:
    """A table of the instruction set with the operands of each."""
    rows = ["| op | operands | meaning |", "|---|---|---|"]
    for name, cls in OPS.items():
        operands = "; ".join(_operand(cls, field) for field in fields(cls) if _is_own(field.name))
        rows.append(f"| `{name}` | {operands} | {_text(cls)} |")
    return "\n".join(rows)


def types() -> str:
    """A table of the types."""
    rows = ["| kind | further keys | value |", "|---|---|---|"]
    for name, cls in KINDS.items():
        hints = get_type_hints(cls)
        keys = ", ".join(
            _key(field, hints[field.name]) for field in fields(cls) if field.name != "kind"
        )
        rows.append(f"| `{name}` | {keys} | {_text(cls)} |")
    return "\n".join(rows)


def functions() -> str:
    """A section for each function of the table."""
    return "\n\n".join(_function(signature) for signature in BUILT_IN.values())


def expressions() -> str:
    """The language of `fused_arith`, from its own module's words."""
    text = (expr.__doc__ or "").partition("\n\n")[2].partition("\n\n`parse`")[0]
    return re.sub(r"(?m)^    (.*)$", r"```\n\1\n```", text)


SECTIONS: dict[str, Callable[[], str]] = {
    "instructions": instructions,
    "types": types,
    "functions": functions,
    "expressions": expressions,
}
"""The name in the markers of each section."""


def refreshed(document: str, sections: Mapping[str, Callable[[], str]] = SECTIONS) -> str:
    """The document with what stands between its markers written anew."""
    for name, section in sections.items():
        begin, end = f"<!-- begin generated: {name} -->", f"<!-- end generated: {name} -->"
        head, found, rest = document.partition(begin)
        if found:
            document = f"{head}{begin}\n\n{section()}\n\n{end}{rest.partition(end)[2]}"
    return document


def _is_own(field: str) -> bool:
    return field not in ("op", "track", "source")


def _operand(cls: type[Any], field: Any) -> str:
    hint = get_type_hints(cls, include_extras=True)[field.name]
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Operand)]
    text = f"`{field.name}`"
    if field.default is not MISSING:
        text += " (optional)"
    for mark in marks:
        text += f": {mark.space}, {_EFFECTS[mark.effect]}"
    return text


def _key(field: Any, hint: Any) -> str:
    text = f"`{field.name}`"
    if get_origin(hint) is not None and all(isinstance(choice, str) for choice in get_args(hint)):
        text += ": " + " or ".join(f'`"{choice}"`' for choice in get_args(hint))
    if field.default is not MISSING:
        text += f' (default `"{field.default}"`)'
    return text


def _function(signature: Signature) -> str:
    lines = [f"### `{signature.name}`", "", signature.doc, "", f"`{form(signature)}`"]
    if signature.devices == ("cpu",):
        lines[-1] += ", on the CPU only"
    if signature.elementwise:
        lines[-1] += ", an output may be exactly an input"
    rows = ["| argument | kinds | bytes |", "|---|---|---|"]
    for argument in (*signature.mutable, *signature.immutable):
        effect = {"reads": "read", "writes": "written", "updates": "read and written"}
        rows.append(
            f"| {argument.name} | {', '.join(argument.kinds)} | {effect[argument.effect]} |"
        )
    lines += ["", *rows]
    if signature.params is not None:
        lines += ["", f"Parameters: {_text(signature.params)}", "", *_parameters(signature.params)]
    return "\n".join(lines)


def _parameters(params: type[Any]) -> list[str]:
    schema = TypeAdapter(params).json_schema()
    optional = set(schema["properties"]) - set(schema.get("required", ()))
    return [
        f"- `{name}`: {'optional' if name in optional else 'required'}"
        + (
            f", default `{str(entry['default']).lower()}`"
            if entry.get("default") is not None
            else ""
        )
        + "."
        for name, entry in schema["properties"].items()
    ]


def _text(cls: type[Any]) -> str:
    return " ".join((cls.__doc__ or "").split())


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(refreshed(path.read_text()))
