"""The interface that proofs are written with: what it writes down, and what it says of mistakes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interpreter import interpret

import zkrun.compiler
from zkrun.compiler import (
    Coefficients,
    Lagrange,
    Point,
    PointArray,
    Polynomial,
    Proof,
    Scalar,
    ScalarValue,
    Transcript,
    permute,
)
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.codec import decode, encode
from zkrun.compiler.type2.types import Form, Poly
from zkrun.program.document import Bytes, File, Values

R = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
N = 4
FORMS: tuple[Form, Form] = ("coefficients", "lagrange")


def small(value: int) -> int:
    return value % R


NUMBERS = st.sampled_from([0, 1, 2, R - 1]) | st.integers(0, R - 1)
COLUMNS = st.lists(NUMBERS, min_size=N, max_size=N)


def scalars(values: list[int], build: Callable[..., Any]) -> Any:
    """What `build` computes of these inputs, by the oracle."""
    proof = Proof("bn254")
    names = [f"x{i}" for i in range(len(values))]
    handles = [proof.input(name, Scalar()) for name in names]
    return interpret(proof.graph(build(*handles)), dict(zip(names, values, strict=True)))


@given(a=NUMBERS, b=NUMBERS, k=st.integers(-R + 1, R - 1))
def test_scalars_and_numbers_on_both_sides(a: int, b: int, k: int) -> None:
    found = scalars(
        [a, b],
        lambda x, y: (
            *(x + y, x - y, x * y, -x, +x),
            *(x + k, k + x, x - k, k - x, x * k, k * x),
            *(x**3, x**0, sum([x, y, x]), x + np.int64(7), np.int64(7) - x),
        ),
    )
    exact = (
        *(a + b, a - b, a * b, -a, a),
        *(a + k, k + a, a - k, k - a, a * k, k * a),
        *(a**3, 1, a + b + a, a + 7, 7 - a),
    )
    assert found == tuple(map(small, exact))


@given(a=NUMBERS, b=NUMBERS.filter(bool), k=st.integers(1, R - 1))
def test_division_of_scalars(a: int, b: int, k: int) -> None:
    found = scalars([a, b], lambda x, y: (x / y, x / k, k / y, y.inverse(), y**-2, x / -k))
    inverse = pow(b, -1, R)
    whole = (a * inverse, a * pow(k, -1, R), k * inverse, inverse, inverse**2, -a * pow(k, -1, R))
    assert found == tuple(map(small, whole))


@given(a=COLUMNS, b=COLUMNS, s=NUMBERS, k=st.integers(0, R - 1))
def test_values_of_polynomials_scalars_and_numbers(
    a: list[int], b: list[int], s: int, k: int
) -> None:
    proof = Proof("bn254")
    x, y = proof.input("a", Lagrange(N)), proof.input("b", Lagrange(N))
    z = proof.input("s", Scalar())
    handles = (
        *(x + y, x - y, x * y, -x, x**3),
        *(x + z, z + x, x - z, z - x, x * z, z * x),
        *(x + k, k + x, x - k, k - x, x * k, k * x),
        *(x / y, z / y, k / y, y.inverse(), y**-1, sum([x, y]), 0 - x, x - 0),
    )
    assert all(isinstance(handle, Polynomial) for handle in handles)
    found = interpret(proof.graph(handles), {"a": a, "b": b, "s": s})

    def each(one: Callable[[int, int], int]) -> list[int]:
        return [one(p, q) % R for p, q in zip(a, b, strict=True)]

    def over(value: int) -> int:  # of values, 1/0 is 0
        return pow(value, -1, R) if value else 0

    assert found == (
        *(each(lambda p, q: p + q), each(lambda p, q: p - q), each(lambda p, q: p * q)),
        *(each(lambda p, q: -p), each(lambda p, q: p**3)),
        *(each(lambda p, q: p + s), each(lambda p, q: s + p), each(lambda p, q: p - s)),
        *(each(lambda p, q: s - p), each(lambda p, q: p * s), each(lambda p, q: s * p)),
        *(each(lambda p, q: p + k), each(lambda p, q: k + p), each(lambda p, q: p - k)),
        *(each(lambda p, q: k - p), each(lambda p, q: p * k), each(lambda p, q: k * p)),
        *(each(lambda p, q: p * over(q)), each(lambda p, q: s * over(q))),
        *(each(lambda p, q: k * over(q)), each(lambda p, q: over(q)), each(lambda p, q: over(q))),
        *(each(lambda p, q: p + q), each(lambda p, q: -p), each(lambda p, q: p)),
    )


@given(a=COLUMNS, b=st.lists(NUMBERS, min_size=2, max_size=2), z=NUMBERS)
def test_coefficients(a: list[int], b: list[int], z: int) -> None:
    proof = Proof("bn254")
    f, g = proof.input("a", Coefficients(N)), proof.input("b", Coefficients(2))
    x = proof.input("z", Scalar())
    quotient = f.divide_by_linear(x)
    product = (f.to_lagrange(8) * g.to_lagrange(n=8)).to_coefficients()
    handles = (f + g, f - g, g - f, f * x, 3 * f, f(x), f(2), quotient, product, f[1:3], f[-1])
    assert isinstance(handles[-1], ScalarValue)
    found = interpret(proof.graph(handles), {"a": a, "b": b, "z": z})
    long = [*b, 0, 0]

    def at(p: list[int], point: int) -> int:
        return sum(c * point**i for i, c in enumerate(p)) % R

    def times(p: list[int], q: list[int], n: int) -> list[int]:
        out = [0] * n
        for i, c in enumerate(p):
            for j, d in enumerate(q):
                out[i + j] = (out[i + j] + c * d) % R
        return out

    assert found[0] == [(p + q) % R for p, q in zip(a, long, strict=True)]
    assert found[1] == [(p - q) % R for p, q in zip(a, long, strict=True)]
    assert found[2] == [(q - p) % R for p, q in zip(a, long, strict=True)]
    assert found[3:7] == ([p * z % R for p in a], [3 * p % R for p in a], at(a, z), at(a, 2))
    back = times(found[7][: N - 1], [-z % R, 1], N)
    back[0] = (back[0] + at(a, z)) % R
    assert back == a
    assert found[8] == times(a, b, 8)
    assert found[9:] == (a[1:3], a[-1])


@given(a=COLUMNS)
def test_forms_and_cosets(a: list[int]) -> None:
    proof = Proof("bn254")
    f = proof.input("a", Coefficients(N))
    wide = f.to_lagrange(8, coset=2**70)
    assert wide.typ == Poly(8, "lagrange", 2**70)
    again = wide.to_lagrange(8)
    rotated = wide.rotate(3)
    found = interpret(
        proof.graph((wide, wide.to_coefficients(), again, rotated, f.padded(6))), {"a": a}
    )
    omega = proof.root_of_unity(8)
    assert pow(omega, 8, R) == 1
    assert pow(omega, 4, R) == R - 1

    def on(coset: int) -> list[int]:
        points = (coset * pow(omega, i, R) % R for i in range(8))
        return [sum(c * x**i for i, c in enumerate(a)) % R for x in points]

    values = on(2**70)
    assert found[:3] == (values, [*a, 0, 0, 0, 0], on(1))
    assert found[3:] == ([*values[3:], *values[:3]], [*a, 0, 0])


def test_what_needs_no_vertex_adds_none() -> None:
    proof = Proof("bn254")
    f = proof.input("f", Coefficients(N))
    assert f.to_coefficients() is f
    assert f.as_coefficients() is f
    assert f.padded(N) is f
    assert 0 + f is f
    g = f.to_lagrange()
    assert g.to_lagrange(N) is g
    assert len(proof.graph(g).vertices) == 2


@given(a=COLUMNS, noise=st.lists(NUMBERS, min_size=2, max_size=2), z=NUMBERS.filter(bool))
def test_columns(a: list[int], noise: list[int], z: int) -> None:
    proof = Proof("bn254")
    column = proof.input("a", Lagrange(N))
    start = proof.input("z", Scalar())
    ones = proof.fill("one_lagrange", 2, "lagrange")
    first, second = permute(column, column, N)
    handles = (
        column.blind(1, 3),
        column.blind(-1, N - 1),
        column.updated(2, ones),
        column.running_product(start),
        column.distribute_powers(proof.poly([start, 1])),
        (first, second),
        proof.concatenate([column, ones], 8),
        proof.concatenate([ones, ones]),
        proof.interpolate([1, start + 1], [start, 5]),
    )
    found = interpret(proof.graph(handles), {"a": a, "z": z}, noise)
    products = [z]
    for value in a[:-1]:
        products.append(products[-1] * value % R)
    assert found[0] == [a[0], *noise, a[3]]
    assert found[1] == a
    assert found[2] == [a[0], a[1], 1, 1]
    assert found[3] == products
    assert found[4] == [a[0] * z % R, a[1], a[2] * z % R, a[3]]
    assert found[5][0] == sorted(a)
    assert found[6:8] == ([*a, 1, 1, 0, 0], [1] * 4)
    assert [sum(c * x**i for i, c in enumerate(found[8])) % R for x in (1, z + 1)] == [z, 5]


def test_transcripts_go_on_from_where_they_are() -> None:
    proof = Proof("bn254", name="talk")
    srs = proof.constant("srs", PointArray(2), values=[(1, 2), None])
    f, g = proof.poly([1, 2]), proof.poly([3])
    transcript = proof.transcript("blake2b")
    transcript.absorb(5)
    before = proof.graph(transcript)
    for point in srs.commit_all([f, g]):
        transcript.write(point)
    x = transcript.squeeze("x")
    y = transcript.squeeze()
    graph = proof.graph((transcript, x, [y, x]))
    assert graph.name == "talk"
    calls = [v.operation.function for v in graph.vertices if isinstance(v.operation, op.Call)]
    assert calls.count("msm") == 1
    assert calls[-4:] == ["write_transcript"] * 2 + ["squeeze_scalar"] * 2
    assert graph.type(before.result) == Transcript("blake2b")  # type: ignore[arg-type]  # one value
    found = interpret(graph)
    assert found[1] == found[2][1] != found[2][0]
    assert len(found[0].proof) == 64
    last = [v for v in graph.vertices if v.label == "x"]
    assert [v.types for v in last] == [(Transcript("blake2b"), Scalar())]


def test_data_of_constants(tmp_path: Path) -> None:
    (tmp_path / "srs.bin").write_bytes(bytes(200))
    proof = Proof("bn254", folder=str(tmp_path))
    proof.constant("f", Lagrange(2), values=[2**70, "0x7"])
    proof.constant("b", Scalar(), data=bytearray(32))
    proof.constant("p", Point(), values=(1, 2))
    proof.constant("s", PointArray(3), file="srs.bin", encoding="canonical", offset=8)
    graph = proof.graph(proof.number(-1))
    assert graph.folder == tmp_path
    assert {name: (entry.typ, entry.data) for name, entry in graph.constants.items()} == {
        "f": (Poly(2, "lagrange"), Values([hex(2**70), "0x7"])),
        "b": (Scalar(), Bytes(bytes(32), "montgomery")),
        "p": (Point(), Values([1, 2])),
        "s": (PointArray(3), File("srs.bin", 192, "canonical", offset=8)),
    }
    assert interpret(graph) == R - 1


def test_functions_of_any_name() -> None:
    proof = Proof("bn254")
    f = proof.input("f", Lagrange(4))
    (a, b) = proof.call("permute", {"usable": 3}, [f, f])
    scaled = proof.call("poly_scale", None, [f, 2**64], [f.typ])
    powered = proof.call("ntt", {"inverse": True, "root": R - proof.root_of_unity(4)}, [f])
    graph = proof.graph((a, b, scaled, powered))
    assert [graph.type(value) for value in graph.results()] == [*[f.typ] * 3, Coefficients(4)]
    assert isinstance(dict(graph.vertices[-1].operation.params)["root"], str)  # type: ignore[attr-defined]  # a call


def test_each_vertex_knows_its_line_and_its_name() -> None:
    proof = Proof("bn254")
    a = proof.input("a", Scalar())
    line = sys._getframe().f_lineno + 1
    b = (a + 1).named("b")
    graph = proof.graph(b)
    assert [vertex.label for vertex in graph.vertices] == ["a", None, "b"]
    assert [vertex.source for vertex in graph.vertices[1:]] == [f"test_author.py:{line}"] * 2


def test_a_graph_does_not_change_when_its_proof_goes_on() -> None:
    proof = Proof("bn254")
    graph = proof.graph(proof.input("a", Scalar()))
    proof.constant("c", Scalar(), values=1)
    proof.input("b", Scalar())
    assert (list(graph.inputs), list(graph.constants), len(graph.vertices)) == (["a"], [], 1)


def test_handles_are_keys_of_maps() -> None:
    proof = Proof("bn254")
    a, b = proof.number(1), proof.number(1)
    assert {a: "a", b: "b"}[b] == "b"


def test_handles_show_their_name_and_type() -> None:
    proof = Proof("bn254")
    f = proof.input("f", Coefficients(4))
    assert repr(proof.number(1)) == "<ScalarValue Scalar>"
    assert str(f) == '<Polynomial "f": Poly[4, coefficients]>'
    assert repr(proof.transcript("blake2b").squeeze("z\x1b")) == r'<ScalarValue "z\x1b"#1: Scalar>'
    assert (len(f), len(f[1:]), len(proof.input("b", PointArray(3, "g2"))[:2])) == (4, 3, 2)


def test_blinding_to_the_end_needs_no_end() -> None:
    proof = Proof("bn254")
    f = proof.input("f", Lagrange(4))
    graph = proof.graph((f.blind(-2), f.blind(1)))
    assert interpret(graph, {"f": [1, 2, 3, 4]}, [5, 6, 7, 8, 9]) == ([1, 2, 5, 6], [1, 7, 8, 9])


def test_the_numbers_0_and_1_fill_in_any_form() -> None:
    proof = Proof("bn254")
    filled = [proof.fill(value, 3, form) for value in (0, 1) for form in FORMS]
    named = [proof.fill(value, 3, "lagrange") for value in ("zero", "one_lagrange", "one_coef")]
    assert [f.form for f in filled] == [*FORMS, *FORMS]
    found = interpret(proof.graph((filled, named)))
    assert found == (([0] * 3, [0] * 3, [1, 0, 0], [1] * 3), ([0] * 3, [1] * 3, [1, 0, 0]))


def test_what_is_gone_through_once_is_taken_whole() -> None:
    proof = Proof("bn254")
    x = proof.input("x", Scalar())
    f = proof.poly(x * i for i in range(3))  # type: ignore[arg-type]  # more than is promised
    g = proof.concatenate(one for one in (f, f))  # type: ignore[arg-type]  # as above
    assert interpret(proof.graph(g), {"x": 2}) == [0, 2, 4] * 2


def test_rotations_of_more_than_all_elements_can_be_saved() -> None:
    proof = Proof("bn254")
    f, empty = proof.input("f", Lagrange(4)), proof.input("e", Lagrange(0))
    graph = proof.graph((f.rotate(2**70 + 1), f.rotate(-9), empty.rotate(2**70)))
    again = decode(encode(graph, "msgpack"))
    assert interpret(again, {"f": [1, 2, 3, 4], "e": []}) == ([2, 3, 4, 1], [4, 1, 2, 3], [])


def test_every_name_is_there() -> None:
    for name in zkrun.compiler.__all__:
        assert getattr(zkrun.compiler, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Plonk'"):
        zkrun.compiler.Plonk  # noqa: B018  # the look-up is what is tested
    assert dir(zkrun.compiler) == sorted(zkrun.compiler.__all__)
