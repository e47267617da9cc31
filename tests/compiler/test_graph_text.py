"""Graphs as text: one line a vertex, names where they are clear, nothing that harms a terminal."""

from dataclasses import replace

from graphs import random_graph
from hypothesis import HealthCheck, given, settings

from zkrun.compiler import Coefficients, Lagrange, PointArray, Proof, Scalar, permute
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, Graph
from zkrun.compiler.type2.text import lines, value_names

EXPECTED = """\
graph "product" over bn254
  %srs: PointArray<g1>[8] = constant "srs"
  %f: Poly[4, coefficients] = input "f"
  %2: Poly[8, coefficients] = concatenate(n=8) %f
  %g: Poly[8, lagrange, coset 0x7] = ntt(coset=7) %2
  %4: Poly[8, lagrange, coset 0x7] = -%g
  %5: Poly[8, lagrange, coset 0x7] = rotate(by=-1) %g
  %6: Poly[8, lagrange, coset 0x7] = %4 - %5
  %7: Poly[8, lagrange, coset 0x7] = 1/%g
  %8: Poly[8, lagrange, coset 0x7] = %6 * %7
  %9: Poly[8, lagrange, coset 0x7] = %8^3
  %10: Scalar = 0x100000000
  %11: Poly[8, lagrange, coset 0x7] = %10 + %9
  %h: Poly[8, lagrange] = %11 as lagrange
  %13#0: Poly[8, lagrange], %13#1: Poly[8, lagrange] = permute(usable=4) %h, %h
  %14: Transcript<blake2b> = transcript(hash=blake2b)
  %15: PointArray<g1>[4] = %srs[0:4]
  %16: Point<g1> = msm %15, %f
  %17: Transcript<blake2b> = write_transcript %14, %16
  %x#0: Transcript<blake2b>, %x#1: Scalar = squeeze_scalar %17
  %19: Scalar = %h[7]
  %20: Poly[2, lagrange] = random(n=2, form=lagrange)
  %21: Poly[8, lagrange] = update(start=1) %13#1, %20
  return (%x#0, (%x#1, %19), %21)"""


def product() -> Graph:
    proof = Proof("bn254", name="product")
    srs = proof.constant("srs", PointArray(8), file="srs.bin")
    f = proof.input("f", Coefficients(4))
    g = f.to_lagrange(8, coset=7).named("g")
    h = (2**32 + ((-g - g.rotate(-1)) / g) ** 3).as_lagrange().named("h")
    _, table = permute(h, h, 4)
    transcript = proof.transcript("blake2b")
    transcript.write(srs[:4].commit(f))
    x = transcript.squeeze("x")
    return proof.graph((transcript, (x, h[-1]), table.blind(1, 3)))


def test_a_graph_reads_as_what_it_computes() -> None:
    graph = product()
    bare = replace(graph, vertices=tuple(replace(one, source=None) for one in graph.vertices))
    assert "\n".join(lines(bare)) == EXPECTED


def test_comments_say_where_from_and_where() -> None:
    builder = Builder("bls12_381")
    x = builder.add(op.Number(0), source="a.py:1", label="x")
    y = builder.add(op.Number(1), source="a.py:2", label="x")
    z = builder.add(op.Fused("y0 = x0*x1\ny1 = 2", 2), [x, y], label="not a word", device="gpu:0")
    assert list(lines(builder.graph((x, (z,))))) == [
        "graph over bls12_381",
        '  %0: Scalar = 0  ; "x", a.py:1',
        '  %1: Scalar = 1  ; "x", a.py:2',
        (
            '  %2#0: Scalar, %2#1: Scalar = fused(expr="y0 = x0*x1\\ny1 = 2", outputs=2) %0, %1'
            '  ; on gpu:0, "not a word"'
        ),
        "  return (%0, (%2#0))",
    ]


def test_names_that_would_harm_a_terminal_are_escaped() -> None:
    proof = Proof("bn254", name="\x1b[2J")
    text = "\n".join(lines(proof.graph(proof.input("\x1b[31m", Scalar()).named("\u202e"))))
    assert "\\x1b[31m" in text
    assert all(character.isprintable() or character == "\n" for character in text)


@settings(suppress_health_check=list(HealthCheck))
@given(graph=random_graph())
def test_every_vertex_has_its_line_and_its_own_name(graph: Graph) -> None:
    text = list(lines(graph))
    assert len(text) == len(graph.vertices) + 2
    names = value_names(graph)
    assert len(set(names)) == len(names)
    for line, name in zip(text[1:-1], names, strict=True):
        assert line.startswith((f"  %{name}: ", f"  %{name}#0: "))


def test_a_form_is_told() -> None:
    proof = Proof("bn254")
    f = proof.input("f", Lagrange(2))
    views = (f.as_coefficients(), f.as_lagrange(3))
    assert [line.partition(" = ")[2].partition("  ;")[0] for line in lines(proof.graph(views))] == [
        *("", 'input "f"', "%f as coefficients", "%f as lagrange on coset 0x3", ""),
    ]
