"""Arithmetic with points as authors write it, against another implementation of the curves."""

from typing import Any

import pytest
from group_law import Point as Plain
from group_law import sum_of_products
from interpreter import document_values, interpret

import zkrun
from zkrun.algebra.curves import CURVES
from zkrun.compiler import Point, Proof, Scalar
from zkrun.compiler.compile import compile_graph
from zkrun.program.types import Group

CASES = [("bn254", "g1"), ("bn254", "g2"), ("bls12_381", "g1"), ("bls12_381", "g2")]


@pytest.mark.parametrize(("curve", "group"), CASES)
def test_points_add_and_scalars_multiply_them(curve: Any, group: Group) -> None:
    record = CURVES[curve]
    r, generator = record.r, record.g1 if group == "g1" else record.g2

    def times(k: int) -> Plain:
        return sum_of_products(curve, group, [generator], [k % r])

    proof = Proof(curve)
    names = {"p": 5, "q": 7, "same": 5, "opposite": r - 5, "none": 0}
    p, q, same, opposite, none = (proof.input(name, Point(group)) for name in names)
    s = proof.input("s", Scalar())
    sums = {
        p + q: 12,
        p + same: 10,
        p + p: 10,
        p + opposite: 0,
        p + none: 5,
        none + none: 0,
        none - p: -5,
        p - q: -2,
        p - same: 0,
        -p: -5,
        -none: 0,
        +p: 5,
        p * s: 15,
        s * p: 15,
        3 * p: 15,
        p * 0: 0,
        p * (r - 1): -5,
        none * s: 0,
        sum([p, q, same]): 17,
        p + 0: 5,
    }
    graph = proof.graph(tuple(sums))
    inputs: dict[str, Any] = {name: times(k) for name, k in names.items()} | {"s": 3}
    expected = tuple(times(k) for k in sums.values())
    assert interpret(graph, inputs) == expected
    outcome = zkrun.run(compile_graph(graph).program, inputs)
    assert outcome.result.values == document_values(expected)
