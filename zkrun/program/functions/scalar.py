"""Functions of one scalar."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from zkrun.program.functions.measure import cost
from zkrun.program.functions.parameters import PARAMS, Integer
from zkrun.program.signature import Argument, Call, Cost, Signature

__all__ = ["SIGNATURES", "ScalarPow"]


@dataclass(frozen=True, slots=True, kw_only=True, config=PARAMS)
class ScalarPow:
    """`exp`: the exponent, not negative, an integer or text of up to 1048576 digits."""

    exp: Integer


def _power_cost(call: Call) -> Cost:
    exponent: int = call.params.exp
    return cost(call, max(0, exponent.bit_length() - 1) + max(0, exponent.bit_count() - 1))


SCALAR_INVERT = Signature(
    "scalar_invert",
    "s ← 1/s in place. Inverting zero fails the run.",
    mutable=(Argument("s", ("Scalar",), "updates"),),
    cost=cost,
)

SCALAR_POW = Signature(
    "scalar_pow",
    "s ← s^exp in place, with 0^0 = 1.",
    mutable=(Argument("s", ("Scalar",), "updates"),),
    params=ScalarPow,
    cost=_power_cost,
)

SIGNATURES = (SCALAR_INVERT, SCALAR_POW)
