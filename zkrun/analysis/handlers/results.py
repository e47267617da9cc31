"""Return, AssertEq and Print: values that leave the program."""

from __future__ import annotations

from zkrun.analysis.bindings import described
from zkrun.analysis.machine import Machine
from zkrun.analysis.reporter import Refused
from zkrun.analysis.rules import operands, order
from zkrun.analysis.values import Bound
from zkrun.program import types
from zkrun.program.instructions import AssertEq, Print, Return

__all__ = ["assert_eq", "print_", "return_"]


def return_(m: Machine, i: Return) -> None:
    """The value is looked at when everything has ended, see `ending`."""
    place = m.place
    bound = _shown(m, "/id", i.id)
    if m.thread is m.main and m.thread.at == len(m.thread.instructions) - 1:
        m.result = (place, bound)
        return
    if m.thread is m.main:
        message, help = "instructions follow this Return", "put it last, or leave it out"
    else:
        message = f"{m.thread} cannot Return; only the main thread does"
        help = "leave it out: a thread ends with its last instruction"
    m.report.add(order.RETURN_PLACE, message, place=place, help=help)
    m.perform(m.leaves(bound), ())


def print_(m: Machine, i: Print) -> None:
    m.perform(m.leaves(_shown(m, "/id", i.id)), ())


def assert_eq(m: Machine, i: AssertEq) -> None:
    value = _shown(m, "/value", i.value)
    expected = _shown(m, "/expected", i.expected)
    if value.typ != expected.typ:
        raise Refused(
            operands.TYPES_DIFFER,
            f"{m.report.variable(i.value)} is a {described(value)}, "
            f"{m.report.variable(i.expected)} a {described(expected)}",
            operand="/expected",
        )
    m.perform((*m.leaves(value), *m.leaves(expected)), ())


def _shown(m: Machine, operand: str, id: int) -> Bound:
    bound = m.use(operand, id)
    for leaf in m.leaves(bound):
        if isinstance(leaf.typ, types.Stream | types.GpuBuffer):
            has = "is" if leaf is bound else "holds"
            raise Refused(
                operands.WRONG_KIND,
                f"{m.report.variable(id)} {has} a {leaf.typ}, which is no value that can be shown",
                operand=operand,
            )
    return bound
