"""`zkrun functions`: the functions that programs may call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zkrun.cli.options import ColorOption, JsonOption

if TYPE_CHECKING:
    from rich.text import Text

    from zkrun.program.signature import Signature

__all__ = ["command"]


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One function, shown in full.")
    ] = None,
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Lists the functions that programs may call."""
    from zkrun.cli.terminal import emit_json

    signatures = _signatures(name)
    if json:
        emit_json({"schema": "zkrun-functions/1", "functions": [_described(s) for s in signatures]})
    elif name is None:
        _show_all(signatures)
    else:
        _show_one(signatures[0])


def _signatures(name: str | None) -> list[Signature]:
    from zkrun.errors import UsageError
    from zkrun.program.functions.registry import names, signature

    found = [signature(each) for each in (names() if name is None else [name])]
    if found == [None]:
        from difflib import get_close_matches

        near = get_close_matches(str(name), list(names()), n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `zkrun functions` lists all"
        raise UsageError(f"there is no function {name!r}{hint}")
    return [each for each in found if each is not None]


def _show_all(signatures: list[Signature]) -> None:
    import sys

    from rich import box
    from rich.table import Table

    from zkrun.cli.terminal import show
    from zkrun.program.signature import form

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("function", style="cyan", no_wrap=True)
    table.add_column("arguments", no_wrap=True)
    table.add_column("devices", no_wrap=True)
    table.add_column("what it does")
    for signature in signatures:
        table.add_row(
            _text(signature.name),
            _text(form(signature)),
            _text(", ".join(signature.devices)),
            _text(_first_sentence(signature.doc)),
        )
    show(table, stream=sys.stdout, least=100)


def _show_one(signature: Signature) -> None:
    import sys

    from rich import box
    from rich.table import Table
    from rich.text import Text

    from zkrun.cli.terminal import show
    from zkrun.program.signature import form
    from zkrun.report.text import safe

    head = Text.assemble((safe(signature.name), "bold cyan"), f"  {safe(form(signature))}")
    doc = Text("\n".join(safe(line, 1000) for line in signature.doc.strip().splitlines()))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for title in ("operand", "effect", "kinds", "stands"):
        table.add_column(title, no_wrap=True)
    for argument in (*signature.mutable, *signature.immutable):
        table.add_row(
            _text(argument.name),
            argument.effect,
            ", ".join(argument.kinds),
            {"one": "once", "optional": "at most once", "some": "once or more"}.get(
                argument.repeat, "any number of times"
            ),
        )
    lines = [Text(f"runs on {', '.join(signature.devices)}")]
    for param, typ in _params(signature).items():
        lines.append(Text.assemble("param ", (safe(param), "bold"), f": {safe(typ)}"))
    if not signature.params:
        lines.append(Text("no params"))
    show(head, Text(), doc, Text(), table, Text(), *lines, stream=sys.stdout, least=80)


def _described(signature: Signature) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "name": signature.name,
        "doc": signature.doc.strip(),
        "devices": list(signature.devices),
        "mutable": [asdict(argument) for argument in signature.mutable],
        "immutable": [asdict(argument) for argument in signature.immutable],
        "params": _params_schema(signature),
    }


def _first_sentence(doc: str) -> str:
    return " ".join(doc.split()).partition(". ")[0].rstrip(".")


def _params(signature: Signature) -> dict[str, str]:
    """Each parameter and what it takes, in words of the JSON Schema."""
    schema = _params_schema(signature) or {}
    required = schema.get("required", [])
    return {
        name: _in_words(entry) + ("" if name in required else ", optional")
        for name, entry in schema.get("properties", {}).items()
    }


def _in_words(entry: dict[str, Any]) -> str:
    if "anyOf" in entry:
        kinds = [_in_words({"type": "null", **each}) for each in entry["anyOf"]]
        words = " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    elif "enum" in entry:
        words = " or ".join(f'"{choice}"' for choice in entry["enum"])
    elif "const" in entry:
        words = f'"{entry["const"]}"'
    else:
        words = str(entry.get("type", "value"))
    default = entry.get("default")
    return words if default is None else f"{words}, default {str(default).lower()}"


def _params_schema(signature: Signature) -> dict[str, Any] | None:
    if signature.params is None:
        return None
    from pydantic import TypeAdapter

    return TypeAdapter(signature.params).json_schema()


def _text(text: str) -> Text:
    from rich.text import Text

    from zkrun.report.text import safe

    return Text(safe(text, 1000))
