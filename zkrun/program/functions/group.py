"""Functions of groups of points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from zkrun.program.functions.measure import cost, lengths
from zkrun.program.functions.parameters import PARAMS
from zkrun.program.signature import Argument, Call, Cost, Signature

__all__ = ["SIGNATURES", "Msm"]


@dataclass(frozen=True, slots=True, kw_only=True, config=PARAMS)
class Msm:
    """`window`: bits of a scalar that one pass takes. `multiples`: whether a GPU may keep multiples
    of the bases for further calls with the same ones, several times their memory, where they stay.
    Hints, which never change the result."""

    window: Annotated[int, Field(strict=True, ge=1, le=32)] | None = None
    multiples: Annotated[bool, Field(strict=True)] = False


def _check(call: Call) -> Iterable[str]:
    bases = call.immutable[0]
    for index, point in enumerate(call.mutable):
        if point.group != bases.group:  # type: ignore[union-attr]  # kinds have been checked
            yield f"p[{index}] is in {point.group}, the bases are in {bases.group}"  # type: ignore[union-attr]  # kinds have been checked
    longest = lengths(call)[1][0]
    for index, scalars in enumerate(call.immutable[1:]):
        if scalars.len > longest:  # type: ignore[union-attr]  # kinds have been checked
            yield f"s[{index}] has {scalars.len} scalars, more than the {longest} bases"  # type: ignore[union-attr]  # kinds have been checked


def _touched(call: Call) -> tuple[int, ...]:
    scalars = lengths(call)[1][1:]
    return (*(1 for _ in call.mutable), max(scalars, default=0), *scalars)


def bucket_multiplications(n: int, bits: int) -> int:
    """Base-field multiplications of a bucket method with signed windows of the best width.

    Each window adds every point to a bucket (6 multiplications as a batch-affine addition) and
    sums 2^(c−1) buckets (two additions of 12 each): a model to measure rates by, not a count.
    """
    if n == 0:
        return 0
    return min(-(-bits // c) * (6 * n + 24 * (1 << (c - 1))) for c in range(1, 25))


def _cost(call: Call) -> Cost:
    bits = call.curve.r.bit_length()
    per_addition = 3 if call.immutable[0].group == "g2" else 1  # type: ignore[union-attr]  # a PointArray
    total = sum(bucket_multiplications(n, bits) for n in lengths(call)[1][1:])
    return cost(call, per_addition * total)


MSM = Signature(
    "msm",
    "p[j] ← Σ_i s[j][i]·bases[i], for one or more arrays of scalars over the same bases. Scalars "
    "may be shorter than the bases. Infinity, repeated and opposite points and zero scalars are "
    "exact; an empty sum is infinity.",
    mutable=(Argument("p", ("Point",), "writes", "some", group="sums"),),
    immutable=(
        Argument("bases", ("PointArray",)),
        Argument("s", ("ScalarArray",), "reads", "some", group="sums"),
    ),
    params=Msm,
    check=_check,
    cost=_cost,
    touched=_touched,
)


def _assemble_check(call: Call) -> Iterable[str]:
    a, points = call.mutable[0], call.immutable
    if a.len != len(points):  # type: ignore[union-attr]  # a PointArray
        yield f"a must have one element for each point ({len(points)}), not {a.len}"  # type: ignore[union-attr]  # a PointArray
    for index, point in enumerate(points):
        if point.group != a.group:  # type: ignore[union-attr]  # kinds have been checked
            yield f"p[{index}] is in {point.group}, a is in {a.group}"  # type: ignore[union-attr]  # kinds have been checked


ASSEMBLE_POINTS = Signature(
    "assemble_points",
    "a ← the array of these points.",
    mutable=(Argument("a", ("PointArray",), "writes"),),
    immutable=(Argument("p", ("Point",), "reads", "any"),),
    check=_assemble_check,
    cost=cost,
    devices=("cpu",),
)

SIGNATURES = (MSM, ASSEMBLE_POINTS)
