"""Transforms against big-integer Python: a sum of powers for small sizes, an own FFT for others."""

import functools
import random
import threading
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scalar_arrays import (
    MODULI,
    Limbs,
    each_curve,
    each_isa,
    module_for,
    montgomery,
    random_values,
    to_integers,
    to_limbs,
    view,
)

from zkrun.algebra.curves import CURVES
from zkrun.devices.cpu.native_module import ISAS

TWO_ADICITY = {"bn254": 28, "bls12_381": 32}
GENERATORS = {"bn254": 5, "bls12_381": 7}
OTHER_GENERATORS = {"bn254": 7, "bls12_381": 5}
COSET = 0x1D0B5E9F3C


def root_of_unity(curve: str, k: int, generators: dict[str, int] = GENERATORS) -> int:
    p = MODULI[curve]
    return pow(generators[curve], (p - 1) >> k, p)


def naive_transform(values: Sequence[int], root: int, coset: int, p: int) -> list[int]:
    points = [coset * pow(root, i, p) % p for i in range(len(values))]
    return [sum(a * pow(x, j, p) for j, a in enumerate(values)) % p for x in points]


def fast_transform(values: Sequence[int], root: int, coset: int, p: int) -> list[int]:
    """Decimation in frequency: halves of the output by parity, each half as large a problem."""
    factor, scaled = 1, []
    for a in values:
        scaled.append(a * factor % p)
        factor = factor * coset % p
    return _decimated(scaled, root, p)


def _decimated(values: list[int], root: int, p: int) -> list[int]:
    if len(values) == 1:
        return values
    half = len(values) // 2
    low, high = values[:half], values[half:]
    odd, factor = [], 1
    for a, b in zip(low, high, strict=True):
        odd.append((a - b) * factor % p)
        factor = factor * root % p
    result = [0] * len(values)
    square = root * root % p
    result[0::2] = _decimated([a + b for a, b in zip(low, high, strict=True)], square, p)
    result[1::2] = _decimated(odd, square, p)
    return [a % p for a in result]


@functools.cache
def case(curve: str, k: int, coset: int, other_root: bool) -> tuple[Limbs, Limbs]:
    """An input of 2^k elements and its transform, as memory. Not to be written to."""
    p = MODULI[curve]
    root = root_of_unity(curve, k, OTHER_GENERATORS if other_root else GENERATORS)
    values = random_values(curve, 1 << k, seed=coset)
    expected = fast_transform(values, root, coset, p)
    if k <= 6:
        assert expected == naive_transform(values, root, coset, p)
    return to_limbs(values), to_limbs(expected)


def element(curve: str, value: int) -> bytes:
    return montgomery(curve, value).to_bytes(32, "little")


def transform(
    module: ModuleType,
    curve: str,
    a: Any,
    inverse: bool = False,
    coset: int | None = None,
    root: int | None = None,
    twiddles: Any = None,
) -> Any:
    """Calls the extension; returns the context after the call."""
    context = module.Context()
    getattr(module, curve).ntt(
        context,
        a,
        inverse,
        None if coset is None else element(curve, coset),
        None if root is None else element(curve, root),
        twiddles,
    )
    assert context.current == 0
    return context


@pytest.fixture(
    params=[(isa, threads) for isa in ISAS for threads in (1, 2)], ids="{0[0]}-{0[1]}".format
)
def module(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Each build of the extension, with one thread and with two."""
    isa, threads = request.param
    built = module_for(isa)
    before = built.threads()
    built.set_threads(threads)
    yield built
    built.set_threads(before)


@each_curve
@pytest.mark.parametrize("k", range(17))
def test_every_power_of_two(module: ModuleType, curve: str, k: int) -> None:
    values, expected = case(curve, k, 1, False)
    a = values.copy()
    transform(module, curve, view(module, a))
    assert np.array_equal(a, expected)
    transform(module, curve, view(module, a), inverse=True)
    assert np.array_equal(a, values)


@each_curve
@pytest.mark.parametrize("k", range(17))
def test_coset_and_root(module: ModuleType, curve: str, k: int) -> None:
    values, expected = case(curve, k, COSET, True)
    root = root_of_unity(curve, k, OTHER_GENERATORS)
    a = values.copy()
    transform(module, curve, view(module, a), coset=COSET, root=root)
    assert np.array_equal(a, expected)
    transform(module, curve, view(module, a), inverse=True, coset=COSET, root=root)
    assert np.array_equal(a, values)


@each_isa
@each_curve
@pytest.mark.parametrize("k", [0, 3, 6, 7, 11])
def test_edge_factors(curve: str, isa: str, k: int) -> None:
    """The coset -1, and the inverse of the default root."""
    module = module_for(isa)
    p = MODULI[curve]
    root = pow(root_of_unity(curve, k), -1, p)
    values = random_values(curve, 1 << k, seed=3)
    for coset in (1, p - 1):
        a = to_limbs(values)
        transform(module, curve, view(module, a), coset=coset, root=root)
        assert to_integers(a) == fast_transform(values, root, coset, p)
        transform(module, curve, view(module, a), inverse=True, coset=coset, root=root)
        assert to_integers(a) == values


@each_isa
@each_curve
@pytest.mark.parametrize("k", [0, 1, 2, 5, 6, 9, 12])
@pytest.mark.parametrize("inverse", [False, True])
def test_views(curve: str, isa: str, k: int, inverse: bool) -> None:
    """Slices and wrapped views change their own elements only."""
    module = module_for(isa)
    values, expected = case(curve, k, 1, False)
    before, after = (expected, values) if inverse else (values, expected)
    n = 1 << k
    frame = to_limbs(random_values(curve, n + 5, seed=k))
    for offset in {0, 3, 5, n // 2 + 5, n + 4}:
        places = (np.arange(n) + offset) % (n + 5)
        a = frame.copy()
        a[places] = before
        wanted = frame.copy()
        wanted[places] = after
        transform(module, curve, view(module, a, offset, n), inverse=inverse)
        assert np.array_equal(a, wanted)


@each_isa
@each_curve
def test_extreme_values(curve: str, isa: str) -> None:
    """What lazy reduction could get wrong: all elements as large as they come."""
    module = module_for(isa)
    p = MODULI[curve]
    for k in (6, 9, 13, 16):
        n = 1 << k
        for inverse in (False, True):
            a = to_limbs([p - 1] * n)
            transform(module, curve, view(module, a), inverse=inverse)
            first = -1 % p if inverse else -n % p
            assert to_integers(a) == [first] + [0] * (n - 1)
        a = to_limbs([p - 1] + [0] * (n - 1))
        transform(module, curve, view(module, a))
        assert to_integers(a) == [p - 1] * n


@each_isa
@each_curve
@pytest.mark.parametrize("k", [3, 8, 11])
def test_against_arkworks(curve: str, isa: str, k: int) -> None:
    """zksnake's wheel carries arkworks; its coset is the root of unity itself."""
    algebra = pytest.importorskip("zksnake._algebra")
    peer = getattr(algebra, f"polynomial_{curve}")
    module = module_for(isa)
    n = 1 << k
    values = random_values(curve, n, seed=9)
    a = to_limbs(values)
    transform(module, curve, view(module, a))
    assert to_integers(a) == peer.fft(values, n)
    a = to_limbs(values)
    transform(module, curve, view(module, a), inverse=True, coset=root_of_unity(curve, k))
    assert to_integers(a) == peer.coset_ifft(values, n)


@functools.cache
def large_input(curve: str, k: int) -> Limbs:
    generator = np.random.default_rng(k)
    limbs = generator.integers(0, 1 << 64, size=(1 << k, 4), dtype=np.uint64)
    limbs[:, 3] >>= np.uint64(3)  # below 2^253, below both moduli
    return limbs


@functools.cache
def functional(curve: str, k: int) -> tuple[int, int]:
    """z and sum_i z^i y_i for the transform y of `large_input`, from the input alone.

    It is sum_j a_j (z^n - 1) / (z w^j - 1); a wrong y gives it with probability n / p only.
    """
    p, n = MODULI[curve], 1 << k
    root = root_of_unity(curve, k)
    z = random.Random(k).randrange(p)
    denominators, products, point, product = [], [], z, 1
    for _ in range(n):
        denominators.append(point - 1)
        products.append(product)
        product = product * (point - 1) % p
        point = point * root % p
    inverse, total = pow(product, -1, p), 0
    values = to_integers(large_input(curve, k))
    for j in reversed(range(n)):
        total += values[j] * (inverse * products[j] % p)
        inverse = inverse * denominators[j] % p
    return z, total * (pow(z, n, p) - 1) % p


@pytest.mark.parametrize(
    ("isa", "curve", "k"),
    [
        ("portable", "bn254", 18),
        ("adx", "bls12_381", 18),
        ("ifma", "bn254", 18),
        ("ifma", "bls12_381", 18),
        ("ifma", "bls12_381", 19),
        ("ifma", "bn254", 20),
        ("adx", "bn254", 20),
    ],
)
def test_large(curve: str, isa: str, k: int) -> None:
    module = module_for(isa)
    values = large_input(curve, k)
    a = values.copy()
    context = transform(module, curve, view(module, a))
    assert context.peak < 1.5 * a.nbytes
    z, expected = functional(curve, k)
    total, p = 0, MODULI[curve]
    for y in reversed(to_integers(a)):
        total = (total * z + y) % p
    assert total == expected
    transform(module, curve, view(module, a), inverse=True)
    assert np.array_equal(a, values)


@each_isa
@each_curve
@pytest.mark.parametrize("k", [0, 1, 2, 3, 6, 10])
def test_twiddles(curve: str, isa: str, k: int) -> None:
    module = module_for(isa)
    p, n = MODULI[curve], 1 << k
    values, expected = case(curve, k, 1, False)
    root = root_of_unity(curve, k)
    powers = [montgomery(curve, pow(root, i, p)) for i in range(n // 2)]
    twiddles = np.roll(to_limbs(powers), 1, axis=0)  # seen through a wrapped view
    given = view(module, twiddles, min(1, n // 4), n // 2)
    a = values.copy()
    transform(module, curve, view(module, a), twiddles=given)
    assert np.array_equal(a, expected)
    transform(module, curve, view(module, a), inverse=True, twiddles=given)
    assert np.array_equal(a, values)


@each_isa
def test_twiddles_of_another_root(isa: str) -> None:
    module = module_for(isa)
    p = MODULI["bn254"]
    root = pow(root_of_unity("bn254", 4), 3, p)
    twiddles = to_limbs([montgomery("bn254", pow(root, i, p)) for i in range(8)])
    values = to_limbs(random_values("bn254", 16, seed=0))
    a = values.copy()
    with pytest.raises(ValueError, match="twiddles"):
        transform(module, "bn254", view(module, a), twiddles=view(module, twiddles))
    assert np.array_equal(a, values)
    transform(module, "bn254", view(module, a), root=root, twiddles=view(module, twiddles))
    expected = fast_transform(to_integers(values), root, 1, p)
    assert to_integers(a) == expected


@each_isa
@each_curve
def test_tables_of_many_transforms(curve: str, isa: str) -> None:
    """More keys than the tables that are kept, in turns: none is mistaken for another."""
    module = module_for(isa)
    p = MODULI[curve]
    values = random_values(curve, 64, seed=1)
    root = root_of_unity(curve, 6)
    for _ in range(2):
        for exponent in (1, 3, 5, 63):
            for coset in (1, 2, 3):
                power = pow(root, exponent, p)
                a = to_limbs(values)
                transform(module, curve, view(module, a), coset=coset, root=power)
                assert to_integers(a) == fast_transform(values, power, coset, p)


@each_isa
def test_from_several_python_threads(isa: str) -> None:
    module = module_for(isa)
    sizes = [6, 8, 12, 14, 12, 13]
    failures: list[int] = []

    def work(k: int) -> None:
        values, expected = case("bls12_381", k, 1, False)
        for _ in range(5):
            a = values.copy()
            transform(module, "bls12_381", view(module, a))
            if not np.array_equal(a, expected):
                failures.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@each_isa
@each_curve
def test_cancelled(curve: str, isa: str) -> None:
    module = module_for(isa)
    a = to_limbs(random_values(curve, 1 << 12, seed=0))
    context = module.Context()
    context.cancel()
    with pytest.raises(module.Cancelled):
        getattr(module, curve).ntt(context, view(module, a), False, None, None, None)
    assert context.current == 0


@each_isa
@each_curve
def test_empty(curve: str, isa: str) -> None:
    module = module_for(isa)
    transform(module, curve, module.View(0, 0, 0, 0))


@each_curve
def test_roots_of_the_records(curve: str) -> None:
    """The default root that the tests expect is the one of the curve's record."""
    field = CURVES[curve].scalar
    assert field.two_adicity == TWO_ADICITY[curve]
    assert field.root_of_unity == root_of_unity(curve, TWO_ADICITY[curve])
