"""The circuit that `plonkish.py` proves: its columns, what they must satisfy, and a witness.

The rows are the steps of a machine with two registers. In step i it reads a secret number b[i],
squares it by a table, and goes on:

    a[i+1] = b[i]²                        by a lookup: (b, e) is a row of the table (t_0, t_1),
                                          and by copying e[i] to a[i+1]
    c[i+1] = a[i]·b[i] + c[i]·a[i+1]      by the gate that says so of d, and by copying d[i]

Public are a[0], c[0] and the last c: "I know the numbers that lead from there to there."
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import Literal

from zkrun.algebra.curves import CURVES
from zkrun.program.functions.transform import default_root

__all__ = [
    "ADVICE",
    "FIXED",
    "LEAST_K",
    "PERMUTED",
    "PUBLIC",
    "ROWS",
    "Circuit",
    "Column",
    "Columns",
]

ADVICE = ("a", "b", "c", "d", "e")
"""The columns of the witness."""

FIXED = ("q_gate", "q_lookup", "t_0", "t_1")
"""The columns of the circuit: where the gate and the lookup hold, and the table."""

PERMUTED = (*ADVICE, "p")
"""The columns that copies may lie in; p holds the public inputs."""

PUBLIC = 3
"""The public inputs: the first values of p."""

ROWS = ("l_first", "l_last", "l_usable")
"""Columns that are 1 in the rows that a constraint is for: the first; that in which running
products end; all that are not random.
"""

BLINDING = 5
"""Random rows at the end of a column: as many as it is opened at, and one more."""

LEAST_K = 4
"""With fewer rows, hardly one would not be random."""

MOST_TABLE_ROWS = 1 << 16

Column = list[int]
Columns = dict[str, Column]
Cell = tuple[str, int]


@dataclass(frozen=True)
class Circuit:
    """The circuit with 2^k rows over the scalar field of a curve."""

    curve: Literal["bn254", "bls12_381"]
    k: int

    @property
    def r(self) -> int:
        """The modulus of the field."""
        return CURVES[self.curve].r

    @property
    def n(self) -> int:
        """The rows."""
        return 1 << self.k

    @property
    def usable(self) -> int:
        """The rows that constraints speak of, from the first. Behind them: one in which running
        products end, then those that are random.
        """
        return self.n - BLINDING - 1

    @property
    def steps(self) -> int:
        return self.usable - 1

    @property
    def omega(self) -> int:
        """ω, which generates the domain: row i stands for ω^i."""
        field = CURVES[self.curve].scalar
        return default_root(self.n, self.r, field.root_of_unity, field.two_adicity)

    @property
    def delta(self) -> int:
        """δ, of odd order: the domain times δ^j is another one for each column j."""
        field = CURVES[self.curve].scalar
        return pow(field.generator, 1 << field.two_adicity, self.r)

    def column(self, values: Column) -> Column:
        """Values from the first row on, then zeros."""
        return values + [0] * (self.n - len(values))

    def fixed(self) -> Columns:
        """The columns of the circuit, and those that say which rows a constraint is for."""
        table = range(min(self.usable, MOST_TABLE_ROWS))
        return {
            "q_gate": self.column([1] * self.steps),
            "q_lookup": self.column([1] * self.steps),
            "t_0": self.column(list(table)),
            "t_1": self.column([i * i % self.r for i in table]),
            "l_first": self.column([1]),
            "l_last": self.column([0] * self.usable + [1]),
            "l_usable": self.column([1] * self.usable),
        }

    def copies(self) -> Iterator[tuple[Cell, ...]]:
        """Cells that hold the same value, each class of them once."""
        yield ("p", 0), ("a", 0)
        yield ("p", 1), ("c", 0)
        for i in range(self.steps):
            yield ("a", i + 1), ("e", i)
        for i in range(self.steps - 1):
            yield ("c", i + 1), ("d", i)
        yield ("p", 2), ("c", self.steps), ("d", self.steps - 1)

    def sigma(self) -> Columns:
        """The permutation whose cycles are the copies, in the names δ^j·ω^i of the cells.

        A cell's value in the column "sigma_…" of its own column is the name of the next cell.
        """
        shift = {name: pow(self.delta, j, self.r) for j, name in enumerate(PERMUTED)}
        powers = list(accumulate(repeat(self.omega, self.n - 1), self._times, initial=1))
        columns = {name: [shift[name] * w % self.r for w in powers] for name in PERMUTED}
        for cells in self.copies():
            for (column, row), (to, at) in zip(cells, (*cells[1:], cells[0]), strict=True):
                columns[column][row] = shift[to] * powers[at] % self.r
        return {f"sigma_{name}": column for name, column in columns.items()}

    def witness(self, seed: int = 0) -> Columns:
        """A witness, from numbers that a seed gives, and the public inputs p that go with it."""
        source = random.Random(seed)
        table = min(self.usable, MOST_TABLE_ROWS)
        b = [source.randrange(1, table) for _ in range(self.steps)]
        e = [number * number % self.r for number in b]
        a = [source.randrange(self.r), *e]
        c = [source.randrange(self.r)]
        for i in range(self.steps):
            c.append((a[i] * b[i] + c[i] * a[i + 1]) % self.r)
        columns = {"a": a, "b": b, "c": c, "d": c[1:], "e": e}
        witness = {name: self.column(columns[name]) for name in ADVICE}
        return {**witness, "p": [a[0], c[0], c[-1]]}

    def _times(self, a: int, b: int) -> int:
        return a * b % self.r
