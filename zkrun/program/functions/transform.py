"""The number-theoretic transform."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic.dataclasses import dataclass

from zkrun.algebra.curves import Curve
from zkrun.program.functions.measure import cost, lengths
from zkrun.program.functions.parameters import PARAMS, Flag, Integer
from zkrun.program.signature import Argument, Call, Cost, Signature

__all__ = ["SIGNATURES", "Ntt", "default_root"]


@dataclass(frozen=True, slots=True, kw_only=True, config=PARAMS)
class Ntt:
    """`inverse`: undo it. `coset`: g, not 0. `root`: ω, a primitive n-th root of unity. `tables`:
    whether a GPU may keep a table as long as the array, which is faster; a hint, which never
    changes the result."""

    inverse: Flag = False
    coset: Integer = 1
    root: Integer | None = None
    tables: Flag = True


def default_root(n: int, modulus: int, root_of_unity: int, two_adicity: int) -> int:
    """ω for n = 2^k where none is given: the primitive 2^s-th root, squared s − k times."""
    return pow(root_of_unity, 1 << (two_adicity - n.bit_length() + 1), modulus)


def _check_params(params: Ntt, curve: Curve) -> Iterable[str]:
    if params.coset == 0:
        yield "coset is 0"
    for name in ("coset", "root"):
        if (getattr(params, name) or 0) >= curve.r:
            yield f"{name} is not below the modulus of the scalar field"


def _check(call: Call) -> Iterable[str]:
    (n,), twiddles = lengths(call)
    field, params = call.curve.scalar, call.params
    if n == 0 or n & (n - 1):
        yield f"a must have a power of two of elements, not {n}"
        return
    if n.bit_length() - 1 > field.two_adicity:
        yield f"the scalar field has no transform longer than 2^{field.two_adicity}, a has {n}"
        return
    if twiddles and twiddles[0] != n // 2:
        yield f"twiddles must have n/2 = {n // 2} elements, not {twiddles[0]}"
    if params.root is not None:
        # order exactly n: ω^(n/2) = −1 (for n = 1 only ω = 1 is one)
        primitive = (
            params.root == 1
            if n == 1
            else pow(params.root, n // 2, field.modulus) == field.modulus - 1
        )
        if not primitive:
            yield f"root is not a primitive {n}-th root of unity"


def _cost(call: Call) -> Cost:
    (n,), _ = lengths(call)
    butterflies = n // 2 * (n.bit_length() - 1)
    scaled = call.params.inverse or call.params.coset != 1
    return cost(call, butterflies + (n if scaled else 0))


NTT = Signature(
    "ntt",
    "In place, natural order in and out: a[i] ← Σ_j a[j]·(g·ω^i)^j with g = `coset`; `inverse` "
    "undoes it, 1/n included. `twiddles`, where given, are ω^0 … ω^(n/2−1). Without `root`, ω is "
    "w^(2^(s−k)) for n = 2^k, where s is the two-adicity of r − 1 and w = 5^((r−1)/2^s) on BN254, "
    "7^((r−1)/2^s) on BLS12-381.",
    mutable=(Argument("a", ("ScalarArray",), "updates"),),
    immutable=(Argument("twiddles", ("ScalarArray",), "reads", "optional"),),
    params=Ntt,
    check_params=_check_params,
    check=_check,
    cost=_cost,
)

SIGNATURES = (NTT,)
