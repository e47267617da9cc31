"""Inversions: one for a product, one for scalars that are inverted at a time."""

from __future__ import annotations

import pytest
from counting import counts, same
from interpreter import Fails, interpret

from zkrun.compiler.type2.author import Lagrange, Proof
from zkrun.compiler.type2.passes.dead import remove_dead
from zkrun.compiler.type2.passes.inversions import batch_inversions, join_inversions
from zkrun.program.types import Scalar


def test_quotients_share_one_inversion() -> None:
    proof = Proof("bn254")
    a, b, c, d = (proof.input(name, Lagrange(8)) for name in "abcd")
    graph = proof.graph((a / b) * (c / d))
    found = join_inversions(graph)
    assert counts(found) == {"input": 4, "multiply": 3, "invert": 1}
    assert same(graph, found)  # zeros are among the inputs


def test_inverses_that_others_need_are_not_joined() -> None:
    proof = Proof("bn254")
    a, b = (proof.input(name, Lagrange(8)) for name in "ab")
    inverse = a.inverse()
    graph = proof.graph((inverse * b.inverse(), inverse))
    assert counts(join_inversions(graph))["invert"] == 2


def test_scalars_are_multiplied_first() -> None:
    proof = Proof("bn254")
    a, b = (proof.input(name, Lagrange(8)) for name in "ab")
    s, t, u = (proof.input(name, Scalar()) for name in "stu")
    graph = proof.graph((a * s) * (b * t) / u / s)
    found = join_inversions(graph)
    assert same(graph, found)
    products = [v for v in remove_dead(found).vertices if v.operation.name == "multiply"]
    assert sum(vertex.types != (Scalar(),) for vertex in products) == 2
    assert counts(found)["invert"] == 1


def test_scalars_are_inverted_together() -> None:
    proof = Proof("bn254")
    scalars = [proof.input(name, Scalar()) for name in "stuv"]
    inverses = [one.inverse() for one in scalars]
    later = (inverses[0] + inverses[3]).inverse()
    graph = proof.graph((*inverses, later, (inverses[1] + 1).inverse()))
    found = batch_inversions(graph)
    assert counts(found)["invert"] == 2
    assert counts(found)["multiply"] == 9 + 3
    assert same(graph, found)


def test_inversions_on_both_sides_of_a_challenge() -> None:
    """The second one waits for the first, by way of the transcript."""
    proof = Proof("bn254")
    s = proof.input("s", Scalar())
    transcript = proof.transcript("blake2b")
    transcript.write(s.inverse())
    x = transcript.squeeze()
    graph = proof.graph((transcript, x.inverse(), (s + 1).inverse()))
    found = batch_inversions(graph)
    assert counts(found)["invert"] == 2
    assert same(graph, found)


@pytest.mark.parametrize("zero", [0, 1, 2])
def test_a_zero_among_them_fails_the_run(zero: int) -> None:
    proof = Proof("bn254")
    scalars = [proof.input(name, Scalar()) for name in "stu"]
    graph = proof.graph(tuple(one.inverse() for one in scalars))
    inputs = {name: 0 if number == zero else 5 for number, name in enumerate("stu")}
    with pytest.raises(Fails):
        interpret(batch_inversions(graph), inputs)
    product = proof.graph(scalars[0].inverse() * scalars[1].inverse() * scalars[2].inverse())
    joined = join_inversions(product)
    assert counts(joined)["invert"] == 1
    with pytest.raises(Fails):
        interpret(joined, inputs)
