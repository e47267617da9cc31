"""The oracle itself: against py_ecc, and against values worked out by hand."""

from __future__ import annotations

import hashlib
import random
from contextlib import suppress
from inspect import isclass
from typing import Any

import pytest
from graphs import Case, random_cases, random_graph
from group_law import (
    NotAPoint,
    Transcript,
    compress,
    decompress_g1,
    pairing_product_is_one,
    sum_of_products,
)
from hypothesis import given, settings
from interpreter import UNDEFINED, Fails, document_values, fused, interpret, transform
from py_ecc import optimized_bls12_381, optimized_bn128
from py_ecc.bls.point_compression import compress_G1

from zkrun.algebra.curves import CURVES
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, ConstantEntry, Graph, Value
from zkrun.compiler.type2.types import Poly
from zkrun.program.document import Bytes, Values
from zkrun.program.functions.registry import BUILT_IN
from zkrun.program.types import Point, PointArray, Scalar

MODELS: dict[str, Any] = {"bn254": optimized_bn128, "bls12_381": optimized_bls12_381}
each_curve = pytest.mark.parametrize("curve", list(CURVES))


def multiple(curve: str, group: str, factor: int) -> Any:
    """factor·G, by py_ecc."""
    model = MODELS[curve]
    if factor % CURVES[curve].r == 0:
        return None
    x, y = model.normalize(model.multiply(model.G1 if group == "g1" else model.G2, factor))
    if group == "g1":
        return int(x), int(y)
    return tuple(map(int, x.coeffs)), tuple(map(int, y.coeffs))


@each_curve
@pytest.mark.parametrize("group", ["g1", "g2"])
def test_sums_of_products(curve: str, group: str) -> None:
    r = CURVES[curve].r
    logarithms, scalars = [1, 5, 5, r - 5, 0, 7], [3, r - 1, 2, 0, 9, 1]
    points = [multiple(curve, group, k) for k in logarithms]
    total = sum(k * s for k, s in zip(logarithms, scalars, strict=True))
    assert sum_of_products(curve, group, points, scalars) == multiple(curve, group, total % r)
    assert sum_of_products(curve, group, [points[1], points[3]], [1, 1]) is None
    assert sum_of_products(curve, group, [], []) is None


@each_curve
def test_pairings(curve: str) -> None:
    g1 = [multiple(curve, "g1", k) for k in (1, 6, CURVES[curve].r - 6)]
    g2 = [multiple(curve, "g2", k) for k in (1, 2, 3)]
    assert pairing_product_is_one(curve, [(g1[1], g2[0]), (g1[2], g2[0])])
    assert pairing_product_is_one(curve, [(None, g2[0])])
    assert not pairing_product_is_one(curve, [(g1[1], g2[0]), (g1[2], g2[1])])
    assert not pairing_product_is_one(curve, [(g1[0], g2[0])])


@each_curve
def test_encodings_of_points(curve: str) -> None:
    for factor in (0, 1, 2, 3, CURVES[curve].r - 1):
        point = multiple(curve, "g1", factor)
        encoded = compress(curve, "g1", point)
        assert decompress_g1(curve, encoded) == point
        if curve == "bls12_381":
            model = optimized_bls12_381
            wanted = compress_G1(model.multiply(model.G1, factor)).to_bytes(48, "big")
            assert encoded == wanted
        elif point is not None:
            assert int.from_bytes(encoded, "little") == point[0] | (point[1] & 1) << 255
    for at in range(0, len(encoded), 5):
        broken = bytearray(encoded)
        broken[at] ^= 0x10
        with suppress(NotAPoint):
            assert decompress_g1(curve, bytes(broken)) != point
    with pytest.raises(NotAPoint):
        decompress_g1(curve, b"\xff" * len(encoded))


def test_points_outside_of_the_group_are_none() -> None:
    """x = 4 is on BLS12-381, as about half of all x are, but its order is not r."""
    record = CURVES["bls12_381"]
    y = pow(4**3 + record.b, (record.q + 1) // 4, record.q)
    assert (y * y - 4**3 - record.b) % record.q == 0
    with pytest.raises(NotAPoint):
        decompress_g1("bls12_381", compress("bls12_381", "g1", (4, y)))


def test_challenges() -> None:
    """By hashlib in one line, and that transcripts are values."""
    empty = Transcript("blake2b", "bn254")
    one = empty.absorb_scalars([7], write=True)
    after, challenge = one.absorb_points([None]).squeeze()
    absorbed = b"\x02" + (7).to_bytes(32, "little") + b"\x01" + bytes(64) + b"\0"
    digest = hashlib.blake2b(absorbed, digest_size=64, person=b"Halo2-Transcript").digest()
    assert challenge == int.from_bytes(digest, "little") % CURVES["bn254"].r
    assert after.proof == one.proof == (7).to_bytes(32, "little")
    assert empty.proof == b""
    assert after.squeeze()[1] != challenge


@each_curve
def test_transforms(curve: str) -> None:
    r = CURVES[curve].r
    builder = Builder(curve)
    builder.inputs["a"] = Poly(8, "coefficients")
    a = builder.add(op.Input("a"))
    there = builder.add(op.call("ntt", {"coset": 11}), [a])
    back = builder.add(op.call("ntt", {"coset": 11, "inverse": True}), [there])
    values = [random.Random(curve).randrange(r) for _ in range(8)]
    evaluations, again = interpret(builder.graph((there, back)), {"a": values})
    root = pow({"bn254": 5, "bls12_381": 7}[curve], (r - 1) // 8, r)
    assert root**4 % r == r - 1
    points = [11 * root**i % r for i in range(8)]
    assert evaluations == [sum(v * x**j for j, v in enumerate(values)) % r for x in points]
    assert evaluations == transform(values, root, 11, r)
    assert again == values


def test_expressions() -> None:
    r = CURVES["bn254"].r
    assert fused("y0 = x0*x1 + 3*x2; y1 = -x0^2", [2, 5, 7], r) == [31, r - 4]
    assert fused("t = x0 - 0x10\ny1 = (t + 1)^3\ny0 = t", [17, 9], r) == [1, 8]
    assert fused("y0 = x0^0", [0], r) == [1]


def test_rows_that_permute_leaves_alone() -> None:
    builder = Builder("bn254")
    builder.inputs.update(a=Poly(7, "lagrange"), t=Poly(7, "lagrange"))
    a, t = (builder.add(op.Input(name)) for name in "at")
    first = builder.add(op.call("permute", {"usable": 6}), [a, t])
    graph = builder.graph((first, Value(first.vertex, 1)))
    table = [9, 2, 1, 8, 3, 7, 0]
    found = interpret(graph, {"a": [3, 1, 1, 2, 1, 2, 5], "t": table})
    assert found == ([1, 1, 1, 2, 2, 3, UNDEFINED], [1, 9, 8, 2, 7, 3, UNDEFINED])
    with pytest.raises(Fails):
        interpret(graph, {"a": [3, 1, 1, 2, 1, 0, 5], "t": table})


def test_products_quotients_and_interpolations() -> None:
    r = CURVES["bn254"].r
    builder = Builder("bn254")
    builder.inputs.update(p=Poly(4, "coefficients"), b=Scalar())
    p, b = (builder.add(op.Input(name)) for name in "pb")
    quotient = builder.add(op.call("kate_division"), [p, b])
    products = builder.add(op.call("scan_mul"), [p, b])
    zero = builder.add(op.Number(0))
    line = builder.add(op.call("interpolate"), [zero, b, b, zero])
    # X³ + 2 = (X² + 5X + 25)·(X − 5) + 127
    found = interpret(builder.graph((quotient, products, line)), {"p": [2, 0, 0, 1], "b": 5})
    assert found == ([25, 5, 1, 0], [5, 10, 0, 0], [5, r - 1, 0, 0][:2])


def test_blinding_is_drawn_in_order() -> None:
    builder = Builder("bn254")
    one = builder.add(op.Random(2, "lagrange"))
    other = builder.add(op.Random(1, "lagrange"))
    zeros = builder.add(op.call("fill", {"value": "zero"}, [Poly(4, "lagrange")]))
    blinded = builder.add(op.Update(1), [zeros, one])
    graph = builder.graph((builder.add(op.Rotate(1), [blinded]), other))
    assert interpret(graph, drawn=[5, 6, 7]) == ([5, 6, 0, 0], [7])


@each_curve
def test_constants_of_any_form(curve: str) -> None:
    record = CURVES[curve]
    size = record.base.bytes
    points = [multiple(curve, "g2", 3), None]
    flat = [c for coordinate in points[0] for c in coordinate] + [0] * 4
    image = b"".join(c.to_bytes(size, "little") for c in flat)
    radix = 1 << 8 * size
    montgomery = b"".join((c * radix % record.q).to_bytes(size, "little") for c in flat)
    builder = Builder(curve)
    written = [[[hex(c) for c in part] for part in points[0]], None]
    typ = PointArray(2, "g2")
    builder.constants.update(
        a=ConstantEntry(typ, Values(written)),
        b=ConstantEntry(typ, Bytes(image, "canonical")),
        c=ConstantEntry(typ, Bytes(montgomery, "montgomery")),
        d=ConstantEntry(Point(), Values([hex(c) for c in record.g1])),
        e=ConstantEntry(Poly(2, "lagrange"), Values([1, "0x10"])),
    )
    graph = builder.graph(tuple(builder.add(op.Constant(name)) for name in "abcde"))
    found = interpret(graph)
    assert found == (points, points, points, record.g1, [1, 16])
    assert document_values(found[3:]) == [[hex(c) for c in record.g1], ["0x1", "0x10"]]


@settings(max_examples=60)
@given(random_cases())
def test_random_graphs_can_be_run(case: Case) -> None:
    values = interpret(case.graph, case.inputs, case.drawn)
    assert UNDEFINED not in flattened(values, case.graph)


def flattened(values: Any, graph: Graph) -> list[int]:
    """All scalars of a result."""
    found: list[int] = []

    def visit(result: Any, value: Any) -> None:
        if not isinstance(result, Value):
            for one, part in zip(result, value, strict=True):
                visit(one, part)
        elif isinstance(graph.type(result), Poly):
            found.extend(value)

    visit(graph.result, values)
    return found


def test_random_graphs_have_every_operation() -> None:
    seen: set[str] = set()

    @settings(max_examples=400, database=None, derandomize=True)
    @given(random_graph(most=40))
    def look(graph: Graph) -> None:
        for vertex in graph.vertices:
            operation = vertex.operation
            seen.add(operation.function if isinstance(operation, op.Call) else operation.name)

    look()
    everything = {getattr(op, name).name for name in op.__all__ if isclass(getattr(op, name))}
    functions = set(BUILT_IN) - {"fused_arith"}
    assert seen == (everything | functions) - {"", "call"}
