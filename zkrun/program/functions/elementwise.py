"""Functions that take arrays element by element."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic.dataclasses import dataclass

from zkrun.algebra.curves import Curve
from zkrun.program.functions.expr import ExpressionError, parse
from zkrun.program.functions.measure import cost, lengths
from zkrun.program.functions.parameters import PARAMS
from zkrun.program.signature import Argument, Call, Cost, Signature
from zkrun.program.types import Scalar, Text, length

__all__ = ["SIGNATURES", "Fill", "FusedArith"]

_ARRAY = ("ScalarArray",)


def _longer(call: Call) -> Iterable[str]:
    (c,), (a, b) = lengths(call)
    if c != max(a, b):
        yield f"c has {c} elements; the longer of a ({a}) and b ({b}) has {max(a, b)}"


def _equal(call: Call) -> Iterable[str]:
    (c,), (a, b) = lengths(call)
    if not a == b == c:
        yield f"a, b and c must be equally long, not {a}, {b} and {c}"


def _as_long(call: Call) -> Iterable[str]:
    (c,), (a, _) = lengths(call)
    if a != c:
        yield f"a and c must be equally long, not {a} and {c}"


def _one_each(call: Call) -> Cost:
    return cost(call, lengths(call)[0][0])


def _poly(name: str, doc: str) -> Signature:
    multiplies = name == "poly_mul"
    return Signature(
        name,
        doc,
        mutable=(Argument("c", _ARRAY, "writes"),),
        immutable=(Argument("a", _ARRAY), Argument("b", _ARRAY)),
        check=_equal if multiplies else _longer,
        cost=_one_each if multiplies else cost,
        elementwise=True,
    )


_ADD_DOC = (
    "c[i] ← a[i] {} b[i]. The shorter of a and b is extended by zeros; c is as long as the longer."
)

POLY_SCALE = Signature(
    "poly_scale",
    "c[i] ← a[i]·s. a and c are equally long.",
    mutable=(Argument("c", _ARRAY, "writes"),),
    immutable=(Argument("a", _ARRAY), Argument("s", ("Scalar",))),
    check=_as_long,
    cost=_one_each,
    elementwise=True,
)


@dataclass(frozen=True, slots=True, kw_only=True, config=PARAMS)
class FusedArith:
    """`expr`: the assignments, in the language described under *Expressions*."""

    expr: Text


def _fused_check_params(params: FusedArith, curve: Curve) -> Iterable[str]:
    try:
        parse(params.expr, curve.r)
    except ExpressionError as error:
        yield f"expr: {error}"


def _fused_check(call: Call) -> Iterable[str]:
    graph = parse(call.params.expr, call.curve.r)
    if len(graph.outputs) != len(call.mutable):
        yield f"expr assigns {len(graph.outputs)} outputs y, the call gives {len(call.mutable)}"
    if graph.inputs > len(call.immutable):
        yield f"expr names {graph.inputs} inputs x, the call gives {len(call.immutable)}"
    types = (*call.mutable, *call.immutable)
    arrays = {length(typ) for typ in types if not isinstance(typ, Scalar)}
    if arrays and any(isinstance(typ, Scalar) for typ in call.mutable):
        yield "an output is a Scalar only where all outputs and inputs are"
    if len(arrays) > 1:
        yield f"all arrays must be equally long, not {', '.join(map(str, sorted(arrays)))}"


def _fused_cost(call: Call) -> Cost:
    graph = parse(call.params.expr, call.curve.r)
    return cost(call, graph.multiplications * lengths(call)[0][0])


FUSED_ARITH = Signature(
    "fused_arith",
    "An arithmetic graph in one pass: each output y is an expression in the inputs x. Arrays are "
    "equally long; a Scalar input stands for every element. Outputs are arrays, or Scalars where "
    "all inputs are Scalars too.",
    mutable=(Argument("y", ("ScalarArray", "Scalar"), "writes", "some"),),
    immutable=(Argument("x", ("ScalarArray", "Scalar"), "reads", "any"),),
    params=FusedArith,
    check_params=_fused_check_params,
    check=_fused_check,
    cost=_fused_cost,
    elementwise=True,
)

BATCH_INVERT = Signature(
    "batch_invert",
    "a[i] ← 1/a[i] in place. Zeros stay zero.",
    mutable=(Argument("a", _ARRAY, "updates"),),
    cost=lambda call: cost(call, 3 * lengths(call)[0][0]),
)


def _powers_check(call: Call) -> Iterable[str]:
    (a,), (powers,) = lengths(call)
    if a and not powers:
        yield "powers is empty"


def _powers_touched(call: Call) -> tuple[int, ...]:
    (a,), (powers,) = lengths(call)
    return a, min(a, powers)


DISTRIBUTE_POWERS = Signature(
    "distribute_powers",
    "a[i] ← a[i]·powers[i mod len(powers)] in place.",
    mutable=(Argument("a", _ARRAY, "updates"),),
    immutable=(Argument("powers", _ARRAY),),
    check=_powers_check,
    cost=_one_each,
    touched=_powers_touched,
)


@dataclass(frozen=True, slots=True, kw_only=True, config=PARAMS)
class Fill:
    """`value`: `"zero"` (all 0), `"one_lagrange"` (all 1) or `"one_coef"` (1, 0, 0, …)."""

    value: Literal["zero", "one_lagrange", "one_coef"]


FILL = Signature(
    "fill",
    "Fills an array: the polynomial 0, or the polynomial 1 as evaluations or as coefficients.",
    mutable=(Argument("a", _ARRAY, "writes"),),
    params=Fill,
    cost=cost,
)

SIGNATURES = (
    _poly("poly_add", _ADD_DOC.format("+")),
    _poly("poly_sub", _ADD_DOC.format("−")),
    _poly("poly_mul", "c[i] ← a[i]·b[i]. a, b and c are equally long."),
    POLY_SCALE,
    FUSED_ARITH,
    BATCH_INVERT,
    DISTRIBUTE_POWERS,
    FILL,
)
