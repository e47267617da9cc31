"""Diagnostics as text: severity and rule, what, where, the instruction itself, and the likely mend.

    error[ZK041]: variable 3 (blob) is read before anything is bound to it
     --> /instructions/4, thread 2, plonk.py:120
      |
    4 | FuncCall ntt [a] <- []
      |
      = help: Allocate it first

Other instructions that a finding is about follow in the same way, each with its part in it (`:::`).
Findings of the document itself, which has no instructions yet, quote none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.text import Text

from zkrun.program.diagnostic import Diagnostic, Related
from zkrun.report.text import count, safe

__all__ = ["SCHEMA", "diagnostics_json", "diagnostics_text", "tally"]

SCHEMA = "zkrun-diagnostics/1"

_MOST = 100  # further ones are counted, not shown
_STYLE = {"error": "bold red", "warning": "bold yellow"}

Excerpts = Callable[[Sequence[str]], dict[str, str]]
"""One line of text for each of these JSON pointers that names an instruction."""


def diagnostics_json(diagnostics: Iterable[Diagnostic]) -> dict[str, object]:
    """The object that `validate --json` prints: valid where no finding is an error."""
    found = [diagnostic.to_json() for diagnostic in diagnostics]
    return {
        "schema": SCHEMA,
        "valid": all(diagnostic["severity"] != "error" for diagnostic in found),
        "diagnostics": found,
    }


def diagnostics_text(
    diagnostics: Sequence[Diagnostic], excerpts: Excerpts = lambda paths: {}
) -> list[Text]:
    """One text a finding; a last one counts them where there are several."""
    shown = diagnostics[:_MOST]
    paths = [path for found in shown for path in (found.path, *(at.path for at in found.related))]
    lines = excerpts([_instruction(path) for path in paths])
    texts = [_finding(found, lines) for found in shown]
    texts[1:] = [Text("\n").append_text(text) for text in texts[1:]]
    if len(diagnostics) > 1:
        hidden = len(diagnostics) - len(shown)
        more = f", the first {len(shown)} of them shown" if hidden else ""
        texts.append(Text("\n").append(f"{tally(diagnostics)}{more}", style="bold"))
    return texts


def tally(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    counted = ((severities.count(kind), kind) for kind in ("error", "warning"))
    return ", ".join(count(number, kind) for number, kind in counted if number)


def _finding(found: Diagnostic, excerpts: dict[str, str]) -> Text:
    text = Text()
    text.append(f"{found.severity}[{found.rule}]", style=_STYLE[found.severity])
    text.append(f": {safe(found.message, 1000)}\n", style="bold")
    parts: list[Diagnostic | Related] = [found, *found.related]
    numbers = {
        part.path: _instruction(part.path).rpartition("/")[2]
        for part in parts
        if _instruction(part.path) in excerpts
    }
    margin = " " * max([1, *map(len, numbers.values())])
    for part in parts:
        arrow = "-->" if part is found else ":::"
        text.append(f"{margin}{arrow} ", style="blue").append(f"{_place(part)}\n")
        if part.path in numbers:
            number = numbers[part.path].rjust(len(margin))
            excerpt = excerpts[_instruction(part.path)]
            text.append(f"{margin} |\n{number} | ", style="blue")
            text.append(f"{safe(excerpt, 300)}\n")
            text.append(f"{margin} |", style="blue")
            if isinstance(part, Related):
                text.append(f" {safe(part.message, 1000)}", style="blue")
            text.append("\n")
    if found.help is not None:
        text.append(f"{margin} = ", style="blue")
        text.append("help", style="bold").append(f": {safe(found.help, 1000)}\n")
    text.rstrip()
    return text


def _place(found: Diagnostic | Related) -> str:
    parts = [safe(found.path) or "the document"]
    if found.thread is not None:
        parts.append(f"thread {found.thread}")
    if found.source is not None:
        parts.append(safe(found.source))
    return ", ".join(parts)


def _instruction(path: str) -> str:
    """The pointer of the innermost instruction that a pointer lies in; empty outside of them."""
    parts = path.split("/")
    end = 0
    while parts[end + 1 : end + 2] == ["instructions"] and parts[end + 2 : end + 3]:
        end += 2
    return "/".join(parts[: end + 1]) if end else ""
