"""The types of what an operation gives, from the types of its operands."""

from __future__ import annotations

from functools import singledispatch

from zkrun.algebra.curves import Curve
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.results import Types, alike, call_results, check_call, split_call
from zkrun.compiler.type2.types import Poly, Refusal
from zkrun.program.types import PointArray, Scalar, Transcript

__all__ = ["Refusal", "infer", "split_call"]


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
        return (alike(operation.name, a, b),)
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
        return (alike(operation.name, a, b),)
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
    check_call("fused_arith", {"expr": operation.expr}, (result,) * operation.outputs, kinds, curve)
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
    return call_results(operation, operands, curve)


def _count(operation: op.Operation, operands: Types, count: int) -> None:
    if len(operands) != count:
        raise Refusal(f"{operation.name} takes {count} operands, not {len(operands)}")


def _arithmetic(operation: op.Operation, operands: Types, count: int) -> Types:
    _count(operation, operands, count)
    for typ in operands:
        if not isinstance(typ, Poly | Scalar):
            raise Refusal(f"cannot {operation.name} a {typ}: it is neither polynomial nor scalar")
    return operands


def _poly(operation: op.Operation, operands: Types) -> Poly:
    _count(operation, operands, 1)
    (poly,) = operands
    if not isinstance(poly, Poly):
        raise Refusal(f"cannot {operation.name} a {poly}: it is no polynomial")
    return poly
