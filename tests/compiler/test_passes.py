"""Every pass, alone and in any company, keeps what a graph computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from graphs import Case, random_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreter import interpret

from zkrun.algebra.curves import BN254
from zkrun.compiler.type2.author import Lagrange, Polynomial, Proof, ScalarValue
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes import PASSES, Target
from zkrun.program.types import Scalar

TARGETS = (
    Target(),
    Target(devices=("cpu", "gpu:0"), most=256),
    Target(devices=("cpu", "gpu:0", "gpu:1"), most=64),
)
often = settings(
    max_examples=120,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def check(case: Case, *passes: Callable[[Graph], Graph]) -> None:
    wanted = interpret(case.graph, case.inputs, case.drawn)
    graph = case.graph
    for one in passes:
        graph = one(graph)
    assert interpret(graph, case.inputs, case.drawn) == wanted


def deep(levels: int) -> Graph:
    """Chains of arithmetic, of scalars, of views and of inverses, all of them as long."""
    proof = Proof("bn254")
    a, s = proof.input("a", Lagrange(4)), proof.input("s", Scalar())
    made: tuple[Polynomial | ScalarValue, ...] = (a, a, s, a, a, s, s)
    for i in range(levels):
        product, shifted, scalar, turned, inverse, scaled, inverted = made
        made = (
            product * a + i,  # type: ignore[assignment]  # each stays of its kind
            shifted * s - a,
            scalar * s + 1,
            turned.rotate(1) * a,  # type: ignore[union-attr]  # a polynomial
            -inverse.inverse() * s,
            scaled * s,
            (inverted * inverted + 1).inverse() if i < 20 else inverted,
        )
    product, shifted, *rest = made
    assert isinstance(product, Polynomial)
    assert isinstance(shifted, Polynomial)
    return proof.graph((product.rotate(1), shifted[1:3], *rest))


@pytest.mark.parametrize("target", TARGETS)
def test_deep_graphs(target: Target) -> None:
    """Deeper than Python's own stack."""
    graph = deep(1200)
    after = graph
    for one in PASSES:
        after = one.run(after, target)
    inputs = {"a": [0, 1, 2, BN254.r - 1], "s": 7}
    assert interpret(after, inputs) == interpret(graph, inputs)


@pytest.mark.parametrize("name", list(dict.fromkeys(one.name for one in PASSES)))
@often
@given(random_cases(), st.sampled_from(TARGETS))
def test_each_pass(name: str, case: Case, target: Target) -> None:
    found = next(one for one in PASSES if one.name == name)
    check(case, lambda graph: found.run(graph, target))


@often
@given(random_cases(), st.sampled_from(TARGETS), st.data())
def test_any_passes(case: Case, target: Target, data: st.DataObject) -> None:
    flags = data.draw(st.lists(st.booleans(), min_size=len(PASSES), max_size=len(PASSES)))
    wanted = [one for one, flag in zip(PASSES, flags, strict=True) if flag]
    check(case, *[lambda graph, one=one: one.run(graph, target) for one in wanted])


@often
@given(random_cases(), st.sampled_from(TARGETS))
def test_all_passes(case: Case, target: Target) -> None:
    check(case, *[lambda graph, one=one: one.run(graph, target) for one in PASSES])
