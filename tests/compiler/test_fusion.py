"""Fusion: what becomes one call, what is left, and the texts of expressions."""

from __future__ import annotations

from functools import reduce

import pytest
from counting import counts, same
from graphs import Case, random_cases
from hypothesis import given
from hypothesis import strategies as st

from zkrun.algebra.curves import BN254
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.author import Coefficients, Lagrange, Polynomial, Proof
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.calls import recognise_calls
from zkrun.compiler.type2.passes.dead import remove_dead
from zkrun.compiler.type2.passes.expression import write
from zkrun.compiler.type2.passes.fusion import fuse
from zkrun.compiler.type2.passes.kernels import share_kernels
from zkrun.compiler.type2.passes.pieces import NODES, OPERANDS, REGISTERS
from zkrun.program.functions.expr import MAX_TEXT, parse
from zkrun.program.functions.graph import Builder
from zkrun.program.types import Scalar

ARITHMETIC = {"add", "subtract", "multiply", "negate", "power"}


def expressions(graph: Graph) -> list[str]:
    operations = [vertex.operation for vertex in remove_dead(graph).vertices]
    return [one.expr for one in operations if isinstance(one, op.Fused)]


def columns(proof: Proof, names: str, n: int = 8) -> list[Polynomial]:
    return [proof.input(name, Lagrange(n)) for name in names]


@given(random_cases())
def test_arithmetic_is_gone(case: Case) -> None:
    graph = fuse(case.graph)
    for vertex in graph.vertices:
        if vertex.operation.name in ARITHMETIC:
            assert isinstance(vertex.operation, op.Add | op.Subtract)
            lengths = [graph.type(value).n for value in vertex.operands]  # type: ignore[union-attr]  # coefficients
            assert lengths[0] != lengths[1]


def test_one_call_for_an_expression_with_rotations() -> None:
    proof = Proof("bn254")
    q, a, b, c, d = columns(proof, "qabcd")
    graph = proof.graph(q * (a * b + c * a.rotate(1) - d))
    found = fuse(graph)
    assert counts(found) == {"input": 5, "rotate": 1, "fused": 1}
    assert expressions(found) == ["t2 = x0*x1; y0 = (t2 + x2*x3 - x4)*x5"]
    assert same(graph, found)


def test_several_results_of_one_call() -> None:
    proof = Proof("bn254")
    a, b = columns(proof, "ab")
    product = a * b
    graph = proof.graph((product.to_coefficients(), (product + a).to_coefficients()))
    found = fuse(graph)
    assert expressions(found) == ["y0 = x0*x1; y1 = x0 + y0"]
    assert same(graph, found)


def test_no_call_waits_for_itself() -> None:
    """b is needed before the challenge, and c behind it: one call cannot give both."""
    proof = Proof("bn254")
    a = proof.input("a", Lagrange(8))
    transcript = proof.transcript("blake2b")
    b = a * a
    transcript.absorb(b)
    x = transcript.squeeze()
    graph = proof.graph((transcript, b * x + a))
    found = fuse(graph)
    assert len(expressions(found)) == 2
    assert same(graph, found)


def test_what_is_needed_late_is_computed_late() -> None:
    proof = Proof("bn254")
    a, b = columns(proof, "ab")
    transcript = proof.transcript("blake2b")
    transcript.absorb(a)
    graph = proof.graph(a * b * transcript.squeeze())
    assert expressions(fuse(graph)) == ["y0 = x0*x1*x2"]


def test_scalars_have_calls_of_their_own() -> None:
    proof = Proof("bn254")
    a = proof.input("a", Lagrange(8))
    s, t = (proof.input(name, Scalar()) for name in "st")
    graph = proof.graph((a * (s * t + 1), s**5, s - t))
    found = fuse(graph)
    assert sorted(expressions(found)) == [
        "y0 = x0*x1",
        "y0 = x0*x1 + 1; y1 = x0*x0^4; y2 = x0 - x1",
    ]
    assert same(graph, found)


def test_one_cheap_operation_is_done_again_rather_than_stored() -> None:
    proof = Proof("bn254")
    a, b = columns(proof, "ab")
    s = proof.input("s", Scalar())
    transcript = proof.transcript("blake2b")
    shifted = a + s
    transcript.absorb(shifted * b)
    graph = proof.graph(shifted * shifted * transcript.squeeze())
    found = fuse(graph)
    assert all("y1" not in one for one in expressions(found))
    assert same(graph, found)


def test_coefficients_of_different_lengths_stay() -> None:
    proof = Proof("bn254")
    f, g = proof.input("f", Coefficients(8)), proof.input("g", Coefficients(5))
    s = proof.input("s", Scalar())
    graph = proof.graph(f * s + g - f)
    found = fuse(graph)
    assert counts(found) == {"input": 3, "fused": 2, "add": 1}
    assert same(graph, found)


def test_fused_calls_of_authors_are_joined() -> None:
    proof = Proof("bn254")
    a, b = columns(proof, "ab")
    one, two = proof.call(
        "fused_arith", {"expr": "t = x0 - x1; y1 = t^2; y0 = -2*t + 3"}, [a, b], [a.typ, a.typ]
    )
    graph = proof.graph(one * two)
    found = fuse(recognise_calls(graph))
    assert len(expressions(found)) == 1
    assert same(graph, found)


@pytest.mark.parametrize("terms", [100, 300, 1500])
def test_large_expressions_are_cut(terms: int) -> None:
    """Σ aᵢ·aⱼ·s + … of many columns: pieces within all bounds, joined by few values."""
    proof = Proof("bn254")
    many = [proof.input(f"a{i}", Lagrange(2)) for i in range(60)]
    s = proof.input("s", Scalar())
    products = [many[i % 60] * many[(i * i + 1) % 60] * s + i for i in range(terms)]
    graph = proof.graph(reduce(lambda total, one: total * s + one, products))
    found = fuse(graph)
    assert same(graph, found)
    pieces = [v for v in remove_dead(found).vertices if isinstance(v.operation, op.Fused)]
    assert len(pieces) > 1
    for vertex in pieces:
        assert isinstance(vertex.operation, op.Fused)
        assert len(vertex.operands) <= OPERANDS
        assert vertex.operation.outputs <= REGISTERS
        assert len(vertex.operation.expr) <= MAX_TEXT
        assert len(parse(vertex.operation.expr, BN254.r).nodes) <= 2 * NODES
    outputs = sum(len(vertex.types) for vertex in pieces)
    assert outputs <= 2 * len(pieces)


def test_powers_are_written_short() -> None:
    proof = Proof("bn254")
    s = proof.input("s", Scalar())
    graph = proof.graph((s ** (1 << 12), (s ** (1 << 40)) ** (1 << 40)))
    found = fuse(graph)
    (expr,) = expressions(found)
    assert "x0^4096" in expr
    assert same(graph, found)


# -- texts ---------------------------------------------------------------------------------------


@given(st.data())
def test_texts_are_read_as_what_they_were_written_from(data: st.DataObject) -> None:
    builder = Builder(BN254.r)
    nodes = [builder.input(i) for i in range(3)]
    numbers = st.sampled_from([2, 3, 65535, 65536, BN254.r - 1])
    for _ in range(data.draw(st.integers(1, 20))):
        a, b = (data.draw(st.sampled_from(nodes)) for _ in range(2))
        kind = data.draw(st.sampled_from(["+", "-", "*", "negate", "number", "square"]))
        if kind == "negate":
            nodes.append(builder.negate(a))
        elif kind == "number":
            nodes.append(builder.constant(data.draw(numbers)))
        elif kind == "square":
            nodes.append(builder.binary("*", a, a))
        else:
            nodes.append(builder.binary(kind, a, b))
    outputs = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=4))
    graph = builder.graph(outputs)
    again = parse(write(graph), BN254.r)
    inputs = data.draw(st.lists(st.integers(0, BN254.r - 1), min_size=3, max_size=3))
    assert again.evaluate(inputs) == graph.evaluate(inputs)
    assert again.multiplications == graph.multiplications


# -- kernels -------------------------------------------------------------------------------------


def test_expressions_that_differ_in_numbers_are_one() -> None:
    proof = Proof("bn254")
    made = []
    for i, name in enumerate("abc"):
        a = proof.input(name, Lagrange(8, 3 + i))
        made.append(a**3 * (1 << 70) + (1 << 20) * (i + 1))
    graph = fuse(proof.graph(tuple(made)))
    found = share_kernels(graph)
    assert same(graph, found)
    assert len(set(expressions(graph))) == 3
    assert len(set(expressions(found))) == 1
    (shared,) = set(expressions(found))
    assert hex(1 << 70) in shared  # the number that all of them have stays


def test_one_expression_keeps_its_numbers() -> None:
    proof = Proof("bn254")
    a, b = columns(proof, "ab")
    graph = fuse(proof.graph((a * (1 << 70) + 1).to_coefficients()))
    assert share_kernels(graph) == graph
    scalars = fuse(proof.graph((proof.input("s", Scalar()) * (1 << 70), b[0] * (1 << 71))))
    assert share_kernels(scalars) == scalars
