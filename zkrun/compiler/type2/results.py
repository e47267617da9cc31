"""The types of what a call of a function gives.

Functions of the program format have a rule each; of all others, and of `fill`, which takes no
operand, the author states them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from zkrun.algebra.curves import Curve
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.types import Poly, Refusal, ValueType, memory_type
from zkrun.program.calls import open_entry, resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.explain import did_you_mean
from zkrun.program.functions.expr import ExpressionError, parse
from zkrun.program.functions.registry import names, signature
from zkrun.program.integers import NotANumber, parse_integer
from zkrun.program.signature import Signature, match
from zkrun.program.types import Point, PointArray, Scalar

__all__ = ["Types", "alike", "call_results", "check_call", "split_call"]

Types: TypeAlias = tuple[ValueType, ...]


def call_results(operation: op.Call, operands: Types, curve: Curve) -> Types:
    """The types of the results of a call. Refusal where it does not take these operands."""
    function, params = operation.function, operation.parameters()
    found = signature(function)
    if found is None:
        mend = did_you_mean(function, names()) or "`zkrun functions` lists them"
        raise Refusal(f'there is no function "{function}"', mend)
    if operation.results is not None:
        results = operation.results
    elif function in _RESULTS:
        results = _RESULTS[function](params, operands, curve)
    else:
        raise Refusal(f"the types of the results of {function} must be stated", "give `results`")
    split = split_call(found, operands, len(results))
    if split is None:
        raise Refusal(f"{function} does not take {len(operands)} operands")
    check_call(function, params, results, split[1], curve)
    return results


def split_call(
    found: Signature, operands: Sequence[Any], results: int
) -> tuple[tuple[Any | None, ...], tuple[Any, ...]] | None:
    """Operands of a Call as the function takes them: for each mutable argument the operand that it
    updates, or None where it is only written, then the immutable ones. None where they do not fit.
    """
    mutable = match(found.mutable, results)
    if mutable is None:
        return None
    rest = list(operands)
    updated = []
    for argument in mutable:
        if argument.effect == "updates":
            if not rest:
                return None
            updated.append(rest.pop(0))
        else:
            updated.append(None)
    return tuple(updated), tuple(rest)


def check_call(
    function: str, params: dict[str, Any], results: Types, immutable: Types, curve: Curve
) -> None:
    """Refusal where the program format has no such call."""
    entry = FunctionEntry(function, params)
    written, read = (tuple(map(memory_type, types)) for types in (results, immutable))
    _, problems = resolve_call(entry, curve, written, read)
    for problem in problems:
        helps = (one.help for one in open_entry(entry, curve).problems)
        raise Refusal(f"{function}: {problem}", next(helps, None))


def alike(name: str, a: Poly, b: Poly) -> Poly:
    """The type of two polynomials that have the same; Refusal, of the operation `name`, if not."""
    if a != b:
        mend = None
        if a.form != b.form:
            mend = "take both to the same form"
        elif a.coset != b.coset:
            mend = "take both to the same coset"
        raise Refusal(f"cannot {name} a {a} and a {b}", mend)
    return a


def _ntt(params: dict[str, Any], operands: Types, curve: Curve) -> Types:
    poly = operands[0] if operands else None
    try:
        coset = parse_integer(params.get("coset", 1))
    except NotANumber as wrong:
        raise Refusal(f"ntt: coset: {wrong}") from None
    if not isinstance(poly, Poly):
        raise Refusal(f"ntt takes a polynomial, not {poly or 'nothing'}")
    if params.get("inverse", False):
        if poly.form != "lagrange" or poly.coset != coset:
            raise Refusal(
                f"the inverse transform over the coset {coset:#x} takes values there, not a {poly}"
            )
        return (Poly(poly.n, "coefficients"),)
    if poly.form != "coefficients":
        raise Refusal(f"a transform takes coefficients, not a {poly}", "it is in Lagrange form")
    return (Poly(poly.n, "lagrange", coset),)


def _msm(params: dict[str, Any], operands: Types, curve: Curve) -> Types:
    if not operands or not isinstance(operands[0], PointArray):
        raise Refusal("msm takes bases first")
    return tuple(Point(operands[0].group) for _ in operands[1:])


def _points(params: dict[str, Any], operands: Types, curve: Curve) -> Types:
    groups = [typ.group for typ in operands if isinstance(typ, Point)]
    if not groups or len(groups) < len(operands):
        raise Refusal("assemble_points takes points, at least one")
    return (PointArray(len(operands), groups[0]),)


def _coefficients(operands: Types) -> Poly:
    if not operands or not isinstance(operands[0], Poly):
        raise Refusal("a polynomial comes first")
    if operands[0].form != "coefficients":
        raise Refusal(
            f"this takes coefficients, not a {operands[0]}", "take it to coefficients first"
        )
    return operands[0]


def _first(params: dict[str, Any], operands: Types, curve: Curve) -> Types:
    if not operands:
        raise Refusal("an operand is missing")
    return (operands[0],)


def _sum(params: dict[str, Any], operands: Types, curve: Curve) -> Types:
    """As long as the longer of two arrays of coefficients; values are as many, on one domain."""
    match operands:
        case (Poly(a, "coefficients"), Poly(b, "coefficients")):
            return (Poly(max(a, b), "coefficients"),)
    return _product(params, operands, curve)


def _product(params: dict[str, Any], operands: Types, curve: Curve) -> Types:
    """Element by element, also of coefficients: whoever calls it by its name means that."""
    match operands:
        case (Poly() as a, Poly() as b):
            return (alike("combine", a, b),)
    return _first(params, operands, curve)  # what else is wrong, the call itself says


def _fused(params: dict[str, Any], operands: Types, curve: Curve) -> Types:
    """As many results as the expression assigns, alike: polynomials where an operand is one."""
    expr = params.get("expr")
    try:  # of what is no text the call itself says so
        outputs = len(parse(expr, curve.r).outputs) if isinstance(expr, str) else 1
    except ExpressionError as error:
        raise Refusal(f"fused_arith: expr: {error}") from None
    polys = [typ for typ in operands if isinstance(typ, Poly)]
    for poly in polys:
        alike("combine", polys[0], poly)
    return (polys[0] if polys else Scalar(),) * outputs


_RESULTS: dict[str, Callable[[dict[str, Any], Types, Curve], Types]] = {
    "ntt": _ntt,
    "msm": _msm,
    "assemble_points": _points,
    "poly_add": _sum,
    "poly_sub": _sum,
    "poly_mul": _product,
    "poly_scale": _first,
    "fused_arith": _fused,
    "batch_invert": _first,
    "distribute_powers": _first,
    "scalar_invert": _first,
    "scalar_pow": _first,
    "evaluate": lambda params, operands, curve: (_coefficients(operands), (Scalar(),))[1],
    "kate_division": lambda params, operands, curve: (_coefficients(operands),),
    "scan_mul": _first,
    "permute": lambda params, operands, curve: operands,
    "interpolate": lambda params, operands, curve: (Poly(len(operands) // 2, "coefficients"),),
    "assemble_poly": lambda params, operands, curve: (Poly(len(operands), "coefficients"),),
    "hash_transcript": _first,
    "write_transcript": _first,
    "squeeze_scalar": lambda params, operands, curve: (*_first(params, operands, curve), Scalar()),
}
"""Result types of the functions of the program format; those of all others are stated."""
