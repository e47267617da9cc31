"""What pydantic found, in the words of the format: a rule, a JSON pointer, the likely mend."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from zkrun.program.diagnostic import Diagnostic, pointer
from zkrun.program.document import Bytes, Constant, File, FunctionEntry, Input, Program, Values
from zkrun.program.instructions import OPS
from zkrun.program.types import KINDS

__all__ = ["PROGRAM", "Words", "did_you_mean", "explain", "found"]

_FORMS = {"=values": Values, "=bytes": Bytes, "=file": File}


class Words(NamedTuple):
    """The classes of a format, by which places in its documents are named.

    `tables` are those of the elements of lists on the top level, `ops` and `kinds` those of maps by
    their `op` and `kind`, and `operation` is what a map with an `op` is called.
    """

    root: type[Any]
    tables: Mapping[str, type[Any]] = {}
    ops: Mapping[str, type[Any]] = OPS
    kinds: Mapping[str, type[Any]] = KINDS
    operation: str = "instruction"


PROGRAM = Words(Program, {"functions": FunctionEntry, "constants": Constant, "inputs": Input})
"""The words of programs."""


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A suggestion where some known word is close."""
    close = difflib.get_close_matches(word[:80], list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None


def found(value: Any) -> str:
    """A value in a few words, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        # counting digits of a huge integer in decimal is what the limit on them forbids
        return f"the integer {value}" if value.bit_length() < 128 else "a huge integer"
    if isinstance(value, float):
        return f"the float {value}"
    if isinstance(value, str):
        return f'the text "{_short(value)}"'
    names = {"bytes": "binary", "list": "a list", "tuple": "a list", "dict": "a map"}
    kind = type(value).__name__
    return names.get(kind, f"a {kind}")


def explain(error: dict[str, Any], document: Any, words: Words = PROGRAM) -> Diagnostic:
    """The diagnostic of one entry of `ValidationError.errors()`.

    `document` is what was validated against the root class of these words.
    """
    root = words.root
    path, cls, source = _locate(error["loc"], document, words)
    context = error.get("ctx", {})
    kind, value = error["type"], error.get("input")
    help: str | None = None
    if kind.startswith("ZK"):
        rule, message = kind, error["msg"]
        if "at" in context:
            path = [*path, context["at"]]
    elif kind == "missing":
        rule, message = "ZK006", f'"{path[-1]}" is missing{_of(cls, root)}'
        path = path[:-1]
    elif kind == "unexpected_keyword_argument":
        rule, message = "ZK007", f'unknown key "{_short(str(path[-1]))}"{_of(cls, root)}'
        help = did_you_mean(str(path[-1]), _keys(cls)) or _known_keys(_keys(cls))
    elif kind in ("union_tag_invalid", "union_tag_not_found"):
        rule, message, help = _unknown_member(context, value, words)
    elif kind == "literal_error":
        rule, message = "ZK012", f"must be {context['expected']}, not {found(value)}"
        if isinstance(value, str):
            help = did_you_mean(value, context["expected"].replace(" or ", ", ").split("'")[1::2])
    elif kind == "greater_than_equal":
        rule, message = "ZK009", f"{found(value)} is less than {_bound(context['ge'])}"
    elif kind == "less_than_equal":
        rule, message = "ZK009", f"{found(value)} is greater than {_bound(context['le'])}"
    elif kind == "int_parsing_size":
        rule, message = "ZK009", f"{found(value)} has more than 64 bits"
    elif kind == "value_error":
        rule, message = "ZK015", f"{found(value)} is no device: {context['error']}"
    elif kind == "recursion_loop":
        rule, message = "ZK002", "nested too deeply"
    elif kind == "string_unicode":
        rule, message = "ZK004", "this text is not valid Unicode"
    else:
        wanted = _WANTED.get(kind)
        rule = "ZK008"
        message = f"{wanted} belongs here, not {found(value)}" if wanted else error["msg"]
        if kind == "int_type" and isinstance(value, str) and value.strip().isdecimal():
            help = "write the number without quotes"
    return Diagnostic(rule, "error", pointer(path), message, source=source, help=help)


_WANTED = {
    "int_type": "an integer",
    "string_type": "text",
    "bool_type": "a boolean",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a map",
    "dataclass_type": "a map",
    "model_attributes_type": "a map",
}


def _unknown_member(
    context: dict[str, Any], value: Any, words: Words
) -> tuple[str, str, str | None]:
    """The finding for a map whose `op`, `kind` or form of data names no class."""
    discriminator: str = context["discriminator"]
    if "data" in discriminator:
        message = "DATA is a map with `values`, `bytes` or `file`"
        return "ZK016", message, None
    key = discriminator.strip("'")
    rule, what = ("ZK010", words.operation) if key == "op" else ("ZK011", "type")
    if not isinstance(value, dict):
        return "ZK008", f"a map with `{key}` belongs here, not {found(value)}", None
    if key not in value:
        return "ZK006", f'"{key}" is missing', None
    name = value[key]
    if not isinstance(name, str):
        return "ZK008", f"`{key}` is text, not {found(name)}", None
    if name in words.kinds and key == "kind":
        *others, last = context["expected_tags"].split("'")[1::2]
        message = f"a {name} may not stand here, only {', '.join(others)} and {last}"
        return rule, message, None
    return (
        rule,
        f'unknown {what} "{_short(name)}"',
        did_you_mean(name, words.ops if key == "op" else words.kinds),
    )


def _locate(
    loc: tuple[str | int, ...], document: Any, words: Words
) -> tuple[list[str | int], type[Any] | None, str | None]:
    """The way to the value without pydantic's tags, the class of the innermost map, its source."""
    path: list[str | int] = []
    cls: type[Any] | None = words.root
    source: str | None = None
    here, tagged = document, False
    for part in loc:
        if part == "[key]":
            continue
        if isinstance(here, dict) and not tagged and part in (here.get("op"), here.get("kind")):
            cls = (words.ops if part == here.get("op") else words.kinds).get(str(part))
            if isinstance(here.get("source"), str):
                source = here["source"]
            tagged = True
            continue
        if part in _FORMS:
            cls = _FORMS[str(part)]
            continue
        path.append(part)
        tagged = False
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list | tuple) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            here = None
        if len(path) == 2 and path[0] in words.tables:
            cls = words.tables[str(path[0])]
    return path, cls, source


def _keys(cls: type[Any] | None) -> list[str]:
    return [] if cls is None else [field.name for field in fields(cls) if field.init]


def _known_keys(keys: list[str]) -> str | None:
    """The mend where no key is close."""
    return f"the keys are {', '.join(keys)}" if keys else None


def _of(cls: type[Any] | None, root: type[Any]) -> str:
    if cls is None or cls is root:
        return ""
    names = {"FunctionEntry": "a function", "Constant": "a constant", "Input": "an input"}
    return f" in {names.get(cls.__name__, cls.__name__)}"


def _bound(value: int) -> str:
    return {2**64 - 1: "2^64 - 1", -(2**63): "-2^63"}.get(value, str(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
