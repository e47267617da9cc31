"""The reference of graphs as Markdown, from the definitions.

`programs/GRAPHS.md` holds each section between two markers; a test compares them, and running this
module with the file's path as its argument writes them anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from zkrun.compiler.type2 import author, given
from zkrun.compiler.type2.document import OPERATIONS
from zkrun.compiler.type2.recorder import Handle
from zkrun.program.reference import refreshed

__all__ = ["SECTIONS", "interface", "operations"]

_CLASSES: dict[str, type[Any]] = {
    "value": Handle,
    "proof": author.Proof,
    "f": author.Polynomial,
    "s": author.ScalarValue,
    "bases": author.Bases,
    "t": author.TranscriptValue,
}
"""The classes of the interface, by what a value of each is called in the table."""

_FUNCTIONS = (
    given.Coefficients,
    given.Lagrange,
    given.Scalar,
    given.Point,
    given.PointArray,
    given.Transcript,
    author.permute,
)


def interface() -> str:
    """A table of everything that an author writes, apart from operators."""
    rows = ["| written | what it is |", "|---|---|"]
    rows += [_row(_call(one.__name__, one), one) for one in _FUNCTIONS]
    rows.append(_row(_call("Proof", author.Proof), author.Proof))
    for name, cls in _CLASSES.items():
        for member, value in _members(cls):
            if isinstance(value, property):
                rows.append(_row(f"{name}.{member}", value))
            elif member == "__call__":
                rows.append(_row(_call(name, value), value))
            else:
                rows.append(_row(_call(f"{name}.{member}", value), value))
    return "\n".join(rows)


def operations() -> str:
    """A table of the operations that a vertex may have."""
    rows = ["| `op` | fields | operands and results |", "|---|---|---|"]
    for name, cls in OPERATIONS.items():
        given = ", ".join(
            f"`{one.name}`" + ("" if one.default is MISSING else " (optional)")
            for one in fields(cls)
        )
        rows.append(f"| `{name}` | {given} | {_text(cls)} |")
    return "\n".join(rows)


SECTIONS: dict[str, Callable[[], str]] = {"interface": interface, "operations": operations}
"""The name in the markers of each section."""


def _members(cls: type[Any]) -> list[tuple[str, Any]]:
    """What a class and those that it builds on say of themselves, operators left out."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        if base is Handle and cls is not Handle:
            continue
        for name, value in vars(base).items():
            public = not name.startswith("_") or name == "__call__"
            if public and (isinstance(value, property) or callable(value)) and value.__doc__:
                found[name] = value
    return list(found.items())


def _call(name: str, function: Any) -> str:
    """A call as it is written: `f.to_lagrange(n=None, coset=1)`."""
    shown = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self" or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        text = parameter.name
        if parameter.kind is parameter.VAR_KEYWORD:
            text = f"**{text}"
        elif parameter.default is not parameter.empty:
            default = parameter.default
            text += f'="{default}"' if isinstance(default, str) else f"={default}"
        shown.append(text)
    return f"{name}({', '.join(shown)})"


def _row(written: str, documented: Any) -> str:
    return f"| `{written}` | {_text(documented)} |"


def _text(documented: Any) -> str:
    return " ".join((documented.__doc__ or "").split())


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(refreshed(path.read_text(), SECTIONS))
