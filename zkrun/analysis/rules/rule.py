"""What a rule is: one thing that a program must keep, under an id that never changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PHASES", "Phase", "Rule"]

Phase = Literal[
    "structure",
    "tables",
    "constants",
    "operands",
    "binding",
    "definedness",
    "order",
    "memory",
    "races",
]

PHASES: tuple[Phase, ...] = (
    "structure",
    "tables",
    "constants",
    "operands",
    "binding",
    "definedness",
    "order",
    "memory",
    "races",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """`id` is stable for ever; `explanation` is the long story, with an example of the mend.

    A program that breaks a rule of severity "error" is refused; a warning never refuses one.
    """

    id: str
    title: str
    phase: Phase
    explanation: str
    severity: Literal["error", "warning"] = "error"
