"""What can be said of a program before it runs: whether it is valid, and what memory it needs.

The phases have a fixed order: tables, constants, then one walk over the instructions (operands,
binding, definedness, order, memory). The rules are in `rules/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from zkrun.analysis.constants import ImageCheck, check_constants, check_in_python
from zkrun.analysis.cost import Task, tasks_of
from zkrun.analysis.effort import STEPS, Effort, Exhausted
from zkrun.analysis.forecast import Forecast, check_limits
from zkrun.analysis.handlers import HANDLERS
from zkrun.analysis.machine import Machine
from zkrun.analysis.operands import OperandInfo, Operands
from zkrun.analysis.reporter import Enough, Reporter
from zkrun.analysis.rules import order
from zkrun.collector import paused_collector
from zkrun.program.diagnostic import Diagnostic
from zkrun.program.document import Program

__all__ = ["Analysis", "analyse"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """The findings, in the order of the phases, and the forecast.

    `operands` holds what each operand of each instruction that was reached is bound to, by the path
    of the instruction, and `tasks` what its work costs, in a legal order, where it was asked for.
    Of an invalid program the forecast, operands and tasks only cover what the walk came to.
    """

    diagnostics: tuple[Diagnostic, ...]
    forecast: Forecast
    operands: dict[str, list[OperandInfo]] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return all(diagnostic.severity != "error" for diagnostic in self.diagnostics)


def analyse(
    program: Program,
    *,
    check_image: ImageCheck = check_in_python,
    operands: bool = False,
    tasks: bool = False,
    limits: Mapping[str, int] | None = None,
    steps: int = STEPS,
) -> Analysis:
    """Checks a decoded program against every rule of meaning.

    `check_image` looks at the numbers of inline constants; the default is exact but takes some
    milliseconds a point, the native module's is faster. `operands` asks for what the operands are
    bound to, and with it `tasks` for what all work costs. `limits` are the bytes that devices may
    take at most. `steps` bounds the effort (see `effort`). At most 50 errors are kept.

    Never raises for what a program says; raises UsageError where an installed package that has one
    of its functions is broken.
    """
    reporter = Reporter(program)
    collected = Operands() if operands else None
    machine = Machine(program, reporter, HANDLERS, collected, Effort(steps))
    if tasks:
        machine.done = []
    with paused_collector():
        with suppress(Enough):
            _walk(machine, check_image, Effort(steps))
        forecast = machine.ledger.forecast(program, machine.order)
        if limits and not reporter.errors:
            check_limits(forecast, limits, reporter)
        return Analysis(
            reporter.findings(),
            forecast,
            collected.found if collected else {},
            tasks_of(program, machine.done, collected.found) if collected and machine.done else [],
        )


def _walk(machine: Machine, check_image: ImageCheck, effort: Effort) -> None:
    """Makes all findings but those of limits. Raises Enough where there are too many.

    `effort` is for the constants, the machine has its own.
    """
    reporter = machine.report
    machine.calls.open(reporter)
    check_constants(machine.program, reporter, check_image, effort)
    try:
        machine.run()
    except Exhausted:
        place = None if machine.thread.ended else machine.place
        message = "how threads and streams wait for each other is more than zkrun follows"
        if place:
            message = "how this depends on instructions before it is more than zkrun follows"
        reporter.add(
            order.TOO_ENTANGLED,
            message,
            path="/instructions",
            place=place,
            help="let fewer threads and streams wait for each other, or touch arrays in fewer and "
            "larger pieces",
        )
