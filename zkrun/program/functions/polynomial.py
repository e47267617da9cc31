"""Functions of polynomials in coefficients, and of columns of a proof system."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic.dataclasses import dataclass

from zkrun.program.functions.measure import cost, lengths
from zkrun.program.functions.parameters import PARAMS
from zkrun.program.signature import Argument, Call, Cost, Signature
from zkrun.program.types import UInt

__all__ = ["SIGNATURES", "Permute"]

_ARRAY = ("ScalarArray",)
_SCALAR = ("Scalar",)

EVALUATE = Signature(
    "evaluate",
    "y ← Σ a[i]·x^i; 0 for an empty a.",
    mutable=(Argument("y", _SCALAR, "writes"),),
    immutable=(Argument("a", _ARRAY), Argument("x", _SCALAR)),
    cost=lambda call: cost(call, lengths(call)[1][0]),
)


def _division_check(call: Call) -> Iterable[str]:
    (q,), (p, _) = lengths(call)
    if q != p:
        yield f"q must be as long as p ({p}), not {q}"


KATE_DIVISION = Signature(
    "kate_division",
    "q(X) ← (p(X) − p(b)) / (X − b), in coefficients. q is as long as p, its last element 0.",
    mutable=(Argument("q", _ARRAY, "writes"),),
    immutable=(Argument("p", _ARRAY), Argument("b", _SCALAR)),
    check=_division_check,
    cost=lambda call: cost(call, max(0, lengths(call)[0][0] - 1)),
)


def _scan_check(call: Call) -> Iterable[str]:
    (z,), (a, _) = lengths(call)
    if a not in (z, z - 1):
        yield f"a must be as long as z ({z}) or one shorter, not {a}"


def _scan_touched(call: Call) -> tuple[int, ...]:
    (z,), _ = lengths(call)
    return z, max(0, z - 1), 1 if z else 0


SCAN_MUL = Signature(
    "scan_mul",
    "z[0] ← z0, z[i] ← z[i−1]·a[i−1]. a is as long as z, or one shorter.",
    mutable=(Argument("z", _ARRAY, "writes"),),
    immutable=(Argument("a", _ARRAY), Argument("z0", _SCALAR)),
    check=_scan_check,
    cost=lambda call: cost(call, max(0, lengths(call)[0][0] - 1)),
    touched=_scan_touched,
)


@dataclass(frozen=True, slots=True, kw_only=True, config=PARAMS)
class Permute:
    """`usable`: the rows that take part, from the first."""

    usable: UInt


def _permute_check(call: Call) -> Iterable[str]:
    usable: int = call.params.usable
    mutable, immutable = lengths(call)
    for name, count in zip(("a′", "t′", "a", "t"), (*mutable, *immutable), strict=True):
        if count < usable:
            yield f"{name} has {count} rows, fewer than the {usable} usable ones"


PERMUTE = Signature(
    "permute",
    "halo2's lookup permutation over the first `usable` rows: a′ is a in ascending canonical "
    "order; in t′ the first row of each run of equal values of a′ holds that value, and the "
    "leftover values of t, ascending, fill the other rows from the last one up. Later rows are "
    "left as they were. A value of a that t lacks fails the run.",
    mutable=(Argument("a′", _ARRAY, "writes"), Argument("t′", _ARRAY, "writes")),
    immutable=(Argument("a", _ARRAY), Argument("t", _ARRAY)),
    params=Permute,
    check=_permute_check,
    cost=cost,
    touched=lambda call: (call.params.usable,) * 4,
)


def _interpolate_check(call: Call) -> Iterable[str]:
    (coefficients,), values = lengths(call)
    if coefficients != len(values) // 2:
        yield f"coef must have one element for each x ({len(values) // 2}), not {coefficients}"


def _interpolate_cost(call: Call) -> Cost:
    (n,), _ = lengths(call)
    return cost(call, 2 * n * n)


INTERPOLATE = Signature(
    "interpolate",
    "The coefficients of the polynomial of least degree through the points (x[i], y[i]). A "
    "repeated x fails the run.",
    mutable=(Argument("coef", _ARRAY, "writes"),),
    immutable=(
        Argument("x", _SCALAR, "reads", "any", group="points"),
        Argument("y", _SCALAR, "reads", "any", group="points"),
    ),
    check=_interpolate_check,
    cost=_interpolate_cost,
    devices=("cpu",),
)


def _assemble_check(call: Call) -> Iterable[str]:
    (a,), scalars = lengths(call)
    if a != len(scalars):
        yield f"a must have one element for each scalar ({len(scalars)}), not {a}"


ASSEMBLE_POLY = Signature(
    "assemble_poly",
    "a ← the array of these scalars.",
    mutable=(Argument("a", _ARRAY, "writes"),),
    immutable=(Argument("s", _SCALAR, "reads", "any"),),
    check=_assemble_check,
    cost=cost,
    devices=("cpu",),
)

SIGNATURES = (EVALUATE, KATE_DIVISION, SCAN_MUL, PERMUTE, INTERPOLATE, ASSEMBLE_POLY)
