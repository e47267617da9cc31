"""Views: one for several, of parts instead of the whole, of operands instead of results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from counting import counts, same

from zkrun.compiler.type2.author import Coefficients, Lagrange, Polynomial, Proof
from zkrun.compiler.type2.passes.rotations import place_views
from zkrun.program.types import PointArray

Rule = Callable[[Proof, Polynomial, Polynomial], Any]


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (lambda p, f, v: v.rotate(3).rotate(-3), {"input": 1}),
        (lambda p, f, v: v.rotate(3).rotate(7), {"input": 1, "rotate": 1}),
        (lambda p, f, v: v.rotate(8), {"input": 1}),
        (lambda p, f, v: f[2:7][1:3], {"input": 1, "slice": 1}),
        (lambda p, f, v: f[0:8], {"input": 1}),
        (lambda p, f, v: f[3:3], {"input": 1, "slice": 1}),
        (lambda p, f, v: f.as_lagrange(5).as_coefficients(), {"input": 1}),
        (lambda p, f, v: f.padded(16)[1:5], {"input": 1, "slice": 1}),
        (
            lambda p, f, v: p.concatenate([v, f.as_lagrange()], 20)[9:12],
            {"input": 1, "slice": 1, "view": 1},
        ),
        (lambda p, f, v: f.padded(16)[5:12], {"input": 1, "slice": 1, "concatenate": 1}),
        (lambda p, f, v: f.padded(16)[12], {"number": 1}),
        (lambda p, f, v: f.padded(16)[3], {"input": 1, "element": 1}),
        (lambda p, f, v: v.rotate(3)[6], {"input": 1, "element": 1}),
        (lambda p, f, v: f.updated(2, v[0:3].as_coefficients())[4], {"input": 1, "element": 1}),
        (lambda p, f, v: f.updated(2, v[0:3].as_coefficients())[5], {"input": 1, "element": 1}),
        (lambda p, f, v: f.updated(2, v[0:3].as_coefficients())[5:7], {"input": 1, "slice": 1}),
        (
            lambda p, f, v: f.updated(2, v[0:3].as_coefficients())[3:5],
            {"input": 1, "slice": 1, "view": 1},
        ),
        (lambda p, f, v: f.updated(0, v.as_coefficients()), {"input": 1, "view": 1}),
        (lambda p, f, v: p.poly([f[1], v[2]])[1], {"input": 1, "element": 1}),
        (lambda p, f, v: (v * v).rotate(2), {"input": 1, "rotate": 1, "multiply": 1}),
        (
            lambda p, f, v: (v * v + 1)[2:4],
            {"input": 1, "slice": 1, "multiply": 1, "add": 1, "number": 1},
        ),
        (
            lambda p, f, v: (v * v + v).inverse().rotate(1),
            {"input": 1, "rotate": 1, "multiply": 1, "add": 1, "invert": 1},
        ),
    ],
)
def test_views(rule: Rule, left: dict[str, int]) -> None:
    proof = Proof("bn254")
    f, v = proof.input("f", Coefficients(8)), proof.input("v", Lagrange(8))
    graph = proof.graph(rule(proof, f, v))
    found = place_views(graph)
    assert same(graph, found)
    counted = counts(found)
    if counted["rotate"] > 1:  # of one operand that is taken twice
        counted["rotate"] = 1
    if counted["slice"] > 1:
        counted["slice"] = 1
    assert counted == left


def test_arithmetic_that_others_need_is_rotated_as_it_is() -> None:
    proof = Proof("bn254")
    v = proof.input("v", Lagrange(8))
    square = v * v
    graph = proof.graph((square, square.rotate(1)))
    found = place_views(graph)
    assert counts(found) == {"input": 1, "multiply": 1, "rotate": 1}


def test_slices_of_bases() -> None:
    proof = Proof("bn254")
    bases = proof.input("bases", PointArray(8))
    f = proof.input("f", Coefficients(2))
    graph = proof.graph((bases[1:7][1:4].commit(f), bases[0:8].commit(f)))
    assert counts(place_views(graph)) == {"input": 2, "slice": 1, "msm": 2}
