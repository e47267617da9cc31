"""The order of vertices: legal, and with few arrays alive."""

from __future__ import annotations

from counting import counts, same
from graphs import Case, random_cases
from hypothesis import given

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.author import Coefficients, Proof
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.schedule import peak_bytes, schedule_vertices


def randoms(graph: Graph) -> list[op.Operation]:
    return [one.operation for one in graph.vertices if isinstance(one.operation, op.Random)]


@given(random_cases())
def test_any_graph(case: Case) -> None:
    found = schedule_vertices(case.graph)
    early = sum(
        96 if not isinstance(vertex.operation, op.Random) else 32 * vertex.operation.n
        for vertex in found.vertices
    )  # random elements and small results come early
    assert peak_bytes(found) <= peak_bytes(case.graph) + early
    assert counts(found) == counts(case.graph)
    assert randoms(found) == randoms(case.graph)
    for index, vertex in enumerate(found.vertices):
        assert all(value.vertex < index for value in vertex.operands)


def test_arrays_are_made_when_they_are_needed() -> None:
    """All large arrays first, then their evaluations; better each with its evaluation."""
    n, many = 64, 10
    proof = Proof("bn254")
    x = proof.transcript("blake2b").squeeze()
    large = [
        proof.input(f"f{i}", Coefficients(4)).to_lagrange(n, 5).as_coefficients()
        for i in range(many)
    ]
    graph = proof.graph(tuple(one(x) for one in large))
    found = schedule_vertices(graph)
    assert peak_bytes(graph) >= many * n * 32
    assert peak_bytes(found) < 3 * n * 32 + 1024
    assert same(graph, found)


def test_what_takes_most_comes_first() -> None:
    """(large) + (small): held over the large one's work, the small one would be too much."""
    n = 64
    proof = Proof("bn254")
    f = proof.input("f", Coefficients(n))
    small = (f * 3)[0:1]
    large = f.padded(8 * n).to_lagrange(8 * n, 5).as_coefficients()[0:1] * 5
    graph = proof.graph(small + large)
    found = schedule_vertices(graph)
    assert peak_bytes(found) < peak_bytes(graph)
    assert same(graph, found)
