"""Commitments over the same bases: one call for those that are needed at the same time."""

from __future__ import annotations

import pytest
from counting import counts, same

from zkrun.compiler.type2.author import Coefficients, Lagrange, Proof
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.msm import batch_msm
from zkrun.program.types import PointArray


def vectors(graph: Graph) -> list[int]:
    """How many vectors each call takes, in order."""
    return [
        len(vertex.types)
        for vertex in graph.vertices
        if vertex.types and "msm" in str(vertex.operation)
    ]


def test_commitments_before_one_challenge_are_one_call() -> None:
    proof = Proof("bn254")
    bases, other = proof.input("bases", PointArray(8)), proof.input("other", PointArray(8))
    f, g, h = (proof.input(name, Coefficients(4)) for name in "fgh")
    transcript = proof.transcript("blake2b")
    for one in (bases.commit(f), bases.commit(g), other.commit(f)):
        transcript.write(one)
    transcript.write(bases.commit(h))
    transcript.squeeze()
    found = batch_msm(proof.graph(transcript))
    assert sorted(vectors(found)) == [1, 3]


def test_no_commitment_waits_for_a_challenge_that_waits_for_it() -> None:
    proof = Proof("bn254")
    bases = proof.input("bases", PointArray(8))
    f, g = (proof.input(name, Coefficients(4)) for name in "fg")
    transcript = proof.transcript("keccak256")
    transcript.write(bases.commit(f))
    x = transcript.squeeze()
    transcript.write(bases.commit(f * x + g))
    transcript.write(bases.commit(g))  # could be done before, but is needed only now
    found = batch_msm(proof.graph((transcript, bases.commit(f * x))))
    assert vectors(found) == [1, 2, 1]


def test_results_are_those_of_each_vector() -> None:
    proof = Proof("bn254")
    bases = proof.constant("bases", PointArray(3), values=[[1, 2], None, [1, 2]])
    f, g = proof.input("f", Coefficients(3)), proof.input("g", Lagrange(2))
    one, two = bases.commit_all([g, f])
    graph = proof.graph((bases.commit(f), one, two, bases.commit(g.rotate(1))))
    found = batch_msm(graph)
    assert counts(found)["msm"] == 1
    assert same(graph, found)


@pytest.mark.parametrize(("gpus", "calls"), [(1, [5]), (2, [2, 2, 1]), (5, [1] * 5), (8, [1] * 5)])
def test_large_vectors_are_dealt_out_to_gpus(gpus: int, calls: list[int]) -> None:
    n = 1 << 14
    proof = Proof("bn254")
    bases = proof.input("bases", PointArray(n))
    polynomials = [proof.input(name, Coefficients(n)) for name in "abcde"]
    graph = proof.graph(bases.commit_all(polynomials))
    assert vectors(batch_msm(graph, gpus)) == calls
    assert vectors(batch_msm(graph, 1, 3 * 32 * n)) == [5]  # what an author has joined stays
