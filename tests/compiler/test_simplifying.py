"""Calls as operations, dead vertices, constants, common subexpressions: one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from counting import counts, same
from interpreter import Fails, interpret

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.author import Coefficients, Lagrange, Polynomial, Proof, ScalarValue
from zkrun.compiler.type2.graph import Value
from zkrun.compiler.type2.passes.calls import recognise_calls
from zkrun.compiler.type2.passes.common import share_common
from zkrun.compiler.type2.passes.dead import remove_dead
from zkrun.compiler.type2.passes.fold import fold_constants
from zkrun.program.types import Scalar


def one_of_each() -> tuple[Proof, Polynomial, Polynomial, ScalarValue]:
    proof = Proof("bn254")
    f = proof.input("f", Coefficients(8))
    return proof, f, proof.input("v", Lagrange(8)), proof.input("s", Scalar())


def test_calls_become_operations() -> None:
    proof, f, v, s = one_of_each()
    short = f[0:3]
    made = [
        proof.call("poly_add", {}, [f, short], [Coefficients(8)]),
        proof.call("poly_sub", {}, [short, f], [Coefficients(8)]),
        proof.call("poly_mul", {}, [v, v], [Lagrange(8)]),
        proof.call("poly_scale", {}, [f, s], [Coefficients(8)]),
        proof.call("batch_invert", {}, [v], [Lagrange(8)]),
        proof.call("scalar_invert", {}, [s], [Scalar()]),
        proof.call("scalar_pow", {"exp": "7"}, [s], [Scalar()]),
        proof.call("fused_arith", {"expr": "y0 = x0*x1"}, [v, s], [Lagrange(8)]),
    ]
    graph = proof.graph(tuple(made))
    found = recognise_calls(graph)
    assert not {name for name in counts(found) if "_" in name}
    assert same(graph, found)


def test_calls_that_are_no_operation_stay() -> None:
    proof, f, v, s = one_of_each()
    made = [
        proof.call("poly_mul", {}, [f, f], [Coefficients(8)]),  # no product of polynomials
        proof.call("batch_invert", {}, [f], [Coefficients(8)]),
        proof.call("poly_add", {}, [v, v[0:2]], [Lagrange(8)]),
        proof.call("scalar_pow", {"exp": str(1 << 64)}, [s], [Scalar()]),
    ]
    graph = proof.graph(tuple(made))
    assert counts(recognise_calls(graph)) == counts(graph)


def test_transforms_are_written_in_one_way() -> None:
    proof, f, _, _ = one_of_each()
    ways = [{"coset": 5}, {"coset": "0x5"}, {"coset": "5", "inverse": False}]
    graph = proof.graph(tuple(proof.call("ntt", params, [f]) for params in ways))
    assert counts(share_common(recognise_calls(graph)))["ntt"] == 1
    assert counts(share_common(graph))["ntt"] == 3


def test_what_nobody_needs_goes_and_randoms_stay() -> None:
    proof, f, v, _ = one_of_each()
    v.blind(2, 4)
    kept = v.blind(5, 8)
    f.to_lagrange()
    graph = proof.graph(kept)
    found = remove_dead(graph)
    assert [vertex.operation.name for vertex in found.vertices] == [
        "input",
        "random",
        "random",
        "update",
    ]
    assert same(graph, found)


Rule = Callable[[Proof, Polynomial, Polynomial, ScalarValue], object]


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (lambda p, f, v, s: v * 1, {"input"}),
        (lambda p, f, v, s: v * 2, {"input", "number", "multiply"}),
        (lambda p, f, v, s: s * p.number(2), {"input", "number", "multiply"}),
        (lambda p, f, v, s: s * p.number(1), {"input"}),
        (lambda p, f, v, s: f + p.fill("zero", 8, "coefficients"), {"input"}),
        (lambda p, f, v, s: f + p.fill("zero", 3, "coefficients"), {"input"}),
        (
            lambda p, f, v, s: f[0:3] + p.fill("zero", 8, "coefficients"),
            {"input", "slice", "concatenate"},
        ),
        (
            lambda p, f, v, s: f[0:3] + p.fill("one_lagrange", 8, "coefficients"),
            {"input", "slice", "fill", "add"},
        ),
        (lambda p, f, v, s: v * p.fill("one_lagrange", 8, "lagrange"), {"input"}),
        (lambda p, f, v, s: v + p.fill("one_lagrange", 8, "lagrange"), {"input", "number", "add"}),
        (lambda p, f, v, s: s + p.fill("one_lagrange", 8, "lagrange"), {"input", "fill", "add"}),
        (
            lambda p, f, v, s: s * p.fill("one_lagrange", 8, "lagrange"),
            {"input", "fill", "multiply"},
        ),
        (lambda p, f, v, s: v * 0, {"fill"}),
        (lambda p, f, v, s: s * 0, {"number"}),
        (lambda p, f, v, s: v - v, {"fill"}),
        (lambda p, f, v, s: f[0:3] - f, {"input", "slice", "subtract"}),
        (lambda p, f, v, s: 0 - v, {"input", "negate"}),
        (
            lambda p, f, v, s: p.fill("zero", 8, "coefficients") - f[0:3],
            {"input", "slice", "fill", "subtract"},
        ),
        (lambda p, f, v, s: -(0 - v), {"input"}),
        (lambda p, f, v, s: v * -1, {"input", "negate"}),
        (lambda p, f, v, s: v**0, {"fill"}),
        (lambda p, f, v, s: v**1, {"input"}),
        (lambda p, f, v, s: v.inverse().inverse(), {"input"}),
        (lambda p, f, v, s: p.fill("zero", 8, "lagrange").inverse(), {"fill"}),
        (lambda p, f, v, s: (p.number(3) - 5) * p.number(7).inverse() ** 9, {"number"}),
        (
            lambda p, f, v, s: p.fill("zero", 8, "coefficients").to_lagrange(16, 5),
            {"fill", "concatenate", "ntt"},
        ),
        (lambda p, f, v, s: p.fill("zero", 8, "coefficients").to_lagrange(8, 5), {"fill"}),
        (lambda p, f, v, s: f[2:3].to_lagrange(1, 5), {"input", "slice", "view"}),
        (lambda p, f, v, s: f(0), {"input", "element"}),
        (lambda p, f, v, s: f[2:3](s), {"input", "slice", "element"}),
        (lambda p, f, v, s: f[2:2](s), {"number"}),
        (lambda p, f, v, s: p.fill("one_lagrange", 8, "lagrange").rotate(3)[5], {"number"}),
    ],
)
def test_folding(rule: Rule, left: set[str]) -> None:
    proof, f, v, s = one_of_each()
    graph = proof.graph(rule(proof, f, v, s))  # type: ignore[arg-type]  # every rule gives a handle
    found = fold_constants(graph)
    assert set(counts(found)) == left
    assert same(graph, found)


def test_the_inverse_of_zero_still_fails() -> None:
    proof = Proof("bn254")
    graph = fold_constants(proof.graph((proof.number(1) - 1).inverse()))
    with pytest.raises(Fails):
        interpret(graph)


def test_common_subexpressions() -> None:
    proof, f, v, s = one_of_each()
    graph = proof.graph(
        ((v * s) + v, v + (s * v), f.to_lagrange() - v, v - f.to_lagrange(), f(s), f(s))
    )
    found = share_common(graph)
    assert counts(found) == {
        "input": 3, "multiply": 1, "add": 1, "subtract": 2, "ntt": 1, "evaluate": 1,
    }  # fmt: skip
    assert same(graph, found)


def test_randoms_are_not_merged() -> None:
    proof, _, v, _ = one_of_each()
    graph = proof.graph((v.blind(0, 2), v.blind(0, 2)))
    found = share_common(graph)
    assert counts(found)["random"] == 2
    assert found.result[0] != found.result[1]  # type: ignore[index]  # a tuple
    assert same(graph, found)


def test_names_of_merged_values_stay() -> None:
    proof, _, v, s = one_of_each()
    first = v * s
    named = (v * s).named("scaled")
    graph = share_common(proof.graph((first, named)))
    value = graph.result[0]  # type: ignore[index]  # a tuple
    assert isinstance(value, Value)
    assert graph.vertices[value.vertex].label == "scaled"


def test_parameters_that_python_holds_for_equal_are_told_apart() -> None:
    assert op.call("f", {"a": 1}) == op.call("f", {"a": True})  # why the pass looks closer
    proof, f, _, _ = one_of_each()
    shown = {"value": "zero"}
    graph = proof.graph(
        tuple(proof.call("fill", shown, [], [typ]) for typ in (Coefficients(4), Lagrange(4), f.typ))
    )
    assert counts(share_common(graph))["fill"] == 3
