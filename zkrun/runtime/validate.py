"""Everything that can be said against a program before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zkrun.program.document import Program

if TYPE_CHECKING:
    from zkrun.analysis import Analysis

__all__ = ["validate"]


def validate(
    program: Program,
    limits: Mapping[str, int] | None = None,
    *,
    operands: bool = True,
    tasks: bool = False,
) -> Analysis:
    """The findings of the analysis, its forecast, the types of all operands; `tasks` if asked for.

    Without `operands` it takes a third less time and memory, and there can be no tasks.

    `limits` are the bytes that devices may take at most, in any order that the program may run in.
    Points of inline constants are checked by the native module.
    """
    from zkrun.analysis import analyse
    from zkrun.runtime.images import check_image

    return analyse(program, check_image=check_image, operands=operands, tasks=tasks, limits=limits)
