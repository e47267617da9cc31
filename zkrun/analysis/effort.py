"""How much the analysis works for one program before it gives up.

Nearly all that it does costs a few microseconds an instruction, however long the program is. Some
things do not: what thousands of threads know of each other, or a read of an array that was written
in thousands of pieces, again and again. Only such work is counted here, so that a program of a
million instructions spends little, and one that would take hours ends soon.
"""

from __future__ import annotations

__all__ = ["STEPS", "STEPS_EACH", "Effort", "Exhausted"]

STEPS = 8_000_000
"""Of about half a microsecond each."""

STEPS_EACH = 4
"""More for each instruction of the program."""


class Exhausted(Exception):
    """No steps are left."""


class Effort:
    """The steps that are left."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Raises Exhausted where that is more than is left."""
        self.left -= steps
        if self.left < 0:
            raise Exhausted
