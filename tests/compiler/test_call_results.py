"""Calls of functions by their names: of those of the program format the results are known."""

from typing import Any

import pytest
from interpreter import interpret

from zkrun.compiler import Coefficients, GraphError, Lagrange, PointArray, Proof, Scalar
from zkrun.compiler.type2.handles import Polynomial
from zkrun.program.functions.registry import BUILT_IN
from zkrun.program.types import Point, Transcript

F, G, V, S = Coefficients(4), Coefficients(2), Lagrange(4), Scalar()

CALLS: list[tuple[str, dict[str, Any], str, list[Any]]] = [
    ("ntt", {}, "f", [V]),
    ("msm", {}, "bff", [Point(), Point()]),
    ("assemble_points", {}, "pp", [PointArray(2)]),
    ("poly_add", {}, "gf", [F]),
    ("poly_sub", {}, "vv", [V]),
    ("poly_mul", {}, "ff", [F]),
    ("poly_scale", {}, "vs", [V]),
    ("fused_arith", {"expr": "y0 = x0*x1; y1 = x0"}, "sv", [V, V]),
    ("fused_arith", {"expr": "y0 = x0*x1"}, "ss", [S]),
    ("batch_invert", {}, "v", [V]),
    ("distribute_powers", {}, "vg", [V]),
    ("scalar_invert", {}, "s", [S]),
    ("scalar_pow", {"exp": 5}, "s", [S]),
    ("evaluate", {}, "fs", [S]),
    ("kate_division", {}, "fs", [F]),
    ("scan_mul", {}, "vs", [V]),
    ("permute", {"usable": 3}, "vv", [V, V]),
    ("interpolate", {}, "ss", [Coefficients(1)]),
    ("assemble_poly", {}, "sss", [Coefficients(3)]),
    ("hash_transcript", {}, "ts", [Transcript("blake2b")]),
    ("write_transcript", {}, "tp", [Transcript("blake2b")]),
    ("squeeze_scalar", {}, "t", [Transcript("blake2b"), S]),
]


def values(proof: Proof) -> dict[str, Any]:
    typs: dict[str, Any] = {"f": F, "g": G, "v": V, "s": S, "b": PointArray(4), "p": Point()}
    return {name: proof.input(name, typ) for name, typ in typs.items()} | {
        "t": proof.transcript("blake2b")
    }


def test_of_every_function_but_fill() -> None:
    assert {name for name, *_ in CALLS} == {*BUILT_IN} - {"fill"}


@pytest.mark.parametrize(("function", "params", "operands", "results"), CALLS)
def test_results_need_not_be_stated(
    function: str, params: dict[str, Any], operands: str, results: list[Any]
) -> None:
    proof = Proof("bn254")
    known = values(proof)
    found = proof.call(function, params, [known[one] for one in operands])
    assert [one.typ for one in (found if isinstance(found, tuple) else (found,))] == results
    again = proof.call(function, params, [known[one] for one in operands], results)
    assert [one.typ for one in (again if isinstance(again, tuple) else (again,))] == results


@pytest.mark.parametrize(
    ("function", "params", "operands", "message"),
    [
        ("poly_add", {}, "fv", "cannot combine a Poly[4, coefficients] and a Poly[4, lagrange]"),
        ("poly_add", {}, "fs", "b must be a ScalarArray, not Scalar"),
        ("poly_add", {}, "f", "takes a, b"),
        (
            "poly_mul",
            {},
            "fg",
            "cannot combine a Poly[4, coefficients] and a Poly[2, coefficients]",
        ),
        ("poly_scale", {}, "sf", "c must be a ScalarArray, not Scalar"),
        ("scalar_invert", {}, "", "an operand is missing"),
        ("scalar_pow", {"exp": -1}, "s", "the integer -1 is negative"),
        ("scalar_pow", {}, "s", '"exp" is missing'),
        ("fused_arith", {"expr": "y0 = "}, "v", "a value is missing"),
        ("fused_arith", {"expr": "y0 = x7"}, "vs", "expr names 8 inputs x"),
        ("fused_arith", {"expr": 5}, "v", "text belongs here"),
        ("fused_arith", {}, "v", '"expr" is missing'),
        ("fused_arith", {"expr": "y0 = x0"}, "vf", "cannot combine"),
        ("fused_arith", {"expr": "y0 = x0"}, "p", "x must be a ScalarArray or Scalar"),
        ("batch_invert", {}, "s", "a must be a ScalarArray"),
    ],
)
def test_what_does_not_fit(
    function: str, params: dict[str, Any], operands: str, message: str
) -> None:
    proof = Proof("bn254")
    known = values(proof)
    with pytest.raises(GraphError) as caught:
        proof.call(function, params, [known[one] for one in operands])
    assert message in str(caught.value)


def test_they_compute_what_they_are_called_for() -> None:
    proof = Proof("bn254")
    known = values(proof)
    f, g, v, s = (known[one] for one in "fgvs")
    made = [
        proof.call("poly_add", None, [g, f]),
        proof.call("poly_mul", None, [f, f]),
        *proof.call("fused_arith", {"expr": "y0 = x0*x1; y1 = x1 + 1"}, [s, v]),
        proof.call("scalar_pow", {"exp": 2**70}, [s]),
    ]
    assert all(isinstance(one, Polynomial) for one in made[:-1])
    given = {"f": [1, 2, 3, 4], "g": [5, 6], "v": [7, 8, 9, 0], "s": 2}
    unused: dict[str, Any] = {"b": [None] * 4, "p": None}
    found = interpret(proof.graph(made), given | unused)
    r = proof.modulus
    lists = ([6, 8, 3, 4], [1, 4, 9, 16], [14, 16, 18, 0], [8, 9, 10, 1])
    assert found == (*lists, pow(2, 2**70, r))
