"""The types of what an operation gives, from the types of its operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, TypeAlias

from zkrun.algebra.curves import Curve
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.types import Poly, ValueType, memory_type
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.functions.registry import signature
from zkrun.program.integers import NotANumber, parse_integer
from zkrun.program.signature import Signature, match
from zkrun.program.types import Point, PointArray, Scalar, Transcript

__all__ = ["Refusal", "infer", "split_call"]

Types: TypeAlias = tuple[ValueType, ...]


class Refusal(ValueError):
    """Why an operation does not take its operands; `help` is the likely mend."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


def infer(operation: op.Operation, operands: Types, curve: Curve) -> Types:
    """The types of the results. Refusal where the operation does not take these operands."""
    return _infer(operation, operands, curve)


@singledispatch
def _infer(operation: op.Operation, operands: Types, curve: Curve) -> Types:
    raise Refusal(f"the type of {operation.name} is stated, not inferred")


@_infer.register
def _(operation: op.Number, operands: Types, curve: Curve) -> Types:
    _count(operation, operands, 0)
    if not 0 <= operation.value < curve.r:
        raise Refusal("the number is not below the modulus of the scalar field")
    return (Scalar(),)


@_infer.register(op.Add)
@_infer.register(op.Subtract)
def _(operation: op.Operation, operands: Types, curve: Curve) -> Types:
    a, b = _arithmetic(operation, operands, 2)
    if isinstance(a, Poly) and isinstance(b, Poly):
        if a.form == b.form == "coefficients":
            return (Poly(max(a.n, b.n), "coefficients"),)
        return (_alike(operation, a, b),)
    for poly in (a, b):
        if isinstance(poly, Poly) and poly.form == "coefficients":
            raise Refusal(
                f"cannot {operation.name} a Scalar and a polynomial in coefficients: every "
                "coefficient would change",
                "make the scalar a polynomial of one coefficient with `poly([s])`",
            )
    return (b if isinstance(b, Poly) else a,)


@_infer.register
def _(operation: op.Multiply, operands: Types, curve: Curve) -> Types:
    a, b = _arithmetic(operation, operands, 2)
    if isinstance(a, Poly) and isinstance(b, Poly):
        if a.form == b.form == "coefficients":
            raise Refusal(
                "the product of two polynomials in coefficients is no element-wise operation",
                "take both to Lagrange form on a large enough domain first",
            )
        return (_alike(operation, a, b),)
    return (b if isinstance(b, Poly) else a,)


@_infer.register(op.Negate)
def _(operation: op.Operation, operands: Types, curve: Curve) -> Types:
    return _arithmetic(operation, operands, 1)


@_infer.register(op.Invert)
@_infer.register(op.Power)
def _(operation: op.Operation, operands: Types, curve: Curve) -> Types:
    (a,) = _arithmetic(operation, operands, 1)
    if isinstance(a, Poly) and a.form == "coefficients":
        raise Refusal(
            f"cannot {operation.name} a polynomial in coefficients",
            "take it to Lagrange form first",
        )
    if isinstance(operation, op.Power) and not 0 <= operation.exponent < 1 << 64:
        raise Refusal("an exponent is between 0 and 2^64 − 1")
    return (a,)


@_infer.register
def _(operation: op.Fused, operands: Types, curve: Curve) -> Types:
    kinds = _arithmetic(operation, operands, len(operands))
    poly = next((typ for typ in kinds if isinstance(typ, Poly)), None)
    result = poly or Scalar()
    for typ in kinds:
        if isinstance(typ, Poly) and typ != result:
            raise Refusal(f"operands of one fused expression are alike, not {result} and {typ}")
    _check_call(
        "fused_arith", {"expr": operation.expr}, (result,) * operation.outputs, kinds, curve
    )
    return (result,) * operation.outputs


@_infer.register
def _(operation: op.Rotate, operands: Types, curve: Curve) -> Types:
    poly = _poly(operation, operands)
    if poly.form != "lagrange":
        raise Refusal(
            "only values rotate: a rotation of coefficients is no polynomial of the argument",
            "rotate the polynomial in Lagrange form, or evaluate it at ω·x",
        )
    return (poly,)


@_infer.register
def _(operation: op.Slice, operands: Types, curve: Curve) -> Types:
    _count(operation, operands, 1)
    (array,) = operands
    if not isinstance(array, Poly | PointArray):
        raise Refusal(f"cannot slice a {array}")
    n = array.n if isinstance(array, Poly) else array.len
    if not 0 <= operation.start <= operation.end <= n:
        raise Refusal(f"[{operation.start}:{operation.end}] is no slice of {n} elements")
    size = operation.end - operation.start
    if isinstance(array, PointArray):
        return (PointArray(size, array.group),)
    return (Poly(size, array.form, array.coset),)


@_infer.register
def _(operation: op.View, operands: Types, curve: Curve) -> Types:
    poly = _poly(operation, operands)
    if operation.form == "coefficients" and operation.coset != 1:
        raise Refusal("coefficients have no coset")
    return (Poly(poly.n, operation.form, operation.coset),)


@_infer.register
def _(operation: op.Element, operands: Types, curve: Curve) -> Types:
    poly = _poly(operation, operands)
    if not 0 <= operation.index < poly.n:
        raise Refusal(f"there is no element {operation.index} of {poly.n}")
    return (Scalar(),)


@_infer.register
def _(operation: op.Concatenate, operands: Types, curve: Curve) -> Types:
    polys = [typ for typ in operands if isinstance(typ, Poly)]
    if not polys or len(polys) < len(operands):
        raise Refusal("only polynomials can be concatenated")
    if (total := sum(poly.n for poly in polys)) > operation.n:
        raise Refusal(f"{total} elements do not fit into {operation.n}")
    return (Poly(operation.n, polys[0].form, polys[0].coset),)


@_infer.register
def _(operation: op.Update, operands: Types, curve: Curve) -> Types:
    _count(operation, operands, 2)
    a, part = operands
    if not isinstance(a, Poly) or not isinstance(part, Poly):
        raise Refusal("only a part of a polynomial can be replaced, by another one")
    if operation.start < 0 or operation.start + part.n > a.n:
        raise Refusal(f"{part.n} elements from {operation.start} on do not lie in {a.n}")
    return (a,)


@_infer.register
def _(operation: op.Random, operands: Types, curve: Curve) -> Types:
    _count(operation, operands, 0)
    return (Poly(operation.n, operation.form),)


@_infer.register
def _(operation: op.NewTranscript, operands: Types, curve: Curve) -> Types:
    _count(operation, operands, 0)
    return (Transcript(operation.hash),)


@_infer.register
def _(operation: op.Call, operands: Types, curve: Curve) -> Types:
    found = signature(operation.function)
    if found is None:
        raise Refusal(
            f'there is no function "{operation.function}"', "`zkrun functions` lists them"
        )
    params = operation.parameters()
    if operation.results is not None:
        results = operation.results
    elif operation.function in _RESULTS:
        results = _RESULTS[operation.function](params, operands)
    else:
        raise Refusal(f"the types of the results of {operation.function} must be stated")
    split = split_call(found, operands, len(results))
    if split is None:
        raise Refusal(f"{operation.function} does not take {len(operands)} operands")
    _check_call(operation.function, params, results, split[1], curve)
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


def _check_call(
    function: str, params: dict[str, Any], results: Types, immutable: Types, curve: Curve
) -> None:
    _, problems = resolve_call(
        FunctionEntry(function, params),
        curve,
        tuple(map(memory_type, results)),
        tuple(map(memory_type, immutable)),
    )
    for problem in problems:
        raise Refusal(f"{function}: {problem}")


def _ntt(params: dict[str, Any], operands: Types) -> Types:
    poly = operands[0] if operands else None
    try:
        coset = parse_integer(params.get("coset", 1))
    except NotANumber as wrong:
        raise Refusal(f"ntt: coset: {wrong}") from None
    if not isinstance(poly, Poly):
        raise Refusal(f"ntt takes a polynomial, not {poly}")
    if params.get("inverse", False):
        if poly.form != "lagrange" or poly.coset != coset:
            raise Refusal(
                f"the inverse transform over the coset {coset:#x} takes values there, not a {poly}"
            )
        return (Poly(poly.n, "coefficients"),)
    if poly.form != "coefficients":
        raise Refusal(f"a transform takes coefficients, not a {poly}", "it is in Lagrange form")
    return (Poly(poly.n, "lagrange", coset),)


def _msm(params: dict[str, Any], operands: Types) -> Types:
    if not operands or not isinstance(operands[0], PointArray):
        raise Refusal("msm takes bases first")
    return tuple(Point(operands[0].group) for _ in operands[1:])


def _points(params: dict[str, Any], operands: Types) -> Types:
    if not operands or not all(isinstance(typ, Point) for typ in operands):
        raise Refusal("assemble_points takes points, at least one")
    return (PointArray(len(operands), operands[0].group),)  # type: ignore[union-attr]  # a Point


def _coefficients(params: dict[str, Any], operands: Types) -> Poly:
    if not operands or not isinstance(operands[0], Poly):
        raise Refusal("a polynomial comes first")
    if operands[0].form != "coefficients":
        raise Refusal(
            f"this takes coefficients, not a {operands[0]}", "take it to coefficients first"
        )
    return operands[0]


def _first(params: dict[str, Any], operands: Types) -> Types:
    if not operands:
        raise Refusal("an operand is missing")
    return (operands[0],)


_RESULTS: dict[str, Callable[[dict[str, Any], Types], Types]] = {
    "ntt": _ntt,
    "msm": _msm,
    "evaluate": lambda params, operands: (_coefficients(params, operands), (Scalar(),))[1],
    "kate_division": lambda params, operands: (_coefficients(params, operands),),
    "scan_mul": _first,
    "distribute_powers": _first,
    "permute": lambda params, operands: operands,
    "interpolate": lambda params, operands: (Poly(len(operands) // 2, "coefficients"),),
    "assemble_points": _points,
    "assemble_poly": lambda params, operands: (Poly(len(operands), "coefficients"),),
    "hash_transcript": _first,
    "write_transcript": _first,
    "squeeze_scalar": lambda params, operands: (*_first(params, operands), Scalar()),
}
"""Result types of the functions of the program format; those of all others are stated."""


def _count(operation: op.Operation, operands: Types, count: int) -> None:
    if len(operands) != count:
        raise Refusal(f"{operation.name} takes {count} operands, not {len(operands)}")


def _arithmetic(operation: op.Operation, operands: Types, count: int) -> Types:
    _count(operation, operands, count)
    for typ in operands:
        if not isinstance(typ, Poly | Scalar):
            raise Refusal(f"cannot {operation.name} a {typ}: it is neither polynomial nor scalar")
    return operands


def _alike(operation: op.Operation, a: Poly, b: Poly) -> Poly:
    if a != b:
        mend = None
        if a.form != b.form:
            mend = "take both to the same form"
        elif a.coset != b.coset:
            mend = "take both to the same coset"
        raise Refusal(f"cannot {operation.name} a {a} and a {b}", mend)
    return a


def _poly(operation: op.Operation, operands: Types) -> Poly:
    _count(operation, operands, 1)
    (poly,) = operands
    if not isinstance(poly, Poly):
        raise Refusal(f"cannot {operation.name} a {poly}: it is no polynomial")
    return poly
