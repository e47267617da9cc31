"""Handles of points: single ones, and the bases that polynomials are committed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.given import is_zero, slice_of
from zkrun.compiler.type2.recorder import Handle, described, error, expect, several
from zkrun.program.types import Point, PointArray, Scalar

if TYPE_CHECKING:
    from zkrun.compiler.type2.handles import Polynomial, ScalarValue

__all__ = ["Bases", "PointValue"]


class PointValue(Handle, of=Point):
    """A point of G1 or G2. Points add and subtract, and scalars multiply them.

    Each such operation is a multi-scalar multiplication of its own: where many points are summed
    up, one over all of them is cheaper.
    """

    __slots__ = ()
    typ: Point

    def __add__(self, other: PointValue) -> PointValue:
        return self if is_zero(other) else self._sum((self, other), (1, 1))

    def __radd__(self, other: int) -> PointValue:  # of the 0 that `sum` starts with
        return self if is_zero(other) else self._sum((other, self), (1, 1))

    def __sub__(self, other: PointValue) -> PointValue:
        return self._sum((self, other), (1, -1))

    def __rsub__(self, other: object) -> PointValue:
        return self._sum((other, self), (1, -1))

    def __neg__(self) -> PointValue:
        return self._sum((self,), (-1,))

    def __pos__(self) -> PointValue:
        return self

    def __mul__(self, scalar: ScalarValue | int) -> PointValue:
        if isinstance(scalar, Handle) and not isinstance(scalar.typ, Scalar):
            raise error(f"a scalar multiplies a {self.typ}, not {described(scalar)}")
        return self._sum((self,), (scalar,))

    __rmul__ = __mul__

    def _sum(self, points: Sequence[Any], scalars: Sequence[Any]) -> PointValue:
        for point in points:
            if not isinstance(point, PointValue) or point.typ != self.typ:
                raise error(f"a {self.typ} adds to another one, not to {described(point)}")
        add = self.recorder.add
        (bases,) = add(op.call("assemble_points"), points)
        (weights,) = add(op.call("assemble_poly"), scalars)
        return expect(add(op.call("msm"), (bases, weights))[0], PointValue)


class Bases(Handle, of=PointArray):
    """Points that scalars are committed with: the powers of a setup, or its Lagrange basis."""

    __slots__ = ()
    typ: PointArray

    @property
    def n(self) -> int:
        """How many points there are; `len(bases)` says so too."""
        return self.typ.len

    def __len__(self) -> int:
        return self.typ.len

    def commit(self, f: Polynomial) -> PointValue:
        """Σ f[i]·bases[i]."""
        return self.commit_all([f])[0]

    def commit_all(self, polynomials: Sequence[Polynomial]) -> tuple[PointValue, ...]:
        """The commitments of several polynomials, in one pass over the bases."""
        taken = several(polynomials, "the polynomials")
        if not taken:
            raise error("there is no polynomial to commit to")
        found = self.recorder.add(op.call("msm"), (self, *taken))
        return tuple(expect(point, PointValue) for point in found)

    def __getitem__(self, at: slice) -> Bases:
        """`bases[start:end]`."""
        if not isinstance(at, slice):
            raise error("of bases there are only slices: write bases[start:end]")
        return expect(self.recorder.add(slice_of(at, self.n), (self,))[0], Bases)
