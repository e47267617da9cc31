"""The interface that proofs are written with: what it writes down, and what it says of mistakes."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import interpret

import zkrun.compiler
from zkrun.compiler import (
    Coefficients,
    GraphError,
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
from zkrun.compiler.type2.types import Poly
from zkrun.errors import InvalidProgram
from zkrun.program.document import Bytes, File, Values

R = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
N = 4


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


@settings(deadline=None)
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


@settings(deadline=None)
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


@settings(deadline=None)
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


@settings(deadline=None)
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


MISTAKES: list[tuple[str, str]] = [
    ("f == g", "values are compared when the program runs"),
    ("f != 0", "values are compared when the program runs"),
    ("z in [x]", "values are compared when the program runs"),
    ("x < z", "field elements have no order"),
    ("1 if x else 2", "a value is known when the program runs"),
    ("x and z", "a value is known when the program runs"),
    ("list(f)", "a value cannot be iterated over"),
    ("list(reversed(f))", "a value cannot be iterated over"),
    ("x in f", "a value cannot be iterated over"),
    ("f * f", "the product of two polynomials in coefficients"),
    ("f + 1", "cannot add a Scalar and a polynomial in coefficients"),
    ("f + g", "cannot add a Poly[4, coefficients] and a Poly[4, lagrange]"),
    ("g * g.to_lagrange(4, coset=3)", "take both to the same coset"),
    ("g + srs", "cannot add a PointArray<g1>[4]"),
    ("g * proof.input('p', Point())", "cannot multiply a Point<g1>"),
    ("x / srs", "cannot multiply a PointArray<g1>[4]"),
    ("x + 1.5", "a value of the proof or an integer, not a float"),
    ("np.ones(2) * f", "a value of the proof or an integer, not a ndarray"),
    ("x + True", "a value of the proof or an integer, not a bool"),
    ("x * R", "a number is not below the modulus"),
    ("x * -R", "a number is not below the modulus"),
    ("x / 0", "division by zero"),
    ("x / (R + 1)", "a number is not below the modulus"),
    ("g / proof.transcript('blake2b')", "cannot multiply a Transcript<blake2b>"),
    ("x ** x", "an exponent is an integer"),
    ("2 ** x", "an exponent is an integer"),
    ("x ** 2**64", "an exponent is between"),
    ("f ** 2", "cannot power a polynomial in coefficients"),
    ("1 / f", "cannot invert a polynomial in coefficients"),
    ("g(x)", "this takes coefficients"),
    ("f(1.5)", "not a float"),
    ("f.rotate(1)", "only values rotate"),
    ("g.rotate(x)", "a rotation is an integer, not Scalar"),
    ("f[4]", "there is no element 4 of 4"),
    ("f[-5]", "there is no element -1 of 4"),
    ("f[1:5]", "[1:5] is no slice of 4 elements"),
    ("f[::2]", "no step"),
    ("f['a']", "a position is an integer, not a str"),
    ("srs[1]", "of bases there are only slices"),
    ("srs[1:9]", "is no slice of 4 elements"),
    ("srs.commit(x)", "s must be a ScalarArray, not Scalar"),
    ("srs.commit_all([])", "msm does not take 1 operands"),
    ("srs[:2].commit(f)", "msm"),
    ("g.blind(3, 2)", "[3:2] is no range of 4 elements"),
    ("g.blind(0, 5)", "[0:5] is no range of 4 elements"),
    ("g.updated(3, g)", "do not lie in 4"),
    ("f.padded(2)", "4 elements do not fit into 2"),
    ("f.to_lagrange(6)", "power of two"),
    ("f.to_lagrange(4, coset=0)", "a coset is between 1 and r − 1"),
    ("f.as_lagrange(R)", "a coset is between 1 and r − 1"),
    ("f.divide_by_linear(f)", "must be a Scalar"),
    ("permute(x, g, 2)", "permute takes two polynomials"),
    ("permute(g, g, 5)", "fewer than the 5 usable ones"),
    ("g.named(3)", "a name is text"),
    ("g.named('\\ud800')", "no valid Unicode"),
    ("proof.input('f', Scalar())", 'a second input is named "f"'),
    ("proof.input('h', Scalar)", "the type of h is Coefficients(n), Lagrange(n)"),
    ("proof.input('h', Transcript('blake2b'))", "the type of h is"),
    ("proof.input(3, Scalar())", "a name is text"),
    ("proof.input('h', Lagrange(4, coset=R))", "a coset is between 1 and r − 1"),
    ("Lagrange(-1)", "is no number of elements"),
    ("Coefficients(2.0)", "a number of elements is an integer, not a float"),
    ("proof.constant('srs', Scalar(), values=1)", 'a second constant is named "srs"'),
    ("proof.constant('c', Scalar())", "either values, data or a file"),
    ("proof.constant('c', Scalar(), values=1, file='a')", "either values, data or a file"),
    ("proof.constant('c', Scalar(), values=R)", "is not below the modulus"),
    ("proof.constant('c', Lagrange(2), values=[1])", "2 elements belong here, not 1"),
    ("proof.constant('c', Scalar(), values=-1)", "is negative"),
    ("proof.constant('c', Scalar(), data=b'')", "has 32 bytes, not 0"),
    ("proof.constant('c', Scalar(), file='../c')", "may not leave the program's folder"),
    ("proof.constant('c', Scalar(), file='c', sha256='0')", "64 hexadecimal digits"),
    ("proof.constant('c', Scalar(), file='c', encoding='raw')", "'montgomery' or 'canonical'"),
    ("proof.fill('zeros', 4, 'lagrange')", "must be 'zero'"),
    ("proof.fill('zero', 4, 'values')", "the form of a polynomial"),
    ("proof.random(4, 'values')", "the form of a polynomial"),
    ("proof.interpolate([1], [])", "there are 1 arguments and 0 values"),
    ("proof.interpolate([f], [f])", "must be a Scalar"),
    ("proof.poly([f])", "must be a Scalar"),
    ("proof.concatenate([f, x])", "only polynomials can be concatenated"),
    ("proof.concatenate([])", "only polynomials can be concatenated"),
    ("proof.transcript('sha')", "blake2b or keccak256"),
    ("proof.call('mystery')", 'there is no function "mystery"'),
    ("proof.call('poly_add', None, [f, f])", "types of the results of poly_add must be stated"),
    ("proof.call('poly_add', None, [f, f], [])", "at least one result"),
    ("proof.call('poly_add', None, [f, f], [Scalar])", "results are types"),
    ("proof.call('ntt', {'coset': 'five'}, [f])", "neither decimal nor 0x text"),
    ("proof.call('ntt', {'coset': 1.5}, [f])", "a parameter is text, a flag"),
    ("proof.call('ntt', {'coset': {}}, [f])", "a parameter is text, a flag"),
    ("proof.call('ntt', {'reverse': True}, [f])", 'unknown key "reverse"'),
    ("proof.graph(())", "a proof gives at least one value"),
    ("proof.graph(None)", "not a NoneType"),
    ("proof.root_of_unity(6)", "a domain has 2^k values"),
    ("proof.root_of_unity(2**29)", "k at most 28"),
    ("Proof('bn256')", "a curve is bn254 or bls12_381"),
    ("x + Proof('bn254').number(1)", "a value of another Proof"),
    ("Proof('bn254').graph(x)", "a value of another Proof"),
    ("g * Proof('bn254').input('g', Lagrange(4))", "a value of another Proof"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[one for one, _ in MISTAKES])
def test_mistakes_are_told_with_their_line(mistake: str, message: str) -> None:
    proof = Proof("bn254")
    scope = {
        **globals(),
        "proof": proof,
        "f": proof.input("f", Coefficients(4)),
        "g": proof.input("g", Lagrange(4)),
        "x": proof.input("x", Scalar()),
        "z": proof.input("z", Scalar()),
        "srs": proof.constant("srs", PointArray(4), file="srs.bin"),
    }
    code = compile("\n\n" + mistake, "/somewhere/plonk.py", "eval")
    with pytest.raises(GraphError, match=re.escape(message)) as caught:
        eval(code, scope)
    assert str(caught.value).startswith("plonk.py:3: ")
    assert isinstance(caught.value, InvalidProgram)


def test_handles_are_keys_of_maps() -> None:
    proof = Proof("bn254")
    a, b = proof.number(1), proof.number(1)
    assert {a: "a", b: "b"}[b] == "b"
    assert repr(a) == "<ScalarValue Scalar>"


def test_every_name_is_there() -> None:
    for name in zkrun.compiler.__all__:
        assert getattr(zkrun.compiler, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Plonk'"):
        zkrun.compiler.Plonk  # noqa: B018  # the look-up is what is tested
