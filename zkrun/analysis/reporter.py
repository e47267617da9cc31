"""Collects findings in the order in which they are made, with names that people know."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from zkrun.analysis.order import Place
from zkrun.analysis.rules.rule import Rule
from zkrun.program.diagnostic import Diagnostic, Related
from zkrun.program.document import Program
from zkrun.program.instructions import FuncCall

__all__ = ["MAX_ERRORS", "MAX_WARNINGS", "Enough", "Refused", "Reporter", "Skipped", "plain"]

MAX_ERRORS = 50
MAX_WARNINGS = 10  # of each rule; the rest are counted


class Enough(Exception):
    """So many errors that more would help nobody."""


class Refused(Exception):
    """An instruction breaks a rule. `operand` is the rest of the JSON pointer, such as "/src"."""

    def __init__(
        self, rule: Rule, message: str, help: str | None = None, operand: str = ""
    ) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.help = help
        self.operand = operand


class Skipped(Exception):
    """An instruction uses something that was reported before: there is nothing new to say."""


def plain(text: str, limit: int = 60) -> str:
    """Text of the program that can be shown: nothing that a terminal obeys, and not too long."""
    shown = "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


class Reporter:
    """The findings of one analysis, with the names that the program gives."""

    def __init__(self, program: Program) -> None:
        self._names = program.variables
        self._functions = program.functions
        self._found: list[Diagnostic] = []
        self._warnings: Counter[str] = Counter()
        self._said: set[tuple[str, str]] = set()
        self.errors = 0

    def variable(self, id: int) -> str:
        """ "variable 7 (witness)", with the program's name for it where there is one."""
        name = self._names.get(str(id))
        return f"variable {id} ({plain(name)})" if name else f"variable {id}"

    def at(self, place: Place) -> str:
        """Where an instruction stands, for the middle of a sentence."""
        instruction = place.instruction
        source = f", {plain(instruction.source)}" if instruction.source else ""
        op: str = instruction.op
        if isinstance(instruction, FuncCall) and instruction.func_id < len(self._functions):
            op = f"{op} {plain(self._functions[instruction.func_id].name)}"
        return f"{op} at {place.path}{source}"

    def add(
        self,
        rule: Rule,
        message: str,
        *,
        path: str = "",
        place: Place | None = None,
        operand: str = "",
        help: str | None = None,
        related: tuple[Related, ...] = (),
    ) -> None:
        """Notes a finding, at a path of the document or at a place of the instructions.

        One rule is reported once at each path. Raises Enough at the last error that is kept.
        """
        path = place.path + operand if place else path
        if (rule.id, path) in self._said:
            return
        self._said.add((rule.id, path))
        if rule.severity == "warning":
            self._warnings[rule.id] += 1
            if self._warnings[rule.id] > MAX_WARNINGS:
                return
        thread = place.thread.id if place else None
        source = place.instruction.source if place else None
        self._found.append(
            Diagnostic(rule.id, rule.severity, path, message, thread, source, help, related)
        )
        if rule.severity == "error":
            self.errors += 1
            if self.errors == MAX_ERRORS:
                raise Enough

    def reported(self, rule: Rule) -> bool:
        """Whether the rule has been broken already."""
        return any(found.rule == rule.id for found in self._found)

    def refuse(self, place: Place, refused: Refused) -> None:
        """Notes what an instruction was refused for."""
        self.add(
            refused.rule,
            refused.message,
            place=place,
            operand=refused.operand,
            help=refused.help,
        )

    def findings(self) -> tuple[Diagnostic, ...]:
        """All findings; where warnings were left out, the last one kept of their rule says so."""
        found = list(self._found)
        for rule, count in self._warnings.items():
            if count > MAX_WARNINGS:
                last = max(i for i, diagnostic in enumerate(found) if diagnostic.rule == rule)
                note = f" (and {count - MAX_WARNINGS} more like it)"
                kept = found[last]
                found[last] = replace(kept, message=kept.message + note)
        return tuple(found)
