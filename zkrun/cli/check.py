"""Loading and checking a program for the commands that need a valid one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zkrun.errors import InvalidProgram

if TYPE_CHECKING:
    from zkrun.analysis import Analysis
    from zkrun.program.diagnostic import Diagnostic
    from zkrun.program.document import Program

__all__ = ["Rejected", "checked", "show_diagnostics"]


class Rejected(InvalidProgram):
    """A decoded program that the analysis refuses; the messages quote its instructions."""

    def __init__(self, diagnostics: Sequence[Diagnostic], program: Program) -> None:
        from zkrun.report.diagnostics import tally

        super().__init__(f"the program is invalid: {tally(diagnostics)}", diagnostics)
        self.program = program


def checked(path: str) -> tuple[Program, Analysis]:
    """The program in a file and what the analysis says of it; warnings are shown.

    Raises UsageError where it cannot be read and InvalidProgram where it is invalid.
    """
    from zkrun.program.decode import load
    from zkrun.runtime.validate import validate

    program = load(path)
    analysis = validate(program)
    if not analysis.valid:
        raise Rejected(analysis.diagnostics, program)
    if analysis.diagnostics:
        show_diagnostics(analysis.diagnostics, program)
    return program, analysis


def show_diagnostics(diagnostics: Sequence[Diagnostic], program: Program | None) -> None:
    """Shows findings on standard error, quoting the program's instructions where there is one."""
    from zkrun.cli.terminal import show
    from zkrun.report.diagnostics import diagnostics_text

    def excerpts(paths: Sequence[str]) -> dict[str, str]:
        from zkrun.program.disassembly import line
        from zkrun.program.document import walk

        if program is None or not any(paths):
            return {}
        wanted = set(paths)
        return {
            path: line(program, instruction)
            for path, _, instruction in walk(program)
            if path in wanted
        }

    show(*diagnostics_text(diagnostics, excerpts), wrap=False)
