"""Multi-scalar multiplication on the GPU against multiples of the generator.

Bases are known multiples k_i G, so that the sum of s_i k_i G is one multiplication of the oracle.
"""

import functools
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gpu_oracle import GROUPS, Oracle, Point, Words, cupy, each_group
from gpu_values import bound, opened

from zkrun.algebra.curves import CURVES
from zkrun.devices.base import Data, Device
from zkrun.devices.cuda.functions import kept, msm
from zkrun.devices.cuda.functions.kept import NO_POINT
from zkrun.devices.cuda.kernels.compile import load
from zkrun.devices.cuda.kernels.field_units import group_unit
from zkrun.devices.cuda.plans.msm import choose_window_bits, multiples_bytes
from zkrun.program.types import Point as PointOf
from zkrun.program.types import PointArray, ScalarArray, Typ, length

pytestmark = pytest.mark.gpu

Array = Any  # cupy.ndarray


def oracle_for(curve_name: str, group: str) -> Oracle:
    return Oracle(CURVES[curve_name], group)


@functools.cache
def generator_multiples(curve_name: str, group: str, count: int) -> Array:
    """G, 2 G, 3 G, ..., by double-and-add on the GPU; test_multiples checks these."""
    oracle = oracle_for(curve_name, group)
    points = cupy.empty((count, oracle.words), dtype=np.uint64)
    base = cupy.asarray(oracle.point_words([oracle.generator]))
    kernel = load(group_unit(oracle.curve, group))["multiples"]
    kernel((-(-count // 128),), (128,), (points, base, np.uint64(1), np.uint64(count)))
    return points


@dataclass(frozen=True)
class View:
    address: int
    whole: int
    offset: int
    length: int


def whole(array: Array, offset: int = 0, length: int | None = None) -> View:
    count = len(array)
    return View(array.data.ptr, count, offset, count if length is None else length)


def multiply(
    oracle: Oracle,
    bases: View,
    vectors: Sequence[View],
    window_bits: int | None = None,
    multiples: int = 0,
) -> list[Point]:
    """The results, with scratch memory full of ones before, and fences of ones around results."""
    points = max((vector.length for vector in vectors), default=0)
    multiprocessors = cupy.cuda.Device().attributes["MultiProcessorCount"]
    size = msm.scratch_bytes(
        *(oracle.curve, oracle.group, points, len(vectors)),
        *(multiprocessors, window_bits, bool(multiples)),
    )
    scratch = cupy.full(size + 16, 0xFF, dtype=np.uint8)
    outs = cupy.full((len(vectors) + 2, oracle.words), np.iinfo(np.uint64).max, dtype=np.uint64)
    stream = cupy.cuda.get_current_stream().ptr
    msm.multiply(
        oracle.curve,
        oracle.group,
        [outs[j + 1].data.ptr for j in range(len(vectors))],
        bases,
        vectors,
        scratch.data.ptr,
        stream,
        window_bits,
        multiples,
    )
    host = cupy.asnumpy(outs)
    assert (host[[0, -1]] == np.iinfo(np.uint64).max).all()
    assert (cupy.asnumpy(scratch[size:]) == 0xFF).all(), "more scratch was used than announced"
    return oracle.to_points(host[1:-1])


def expected(oracle: Oracle, scalars: Sequence[int], logarithms: Sequence[int]) -> Point:
    return oracle.multiply_generator(sum(s * k for s, k in zip(scalars, logarithms, strict=False)))


def on_gpu(words: Words) -> Array:
    return cupy.asarray(words)


def mixed_scalars(oracle: Oracle, count: int, seed: str) -> list[int]:
    """Random ones, and every eighth or so an edge."""
    generator = random.Random(f"{oracle.curve.name} {seed} {count}")
    r, half = oracle.curve.r, oracle.curve.lambda_
    edges = [0, 1, 2, r - 1, r - 2, r // 2, r // 2 + 1, half, half - 1, half + 1, 1 << 127]
    return [
        generator.choice(edges) if generator.random() < 0.12 else generator.randrange(r)
        for _ in range(count)
    ]


def mixed_points(oracle: Oracle, count: int) -> tuple[list[int], Array]:
    """Logarithms and points: repeats, opposite points and infinity among them."""
    generator = random.Random(f"points {oracle.curve.name} {count}")
    logarithms: list[int] = []
    for i in range(count):
        choice = generator.random()
        if choice < 0.1:
            logarithms.append(0)
        elif choice < 0.3 and i > 0:
            logarithms.append(generator.choice([1, -1]) * generator.choice(logarithms))
        else:
            logarithms.append(generator.choice([1, -1]) * generator.randrange(1, 1000))
    table = cupy.asnumpy(generator_multiples(oracle.curve.name, oracle.group, 1000))
    known = oracle.to_points(table)
    points = [
        None if k == 0 else known[k - 1] if k > 0 else oracle.negative(known[-k - 1])
        for k in logarithms
    ]
    return logarithms, on_gpu(oracle.point_words(points))


@each_group
def test_multiples(curve_name: str, group: str) -> None:
    oracle = oracle_for(curve_name, group)
    points = oracle.to_points(cupy.asnumpy(generator_multiples(curve_name, group, 1000)))
    multiple: Point = None
    for point in points:
        multiple = oracle.add(multiple, oracle.generator)
        assert point == multiple


@each_group
def test_small_sizes(curve_name: str, group: str) -> None:
    oracle = oracle_for(curve_name, group)
    logarithms, bases = mixed_points(oracle, 70)
    sizes = range(71) if group == "g1" else (0, 1, 2, 3, 7, 31, 32, 33, 64, 70)
    for size in sizes:
        scalars = mixed_scalars(oracle, size, "small")
        vector = on_gpu(oracle.scalar_words(scalars)) if size else cupy.empty((0, 4), np.uint64)
        result = multiply(oracle, whole(bases), [whole(vector)])
        assert result == [expected(oracle, scalars, logarithms)], size


@each_group
@pytest.mark.parametrize("log", [8, 10, 12])
def test_around_powers_of_two(curve_name: str, group: str, log: int) -> None:
    oracle = oracle_for(curve_name, group)
    for size in (2**log - 1, 2**log, 2**log + 1):
        logarithms, bases = mixed_points(oracle, size)
        scalars = mixed_scalars(oracle, size, "powers")
        vector = on_gpu(oracle.scalar_words(scalars))
        result = multiply(oracle, whole(bases), [whole(vector)])
        assert result == [expected(oracle, scalars, logarithms)], size


@each_group
@pytest.mark.parametrize("window_bits", [4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16, 18, 19, 20])
def test_every_width_of_windows(curve_name: str, group: str, window_bits: int) -> None:
    oracle = oracle_for(curve_name, group)
    logarithms, bases = mixed_points(oracle, 3000)
    scalars = mixed_scalars(oracle, 3000, "widths")
    vector = on_gpu(oracle.scalar_words(scalars))
    result = multiply(oracle, whole(bases), [whole(vector)], window_bits)
    assert result == [expected(oracle, scalars, logarithms)]


def scalar_distributions(oracle: Oracle, count: int) -> dict[str, list[int]]:
    generator = random.Random("distributions")
    r = oracle.curve.r
    one = generator.randrange(r)
    return {
        "zero": [0] * count,
        "one": [1] * count,
        "minus one": [r - 1] * count,
        "equal": [one] * count,
        "opposite": [one if i % 2 else r - one for i in range(count)],
        "bits": [generator.getrandbits(1) for _ in range(count)],
        "bytes": [generator.getrandbits(8) for _ in range(count)],
        "words": [generator.getrandbits(64) for _ in range(count)],
        "multiples of lambda": [
            generator.getrandbits(20) * oracle.curve.lambda_ % r for _ in range(count)
        ],
        "powers of two": [1 << generator.randrange(250) for _ in range(count)],
        "few": [generator.choice([3, 5, r - 7]) for _ in range(count)],
        "all but one zero": [0] * (count - 1) + [one],
    }


@each_group
@pytest.mark.parametrize("equal_points", [False, True])
def test_skewed_scalars(curve_name: str, group: str, equal_points: bool) -> None:
    oracle = oracle_for(curve_name, group)
    count = 20000 if group == "g1" else 3000
    if equal_points:
        points = cupy.ascontiguousarray(
            cupy.repeat(generator_multiples(curve_name, group, 1000)[6:7], count, axis=0)
        )
        logarithms = [7] * count
    else:
        logarithms, points = mixed_points(oracle, count)
    for name, scalars in scalar_distributions(oracle, count).items():
        vector = on_gpu(oracle.scalar_words(scalars))
        result = multiply(oracle, whole(points), [whole(vector)])
        assert result == [expected(oracle, scalars, logarithms)], name


@each_group
def test_several_vectors_of_several_lengths(curve_name: str, group: str) -> None:
    oracle = oracle_for(curve_name, group)
    logarithms, bases = mixed_points(oracle, 700)
    lengths = [700, 0, 1, 699, 350, 64, 700, 2, 513, 700, 100]
    chosen = [mixed_scalars(oracle, length, f"vector {j}") for j, length in enumerate(lengths)]
    arrays = [
        on_gpu(oracle.scalar_words(s)) if s else cupy.empty((0, 4), np.uint64) for s in chosen
    ]
    results = multiply(oracle, whole(bases), [whole(array) for array in arrays])
    assert results == [expected(oracle, s, logarithms) for s in chosen]
    assert multiply(oracle, whole(bases), []) == []


@each_group
def test_wrapped_views(curve_name: str, group: str) -> None:
    oracle = oracle_for(curve_name, group)
    logarithms, bases = mixed_points(oracle, 500)
    scalars = mixed_scalars(oracle, 400, "wrapped")
    vector = on_gpu(oracle.scalar_words(scalars))
    result = multiply(oracle, whole(bases, 123, 490), [whole(vector, 399, 390)])
    rotated_scalars = [scalars[(399 + i) % 400] for i in range(390)]
    rotated_logarithms = [logarithms[(123 + i) % 500] for i in range(490)]
    assert result == [expected(oracle, rotated_scalars, rotated_logarithms)]


@pytest.mark.parametrize(("curve_name", "group"), GROUPS)
@pytest.mark.parametrize("log", [14, 16, 20])
def test_large_sizes_ten_times(curve_name: str, group: str, log: int) -> None:
    """Random scalars over distinct points, one wrong addition of which would show."""
    if group == "g2" and log > 16:
        log = 17
    oracle = oracle_for(curve_name, group)
    count = (1 << log) + (3 if log < 20 else 0)
    bases = generator_multiples(curve_name, group, count)
    forms = random_forms(oracle, count)
    vector = on_gpu(forms)
    results = [multiply(oracle, whole(bases), [whole(vector)])[0] for _ in range(10)]
    inverse = pow(oracle.curve.scalar.montgomery_radix, -1, oracle.curve.r)
    weighted = weighted_sum(forms) * inverse
    assert results == [oracle.multiply_generator(weighted)] * 10


def random_forms(oracle: Oracle, count: int) -> Words:
    """Montgomery forms below r."""
    generator = np.random.default_rng(count)
    words = generator.integers(0, 1 << 64, size=(count, 4), dtype=np.uint64)
    words[:, 3] %= np.uint64(oracle.curve.r >> 192)
    return words


def weighted_sum(forms: Words) -> int:
    """The sum of (i + 1) forms[i], by 16-bit pieces: exact for up to 2^20 of them."""
    pieces = forms.view(np.uint16).reshape(len(forms), 16)
    weights = np.arange(1, len(forms) + 1, dtype=np.uint64)
    return sum(int((pieces[:, j].astype(np.uint64) * weights).sum()) << (16 * j) for j in range(16))


def test_the_function_again_and_elsewhere() -> None:
    """What it prepared for some operands is used neither for others nor for their old values."""
    oracle = oracle_for("bn254", "g1")
    logarithms, points = mixed_points(oracle, 300)
    with opened("gpu:0") as devices:
        gpu = devices["gpu:0"]
        typ = PointArray(len=300, group="g1")
        bases, vectors = _data(gpu, typ, 64), [_data(gpu, ScalarArray(300), 32) for _ in range(2)]
        sums = [_data(gpu, PointOf("g1"), 64) for _ in range(2)]
        gpu.write(bases, cupy.asnumpy(points).tobytes())
        for params in (
            *({}, {"window": 2}, {"window": 9}, {"window": 30}),
            *({"multiples": True}, {"multiples": True, "window": 5}),
        ):
            function = bound(gpu, oracle.curve, "msm", params, sums[:1], [bases, vectors[0]])
            for turn in range(3):
                for vector, total in itertools.product(vectors, sums):
                    scalars = mixed_scalars(oracle, 300, f"{turn} {vector.address}")
                    gpu.write(vector, oracle.scalar_words(scalars).tobytes())
                    function([total], [bases, vector])
                    words = np.frombuffer(bytes(gpu.read(total)), dtype=np.uint64)
                    got = oracle.to_points(words.reshape(1, -1))
                    assert got == [expected(oracle, scalars, logarithms)]


def test_multiples_of_many_bases_and_without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that find no memory for multiples go without."""
    oracle = oracle_for("bn254", "g1")
    logarithms, points = mixed_points(oracle, 40)
    scalars = mixed_scalars(oracle, 40, "many bases")
    for most in (0, 2, 16):
        monkeypatch.setattr(kept, "_MOST_KEPT", most)
        with opened("gpu:0") as devices:
            gpu = devices["gpu:0"]
            vector, total = _data(gpu, ScalarArray(40), 32), _data(gpu, PointOf("g1"), 64)
            gpu.write(vector, oracle.scalar_words(scalars).tobytes())
            arrays = [_data(gpu, PointArray(len=40, group="g1"), 64) for _ in range(4)]
            params = {"multiples": True}
            function = bound(gpu, oracle.curve, "msm", params, [total], [arrays[0], vector])
            for bases in arrays * 2:
                gpu.write(bases, cupy.asnumpy(points).tobytes())
                function([total], [bases, vector])
                words = np.frombuffer(bytes(gpu.read(total)), dtype=np.uint64)
                got = oracle.to_points(words.reshape(1, -1))
                assert got == [expected(oracle, scalars, logarithms)]


def _data(gpu: Device, typ: Typ, item: int) -> Data:
    n = length(typ)
    block = gpu.allocate(item * n, None)
    return Data(typ, block, block.address, item, n, 0, n)


@each_group
@pytest.mark.parametrize("window_bits", [None, 4, 7, 13, 16, 19, 22])
def test_kept_multiples(curve_name: str, group: str, window_bits: int | None) -> None:
    """The same sums, also once the bases are others in part or all, and with several vectors."""
    oracle = oracle_for(curve_name, group)
    count = 1000
    logarithms, points = mixed_points(oracle, count)
    width = window_bits or choose_window_bits(count, None, True)
    size = multiples_bytes(oracle.curve, group, count, width)
    kept = cupy.full(size + 16, NO_POINT, dtype=np.uint8)
    for turn, changed in enumerate((0, 0, 1, 300, count)):
        if changed:
            some = slice(7, 7 + changed)
            points[some] = points[some][::-1].copy()
            logarithms[some] = logarithms[some][::-1]
        chosen = [mixed_scalars(oracle, n, f"kept {turn} {n}") for n in (count, 0, 1, 513)]
        arrays = [
            on_gpu(oracle.scalar_words(s)) if s else cupy.empty((0, 4), np.uint64) for s in chosen
        ]
        results = multiply(
            oracle, whole(points), [whole(array) for array in arrays], window_bits, kept.data.ptr
        )
        assert results == [expected(oracle, s, logarithms) for s in chosen]
    assert (cupy.asnumpy(kept[size:]) == NO_POINT).all()


@each_group
def test_kept_multiples_of_skewed_scalars(curve_name: str, group: str) -> None:
    oracle = oracle_for(curve_name, group)
    count = 5000 if group == "g1" else 700
    logarithms, points = mixed_points(oracle, count)
    width = choose_window_bits(count, None, True)
    size = multiples_bytes(oracle.curve, group, count, width)
    kept = cupy.full(size, NO_POINT, dtype=np.uint8)
    for name, scalars in scalar_distributions(oracle, count).items():
        vector = on_gpu(oracle.scalar_words(scalars))
        result = multiply(oracle, whole(points), [whole(vector)], None, kept.data.ptr)
        assert result == [expected(oracle, scalars, logarithms)], name


@pytest.mark.parametrize(("curve_name", "group"), GROUPS)
def test_kept_multiples_of_many_points_ten_times(curve_name: str, group: str) -> None:
    oracle = oracle_for(curve_name, group)
    count = (1 << (18 if group == "g1" else 15)) + 3
    bases = generator_multiples(curve_name, group, count)
    forms = random_forms(oracle, count)
    vector = on_gpu(forms)
    size = multiples_bytes(oracle.curve, group, count, choose_window_bits(count, None, True))
    kept = cupy.full(size, NO_POINT, dtype=np.uint8)
    results = [
        multiply(oracle, whole(bases), [whole(vector)], None, kept.data.ptr)[0] for _ in range(10)
    ]
    inverse = pow(oracle.curve.scalar.montgomery_radix, -1, oracle.curve.r)
    assert results == [oracle.multiply_generator(weighted_sum(forms) * inverse)] * 10
