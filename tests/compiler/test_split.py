"""Domains worked on class by class: the same values, and no array of the whole domain."""

from __future__ import annotations

import random

import pytest
from graphs import Case, random_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreter import interpret

from zkrun.algebra.curves import BN254
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, Graph, Value
from zkrun.compiler.type2.passes.split import split_domains
from zkrun.compiler.type2.types import Poly

N, SIZE = 16, 64
BYTES = 8 * 32  # of eight arrays, for each element


@pytest.fixture(autouse=True)
def small_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkrun.compiler.type2.passes.split._LEAST", 1)
    monkeypatch.setattr("zkrun.compiler.type2.passes.split._MOST_CLASSES", 256)


def quotient(powers: int, by: int, coset: int = 5, length: int = N) -> Graph:
    """(f·g(ω^by·X) + 3·f) times periodic factors, over a coset four times as large."""
    builder = Builder("bn254")
    builder.inputs = {name: Poly(length, "coefficients") for name in "fg"}
    builder.inputs["powers"] = Poly(powers, "coefficients")
    f, g, factors = (builder.add(op.Input(name)) for name in builder.inputs)
    forward = op.call("ntt", {"coset": coset})
    f, g = (builder.add(forward, [builder.add(op.Concatenate(SIZE), [one])]) for one in (f, g))
    product = builder.add(op.Multiply(), [f, builder.add(op.Rotate(by), [g])])
    tripled = builder.add(op.Multiply(), [f, builder.add(op.Number(3))])
    total = builder.add(op.Add(), [product, tripled])
    total = builder.add(op.call("distribute_powers"), [total, factors])
    back = builder.add(op.call("ntt", {"inverse": True, "coset": coset}), [total])
    return builder.graph((back, builder.add(op.Slice(N, 2 * N), [back])))


def values(graph: Graph) -> dict[str, list[int]]:
    source = random.Random(7)
    return {
        name: [source.randrange(BN254.r) for _ in range(typ.n)]  # type: ignore[union-attr]  # all are polynomials
        for name, typ in graph.inputs.items()
    }


@pytest.mark.parametrize("most", [SIZE, SIZE // 2, SIZE // 4, SIZE // 16, 1])
@pytest.mark.parametrize(
    ("powers", "by", "length"), [(4, 4, N), (8, 1, N - 3), (1, -7, SIZE), (6, SIZE - 1, 1)]
)
def test_a_quotient(most: int, powers: int, by: int, length: int) -> None:
    graph = quotient(powers, by, length=length)
    split = split_domains(graph, most * BYTES)
    inputs = values(graph)
    assert interpret(split, inputs) == interpret(graph, inputs)
    longest = max(
        typ.n
        for vertex in split.vertices
        for typ in vertex.types
        if isinstance(typ, Poly) and typ.form == "lagrange"
    )
    assert longest <= most
    assert longest >= min(most, length // 2)


def test_values_that_are_needed_in_their_order_stay_whole() -> None:
    builder = Builder("bn254")
    builder.inputs = {"f": Poly(SIZE, "coefficients")}
    f = builder.add(op.call("ntt"), [builder.add(op.Input("f"))])
    square = builder.add(op.Multiply(), [f, f])
    graph = builder.graph((builder.add(op.Element(3), [f]), square))
    assert split_domains(graph, BYTES) == graph


def test_without_a_limit_nothing_is_split() -> None:
    graph = quotient(4, 4)
    assert split_domains(graph, None) is graph


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(case=random_cases(most=40), most=st.sampled_from([64, 256, 512, 1024]))
def test_any_graph(case: Case, most: int) -> None:
    wanted = interpret(case.graph, case.inputs, case.drawn)
    assert interpret(split_domains(case.graph, most), case.inputs, case.drawn) == wanted


def test_a_random_is_drawn_in_its_place() -> None:
    builder = Builder("bn254")
    first, second = (builder.add(op.Random(16, "coefficients")) for _ in range(2))
    total = builder.add(op.Add(), [builder.add(op.call("ntt"), [one]) for one in (first, second)])
    back = builder.add(op.call("ntt", {"inverse": True}), [total])
    graph = builder.graph((back, first))
    split = split_domains(graph, BYTES)
    assert len(split.vertices) > len(graph.vertices)
    drawn = list(range(32))
    assert interpret(split, {}, drawn) == interpret(graph, {}, drawn)
    assert isinstance(split.result, tuple)
    assert all(isinstance(one, Value) for one in split.result)
