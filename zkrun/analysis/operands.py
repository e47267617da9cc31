"""What every operand of a program is bound to, for those who print it. Collected only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from zkrun.analysis.order import Place
from zkrun.analysis.values import Bound, TupleValue
from zkrun.program.instructions import Instruction, operands
from zkrun.program.types import Typ

__all__ = ["OperandInfo", "Operands"]


class OperandInfo(NamedTuple):
    """One variable of an instruction. A view lies at element `offset` of `whole` elements."""

    operand: str  # "src", "arg_mut/0"
    id: int
    typ: Typ
    device: str  # "cpu" for a tuple, which is references
    offset: int
    whole: int
    read_only: bool


class Operands:
    """By the path of each instruction that was reached: its variables, in the order of operands."""

    def __init__(self) -> None:
        self.found: dict[str, list[OperandInfo]] = {}

    def before(
        self, place: Place, instruction: Instruction, variables: Mapping[int, Bound]
    ) -> None:
        """Notes the operands that are bound when the instruction starts."""
        self.found[place.path] = [
            _info(operand, id, variables[id])
            for operand, id in _variables(instruction)
            if id in variables
        ]

    def after(self, place: Place, instruction: Instruction, variables: Mapping[int, Bound]) -> None:
        """Adds those that it binds itself."""
        known = self.found[place.path]
        named = {info.operand for info in known}
        new = [
            _info(operand, id, variables[id])
            for operand, id in _variables(instruction)
            if operand not in named and id in variables
        ]
        order = {operand: index for index, (operand, _) in enumerate(_variables(instruction))}
        self.found[place.path] = sorted(known + new, key=lambda info: order[info.operand])


def _variables(instruction: Instruction) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for name, mark in operands(type(instruction)):
        if mark.space != "variable":
            continue
        ids = getattr(instruction, name)
        if isinstance(ids, list):
            found += [(f"{name}/{index}", id) for index, id in enumerate(ids)]
        elif ids is not None:
            found.append((name, ids))
    return found


def _info(operand: str, id: int, bound: Bound) -> OperandInfo:
    if isinstance(bound, TupleValue):
        return OperandInfo(operand, id, bound.typ, "cpu", 0, len(bound.items), True)
    storage = bound.storage
    return OperandInfo(
        operand,
        id,
        bound.typ,
        storage.device,
        bound.offset,
        storage.whole,
        bool(storage.read_only),
    )
