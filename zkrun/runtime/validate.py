"""Everything that can be said against a program before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkrun.program.document import Program

if TYPE_CHECKING:
    from zkrun.analysis import Analysis

__all__ = ["validate"]


def validate(program: Program) -> Analysis:
    """The findings of the analysis, its forecast, and the types of all operands.

    Points of inline constants are checked by the native module.
    """
    from zkrun.analysis import analyse
    from zkrun.runtime.images import check_image

    return analyse(program, check_image=check_image, operands=True)
