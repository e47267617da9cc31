"""Multi-scalar multiplication against multiples of the generator, and against arkworks.

Bases are known multiples k_i G, so that the sum of s_i k_i G is one multiplication of the oracle.
"""

import random
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import py_arkworks_bls12381 as arkworks
import pytest
from group_points import Oracle, Point, Words, each_group, known_points
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar_arrays import each_curve, each_isa, module_for, view

from zkrun.algebra.curves import CURVES
from zkrun.devices.cpu.native_module import ISAS

POWERS = [2**k + d for k in range(9, 13) for d in (-1, 0, 1)]
TABLE = 4096


@pytest.fixture
def threads() -> Iterator[None]:
    """Puts the numbers of threads back after a test that changes them."""
    modules = [module_for(isa) for isa in ISAS]
    before = [module.threads() for module in modules]
    yield
    for module, count in zip(modules, before, strict=True):
        module.set_threads(count)


def multiply(
    module: ModuleType, oracle: Oracle, bases: Words, vectors: Sequence[Words]
) -> list[Point]:
    """The native results, from a context that must hold nothing afterwards."""
    outs = np.full((len(vectors), oracle.words), 7, dtype=np.uint64)
    context = module.Context()
    oracle.native(module).msm(
        context,
        [view(module, outs[j : j + 1]) for j in range(len(vectors))],
        view(module, bases),
        [view(module, vector) for vector in vectors],
    )
    assert context.current == 0
    return oracle.to_points(outs)


def expected(oracle: Oracle, scalars: Sequence[int], logarithms: Sequence[int]) -> Point:
    pairs = zip(scalars, logarithms, strict=False)
    return oracle.multiply_generator(sum(s * k for s, k in pairs) % oracle.r)


def mixed_scalars(oracle: Oracle, count: int, seed: int) -> list[int]:
    """Random ones, and every eighth or so an edge."""
    generator = random.Random(f"scalars {oracle.curve_name} {count} {seed}")
    half = CURVES[oracle.curve_name].lambda_
    edges = [0, 1, 2, oracle.r - 1, oracle.r // 2, oracle.r // 2 + 1, half, half - 1]
    return [
        generator.choice(edges) if generator.random() < 0.12 else generator.randrange(oracle.r)
        for _ in range(count)
    ]


@each_isa
@each_curve
def test_every_small_size(isa: str, curve: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, "g1")
    logarithms, points = known_points(oracle, TABLE)
    logarithms, points = list(logarithms[:300]), list(points[:300])
    for i in range(3, 300, 41):
        logarithms[i], points[i] = 0, None
    bases = oracle.to_words(points)
    for size in range(301):
        scalars = mixed_scalars(oracle, size, 1)
        result = multiply(module, oracle, bases, [oracle.scalar_words(scalars)])
        assert result == [expected(oracle, scalars, logarithms)], size


@each_isa
@each_curve
@pytest.mark.parametrize("size", POWERS)
def test_sizes_around_powers_of_two(isa: str, curve: str, size: int) -> None:
    module, oracle = module_for(isa), Oracle(curve, "g1")
    logarithms, points = known_points(oracle, TABLE)
    bases = oracle.to_words([*points, *points[:1]])
    scalars = mixed_scalars(oracle, size, 2)
    result = multiply(module, oracle, bases, [oracle.scalar_words(scalars)])
    assert result == [expected(oracle, scalars, [*logarithms, logarithms[0]])]


@each_isa
@each_curve
def test_g2(isa: str, curve: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, "g2")
    logarithms, points = known_points(oracle, 256)
    bases = oracle.to_words(points)
    for size in [*range(18), 31, 32, 33, 100, 255, 256]:
        scalars = mixed_scalars(oracle, size, 3)
        result = multiply(module, oracle, bases, [oracle.scalar_words(scalars)])
        assert result == [expected(oracle, scalars, logarithms)], size


@pytest.mark.parametrize(
    ("isa", "curve", "size"),
    [
        ("portable", "bn254", 2**14 + 3),
        ("adx", "bls12_381", 2**14 - 3),
        ("ifma", "bls12_381", 2**16 + 1),
        ("ifma", "bn254", 2**18 + 1),  # more than a piece
        ("ifma", "bn254", 2**20),
    ],
)
def test_large(isa: str, curve: str, size: int) -> None:
    module, oracle = module_for(isa), Oracle(curve, "g1")
    logarithms, points = known_points(oracle, TABLE)
    bases = np.tile(oracle.to_words(points), (size // TABLE + 1, 1))[:size]
    scalars = np.random.default_rng(size).integers(0, 2**64, (size, 4), dtype=np.uint64)
    scalars[:, 3] >>= np.uint64(4)  # below both moduli
    data = scalars.tobytes()
    total = sum(
        int.from_bytes(data[32 * i : 32 * i + 32], "little") * logarithms[i % TABLE]
        for i in range(size)
    )
    total *= pow(2**256, -1, oracle.r)
    assert multiply(module, oracle, bases, [scalars]) == [oracle.multiply_generator(total)]


@each_isa
@each_curve
@pytest.mark.parametrize("size", [1, 7, 8, 9, 100, 1000])
@pytest.mark.parametrize("kind", ["zero", "one", "minus one", "equal", "small", "same low bits"])
def test_skewed_scalars(isa: str, curve: str, size: int, kind: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, "g1")
    logarithms, points = known_points(oracle, TABLE)
    generator = random.Random(f"{kind} {size}")
    scalar = generator.randrange(oracle.r)
    scalars = {
        "zero": [0] * size,
        "one": [1] * size,
        "minus one": [oracle.r - 1] * size,
        "equal": [scalar] * size,
        "small": [generator.randrange(4) for _ in range(size)],
        "same low bits": [generator.randrange(2**100) << 100 | 12345 for _ in range(size)],
    }[kind]
    result = multiply(
        module, oracle, oracle.to_words(points[:size]), [oracle.scalar_words(scalars)]
    )
    assert result == [expected(oracle, scalars, logarithms)]


@each_isa
@each_group
@pytest.mark.parametrize("size", [1, 2, 3, 16, 500])
def test_repeated_and_opposite_points(isa: str, curve: str, group: str, size: int) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    logarithms, points = known_points(oracle, 256)
    k, point = logarithms[0], points[0]
    repeated = oracle.to_words([point] * size)
    for scalars in ([5] * size, [oracle.r - 5] * size, mixed_scalars(oracle, size, 4)):
        result = multiply(module, oracle, repeated, [oracle.scalar_words(scalars)])
        assert result == [expected(oracle, scalars, [k] * size)]
    opposite = oracle.to_words([point, oracle.negative(point)] * size)
    scalar = mixed_scalars(oracle, 9, 5)[-1]
    assert multiply(module, oracle, opposite, [oracle.scalar_words([scalar] * 2 * size)]) == [None]
    infinity = oracle.to_words([None] * size)
    assert multiply(module, oracle, infinity, [oracle.scalar_words([scalar] * size)]) == [None]


def special_bases(oracle: Oracle) -> tuple[list[int], list[Point]]:
    """Points whose sums meet: multiples of each other, images under the endomorphism, infinity."""
    curve = CURVES[oracle.curve_name]
    lambda_ = curve.lambda_
    logarithms = [0, 1, -1, 2, -2, 3, lambda_, -lambda_, lambda_ + 1, 1 - lambda_, 2 * lambda_]
    return logarithms, [oracle.multiply_generator(k) for k in logarithms]


@settings(max_examples=40)
@given(data=st.data())
@pytest.mark.parametrize("isa", ISAS)
@each_group
def test_any_mixture_of_special_cases(isa: str, curve: str, group: str, data: Any) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    logarithms, points = special_bases(oracle)
    r, lambda_ = oracle.r, CURVES[curve].lambda_
    edges = [0, 1, 2, 3, r - 1, r - 2, lambda_, r - lambda_, lambda_ + 1, (r - 1) // 2, 2**127]
    terms = data.draw(
        st.lists(
            st.tuples(
                st.integers(0, len(points) - 1),
                st.sampled_from(edges) | st.integers(0, r - 1),
            ),
            max_size=40,
        )
    )
    scalars = [scalar for _, scalar in terms]
    bases = oracle.to_words([points[i] for i, _ in terms])
    result = multiply(module, oracle, bases, [oracle.scalar_words(scalars)])
    assert result == [expected(oracle, scalars, [logarithms[i] for i, _ in terms])]


@each_isa
@each_group
def test_several_vectors_of_any_length(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    logarithms, points = known_points(oracle, 256)
    vectors = [mixed_scalars(oracle, size, 6) for size in (256, 0, 1, 100, 255, 256)]
    results = multiply(
        module, oracle, oracle.to_words(points), [oracle.scalar_words(v) for v in vectors]
    )
    assert results == [expected(oracle, vector, logarithms) for vector in vectors]
    assert multiply(module, oracle, oracle.to_words(points), []) == []


@each_isa
@each_group
def test_wrapped_views(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    logarithms, points = known_points(oracle, 100)
    scalars = mixed_scalars(oracle, 90, 7)
    bases, words = oracle.to_words(points), oracle.scalar_words(scalars)
    for base_offset, scalar_offset, length in [(0, 80, 30), (99, 0, 90), (37, 89, 90), (70, 60, 1)]:
        out = np.zeros((1, oracle.words), dtype=np.uint64)
        oracle.native(module).msm(
            module.Context(),
            [view(module, out)],
            view(module, bases, base_offset, 100),
            [view(module, words, scalar_offset, length)],
        )
        rolled_scalars = [scalars[(scalar_offset + i) % 90] for i in range(length)]
        rolled_logarithms = [logarithms[(base_offset + i) % 100] for i in range(length)]
        assert oracle.to_points(out) == [expected(oracle, rolled_scalars, rolled_logarithms)]


@pytest.mark.usefixtures("threads")
@each_isa
@each_curve
@pytest.mark.parametrize("count", [1, 2, 7])
def test_numbers_of_threads(isa: str, curve: str, count: int) -> None:
    module, oracle = module_for(isa), Oracle(curve, "g1")
    logarithms, points = known_points(oracle, TABLE)
    bases = oracle.to_words(points)
    module.set_threads(count)
    for size in (1, 50, 700, 4096):
        scalars = mixed_scalars(oracle, size, 8)
        result = multiply(module, oracle, bases, [oracle.scalar_words(scalars)])
        assert result == [expected(oracle, scalars, logarithms)]


@each_isa
def test_arkworks_agrees(isa: str) -> None:
    module, oracle = module_for(isa), Oracle("bls12_381", "g1")
    _, points = known_points(oracle, TABLE)
    for size in (1, 5, 64, 1000):
        scalars = [random.Random(size + i).randrange(oracle.r) for i in range(size)]
        theirs = arkworks.G1Point.multiexp_unchecked(
            [arkworks_point(point) for point in points[:size]],
            [arkworks.Scalar.from_le_bytes(s.to_bytes(32, "little")) for s in scalars],
        )
        ours = multiply(
            module, oracle, oracle.to_words(points[:size]), [oracle.scalar_words(scalars)]
        )
        assert arkworks_point(ours[0]) == theirs


def arkworks_point(point: Point) -> Any:
    assert point is not None
    data = b"".join(coordinate[0].to_bytes(48, "big") for coordinate in point)
    return arkworks.G1Point.from_xy_bytes_be(data)


@each_isa
def test_a_cancelled_context_stops_it(isa: str) -> None:
    module, oracle = module_for(isa), Oracle("bn254", "g1")
    _, points = known_points(oracle, 256)
    context = module.Context()
    context.cancel()
    out = np.full((1, oracle.words), 7, dtype=np.uint64)
    words = oracle.scalar_words([3] * 256)
    with pytest.raises(module.Cancelled):
        oracle.native(module).msm(
            context,
            [view(module, out)],
            view(module, oracle.to_words(points)),
            [view(module, words)],
        )
    assert context.current == 0
    assert (out == 7).all()


@each_isa
def test_scratch_is_counted(isa: str) -> None:
    module, oracle = module_for(isa), Oracle("bn254", "g1")
    _, points = known_points(oracle, 256)
    context = module.Context()
    out = np.zeros((1, oracle.words), dtype=np.uint64)
    words, bases = oracle.scalar_words([3] * 256), oracle.to_words(points)
    oracle.native(module).msm(
        context, [view(module, out)], view(module, bases), [view(module, words)]
    )
    assert context.peak >= 2 * bases.nbytes  # the table alone
    assert context.current == 0
