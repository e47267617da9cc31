"""How recurrences are cut into runs: recurrence.cuh, known without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LONG_RUNS", "SHORT_RUNS", "Runs", "runs_of"]


@dataclass(frozen=True, slots=True)
class Runs:
    """Elements that a thread has in turn; the kernels for them."""

    name: str
    length: int


SHORT_RUNS, LONG_RUNS = Runs("short", 4), Runs("long", 16)  # as in recurrence.cuh
_MOST_SHORT = 1 << 19  # elements for which an H200 has all tiles of short runs at once


def runs_of(n: int) -> Runs:
    """What is fastest for n elements on an H200."""
    return SHORT_RUNS if n <= _MOST_SHORT else LONG_RUNS
