"""Calls against the function table: each kind of call is fitted to its signature once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkrun.analysis.reporter import Reporter
from zkrun.analysis.rules import tables
from zkrun.analysis.values import Value
from zkrun.program import types
from zkrun.program.calls import OpenedEntry, open_entry, resolve_call
from zkrun.program.document import Program
from zkrun.program.signature import Call, Signature, arguments_of

__all__ = ["Calls", "Plan"]

Touch = tuple[int, int | None]
"""An operand, the mutable ones first, and how many of its first elements; None is all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a call does with its operands, or why it does not fit."""

    signature: Signature
    reads: tuple[Touch, ...]
    writes: tuple[Touch, ...]
    problems: tuple[str, ...]
    typs: tuple[types.Typ, ...]  # those the plan is known by, kept alive


class Calls:
    """The function table of a program, and the plans of the calls that were met."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.entries: list[OpenedEntry] = []
        self._plans: dict[tuple[int, ...], Plan] = {}

    def open(self, report: Reporter) -> None:
        """Looks up every function and reads its parameters.

        Raises UsageError where an installed package that has a function is broken.
        """
        for index, entry in enumerate(self._program.functions):
            opened = open_entry(entry, self._program.curve_record)
            self.entries.append(opened)
            for problem in opened.problems:
                unknown = opened.signature is None
                report.add(
                    tables.UNKNOWN_FUNCTION if unknown else tables.BAD_PARAMETERS,
                    problem.message,
                    path=f"/functions/{index}{problem.path}",
                    help=problem.help,
                )

    def plan(
        self, func_id: int, mutable: Sequence[Value], immutable: Sequence[Value]
    ) -> Plan | None:
        """The plan of a call without its stream; None where the table's entry is broken.

        Types are told apart by identity here: the machine has one object for each type.
        """
        opened = self.entries[func_id]
        if opened.problems or opened.signature is None:
            return None
        key = (
            func_id,
            len(mutable),
            *[id(value.typ) for value in mutable],
            *[id(value.typ) for value in immutable],
        )
        known = self._plans.get(key)
        if known is None:
            typs = ([value.typ for value in mutable], [value.typ for value in immutable])
            known = self._plans[key] = self._fit(opened.signature, func_id, *typs)
        return known

    def _fit(
        self,
        signature: Signature,
        func_id: int,
        mutable: Sequence[types.Typ],
        immutable: Sequence[types.Typ],
    ) -> Plan:
        entry = self._program.functions[func_id]
        call, problems = resolve_call(entry, self._program.curve_record, mutable, immutable)
        typs = (*mutable, *immutable)
        if call is None:
            return Plan(signature, (), (), tuple(problems), typs)
        reads, writes = _touches(call)
        return Plan(signature, reads, writes, (), typs)


def _touches(call: Call) -> tuple[tuple[Touch, ...], tuple[Touch, ...]]:
    """What a call reads and writes. A scratch buffer that it updates needs no contents before."""
    mutable, immutable = arguments_of(call)
    typs = (*call.mutable, *call.immutable)
    touched = call.signature.touched(call) if call.signature.touched else None
    behind = len(call.written) - len(mutable)  # of the mutable operands: the workspace
    reads: list[Touch] = []
    writes: list[Touch] = [(len(mutable), None)] if behind else []
    for index, (argument, typ) in enumerate(zip((*mutable, *immutable), typs, strict=True)):
        at = index if index < len(mutable) else index + behind
        extent = None
        if touched is not None and touched[index] < types.length(typ):
            extent = touched[index]
        scratch = isinstance(typ, types.GpuBuffer)
        if argument.effect == "reads" or (argument.effect == "updates" and not scratch):
            reads.append((at, extent))
        if index < len(mutable):
            writes.append((at, extent))
    return tuple(reads), tuple(writes)
