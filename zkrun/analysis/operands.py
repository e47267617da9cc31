"""What every operand of a program is bound to. Collected only for those who ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from zkrun.analysis.order import Place
from zkrun.analysis.values import Bound, Value
from zkrun.program import types
from zkrun.program.instructions import OPS, Effect, Instruction, operands
from zkrun.program.types import Typ

__all__ = ["BINDING", "OperandInfo", "Operands"]

BINDING = (Effect.OWNS, Effect.BINDS)
"""The effects of operands that an instruction binds itself."""


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
        self.found[place.path] = infos = []
        for name in _names(instruction.op)[0]:
            ids = getattr(instruction, name)
            if ids.__class__ is list:
                for index, id in enumerate(ids):
                    if id in variables:
                        infos.append(_info(f"{name}/{index}", id, variables[id]))
            elif ids in variables:
                infos.append(_info(name, ids, variables[ids]))

    def after(self, place: Place, instruction: Instruction, variables: Mapping[int, Bound]) -> None:
        """Adds those that it binds itself, which stand last in every instruction."""
        for name in _names(instruction.op)[1]:
            id = getattr(instruction, name)
            if id in variables:
                self.found[place.path].append(_info(name, id, variables[id]))


@cache
def _names(op: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The operands that are variables: those that an instruction uses, and those that it binds."""
    marked = [(name, mark.effect) for name, mark in operands(OPS[op]) if mark.space == "variable"]
    return (
        tuple(name for name, effect in marked if effect not in BINDING),
        tuple(name for name, effect in marked if effect in BINDING),
    )


def _info(operand: str, id: int, bound: Bound) -> OperandInfo:
    if bound.__class__ is not Value:
        return OperandInfo(operand, id, bound.typ, "cpu", 0, types.length(bound.typ), True)
    storage = bound.storage
    read_only = storage.read_only != ""
    return OperandInfo(
        operand, id, bound.typ, storage.device, bound.offset, storage.whole, read_only
    )
