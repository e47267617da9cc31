"""Whether numbers are points of G1 or G2: on the curve, and in the subgroup of order r.

Plain integers, exact and slow (some milliseconds a point): the check that holds where no faster one
is at hand. Formulas: Jacobian coordinates, "dbl-2009-l" of the Explicit-Formulas Database, and
mixed addition as in Cohen, Miyaji, Ono (1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

from zkrun.algebra.curves import Curve

__all__ = ["G2Coordinate", "point_fault", "point_fault_text"]

G2Coordinate = tuple[int, int]
"""c0 + c1·u with u² = −1."""

_T = TypeVar("_T")


class _Field(Protocol[_T]):
    """The operations that the formulas need."""

    zero: _T

    def add(self, a: _T, b: _T) -> _T: ...
    def sub(self, a: _T, b: _T) -> _T: ...
    def mul(self, a: _T, b: _T) -> _T: ...


class _Fq:
    def __init__(self, q: int) -> None:
        self.zero = 0
        self._q = q

    def add(self, a: int, b: int) -> int:
        return (a + b) % self._q

    def sub(self, a: int, b: int) -> int:
        return (a - b) % self._q

    def mul(self, a: int, b: int) -> int:
        return a * b % self._q


class _Fq2:
    def __init__(self, q: int) -> None:
        self.zero = (0, 0)
        self._q = q

    def add(self, a: G2Coordinate, b: G2Coordinate) -> G2Coordinate:
        return (a[0] + b[0]) % self._q, (a[1] + b[1]) % self._q

    def sub(self, a: G2Coordinate, b: G2Coordinate) -> G2Coordinate:
        return (a[0] - b[0]) % self._q, (a[1] - b[1]) % self._q

    def mul(self, a: G2Coordinate, b: G2Coordinate) -> G2Coordinate:
        q = self._q
        return (a[0] * b[0] - a[1] * b[1]) % q, (a[0] * b[1] + a[1] * b[0]) % q


def point_fault(
    curve: Curve,
    x: int | G2Coordinate,
    y: int | G2Coordinate,
) -> Literal["off the curve", "outside the subgroup"] | None:
    """What is wrong with a point of G1 (integers) or G2 (pairs), not infinity, below q."""
    if isinstance(x, int) and isinstance(y, int):
        return _fault(_Fq(curve.q), x, y, curve.b, 1, curve.r if curve.g1_cofactor != 1 else 0)
    assert isinstance(x, tuple)
    assert isinstance(y, tuple)
    return _fault(_Fq2(curve.q), x, y, curve.b2, (1, 0), curve.r)


def point_fault_text(curve: Curve, coordinates: Sequence[int]) -> str | None:
    """The same as text, of a point of G1 (x, y) or of G2 (x0, x1, y0, y1)."""
    if len(coordinates) == 2:
        group, fault = "G1", point_fault(curve, *coordinates)
    else:
        x0, x1, y0, y1 = coordinates
        group, fault = "G2", point_fault(curve, (x0, x1), (y0, y1))
    return f"the point is {fault} {group} of {curve.name}" if fault else None


def _fault(
    field: _Field[_T], x: _T, y: _T, b: _T, one: _T, order: int
) -> Literal["off the curve", "outside the subgroup"] | None:
    mul = field.mul
    if mul(y, y) != field.add(mul(mul(x, x), x), b):
        return "off the curve"
    if order and not _vanishes(field, x, y, one, order):
        return "outside the subgroup"
    return None


_Jacobian = tuple[_T, _T, _T] | None
"""(X, Y, Z) stands for (X/Z², Y/Z³); None is infinity."""


def _vanishes(field: _Field[_T], x: _T, y: _T, one: _T, times: int) -> bool:
    """Whether times·(x, y) is infinity, for times ≥ 1."""
    point: _Jacobian[_T] = None
    for bit in bin(times)[2:]:
        point = _double(field, point)
        if bit == "1":
            point = _add(field, point, x, y, one)
    return point is None


def _double(field: _Field[_T], point: _Jacobian[_T]) -> _Jacobian[_T]:
    if point is None:
        return None
    add, sub, mul = field.add, field.sub, field.mul
    x, y, z = point
    if y == field.zero:  # a point of order 2
        return None
    a, b = mul(x, x), mul(y, y)
    c = mul(b, b)
    t = add(x, b)
    d = sub(sub(mul(t, t), a), c)
    d = add(d, d)
    e = add(add(a, a), a)
    c8 = add(c, c)
    c8 = add(c8, c8)
    c8 = add(c8, c8)
    x3 = sub(mul(e, e), add(d, d))
    yz = mul(y, z)
    return x3, sub(mul(e, sub(d, x3)), c8), add(yz, yz)


def _add(field: _Field[_T], point: _Jacobian[_T], x: _T, y: _T, one: _T) -> _Jacobian[_T]:
    """Adds an affine point."""
    if point is None:
        return x, y, one
    sub, mul = field.sub, field.mul
    px, py, pz = point
    zz = mul(pz, pz)
    h = sub(mul(x, zz), px)
    slope = sub(mul(y, mul(pz, zz)), py)
    if h == field.zero:
        return _double(field, point) if slope == field.zero else None
    hh = mul(h, h)
    hhh, v = mul(h, hh), mul(px, hh)
    x3 = sub(sub(mul(slope, slope), hhh), field.add(v, v))
    return x3, sub(mul(slope, sub(v, x3)), mul(py, hhh)), mul(pz, h)
