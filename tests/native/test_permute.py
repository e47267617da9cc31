"""halo2's lookup permutation, against halo2's own steps written out in Python."""

import random
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar_arrays import (
    MODULI,
    each_curve,
    each_isa,
    module_for,
    montgomery,
    random_values,
    to_limbs,
    view,
)

UNTOUCHED = 0xABCDEF


def halo2_permutation(a: list[int], t: list[int]) -> tuple[list[int], list[int]]:
    """The algorithm of halo2_proofs' permute_expression_pair: a map of counts, a stack of rows."""
    permuted_a = sorted(a)
    counts: dict[int, int] = {}
    for value in t:
        counts[value] = counts.get(value, 0) + 1
    permuted_t = [0] * len(a)
    repeated_rows = []
    for row, value in enumerate(permuted_a):
        if row == 0 or value != permuted_a[row - 1]:
            permuted_t[row] = value
            counts[value] -= 1
        else:
            repeated_rows.append(row)
    for value in sorted(counts):
        for _ in range(counts[value]):
            permuted_t[repeated_rows.pop()] = value
    assert not repeated_rows
    return permuted_a, permuted_t


def permute(
    module: ModuleType, curve: str, a: list[int], t: list[int], usable: int, offset: int = 0
) -> tuple[int, bytes, bytes]:
    """Result, a' and t' as memory, for canonical values; every array is a view from `offset` on."""
    n = len(a)

    def stored(values: list[int]) -> np.ndarray:
        return np.roll(to_limbs([montgomery(curve, value) for value in values]), offset, axis=0)

    arrays = [stored([UNTOUCHED] * n), stored([UNTOUCHED] * n), stored(a), stored(t)]
    views = [view(module, array, offset, n) for array in arrays]
    context = module.Context()
    result = getattr(module, curve).permute(context, *views, usable)
    assert context.current == 0
    a2, t2 = (np.roll(array, -offset, axis=0).tobytes() for array in arrays[:2])
    return result, a2, t2


def check(module: ModuleType, curve: str, a: list[int], t: list[int], usable: int) -> None:
    """Against the oracle where t has all of a, and for the row reported where it has not."""
    n = len(a)
    table = set(t[:usable])
    missing = [i for i in range(usable) if a[i] not in table]
    untouched = [UNTOUCHED] * n
    if missing:
        expected, wanted_a, wanted_t = missing[0], untouched, untouched
    else:
        expected = -1
        permuted_a, permuted_t = halo2_permutation(a[:usable], t[:usable])
        wanted_a = permuted_a + untouched[usable:]
        wanted_t = permuted_t + untouched[usable:]
    for offset in {0, n // 2}:
        result, a2, t2 = permute(module, curve, a, t, usable, offset)
        assert result == expected
        assert a2 == to_limbs([montgomery(curve, value) for value in wanted_a]).tobytes()
        assert t2 == to_limbs([montgomery(curve, value) for value in wanted_t]).tobytes()


@each_isa
@each_curve
def test_known_placement(curve: str, isa: str) -> None:
    """By hand: 7, 8, 9 are left over and fill rows 5, 2, 1, the last row first."""
    module = module_for(isa)
    a, t = [3, 1, 1, 2, 1, 2], [9, 2, 1, 8, 3, 7]
    _, a2, t2 = permute(module, curve, a, t, 6)
    expected_a, expected_t = [1, 1, 1, 2, 2, 3], [1, 9, 8, 2, 7, 3]
    assert a2 == to_limbs([montgomery(curve, value) for value in expected_a]).tobytes()
    assert t2 == to_limbs([montgomery(curve, value) for value in expected_t]).tobytes()


@each_isa
@each_curve
@pytest.mark.parametrize("n", [0, 1, 2, 3, 16, 255, 256, 1000])
def test_shapes(curve: str, isa: str, n: int) -> None:
    module = module_for(isa)
    generator = random.Random(n)
    table = random_values(curve, n, seed=1)
    small = [i % 7 for i in range(n)]
    for t in (table, small, [5] * n):
        for usable in {n, max(0, n - 3)}:
            a = [generator.choice(t[:usable]) if t[:usable] else 0 for _ in range(n)]
            check(module, curve, a, t, usable)
            check(module, curve, t[::-1], t, usable)
            check(module, curve, [t[0]] * n if t else [], t, usable)


@each_isa
@each_curve
def test_missing_value(curve: str, isa: str) -> None:
    """The first row of a counts, not the smallest value; later rows of t do not help."""
    module = module_for(isa)
    t = [10, 20, 30, 40, 50, 60, 99, 5]
    check(module, curve, [10, 20, 99, 5, 60, 60, 10, 10], t, 6)
    check(module, curve, [10, 20, 70, 10, 10, 10, 10, 10], t, 8)
    check(module, curve, [61, 10, 1, 10, 10, 10, 10, 10], t, 8)
    check(module, curve, [10, 20, 10, 20, 10, 20, 77, 78], t, 6)


@each_isa
@each_curve
def test_order_is_of_canonical_values(curve: str, isa: str) -> None:
    """Values whose order by each limb, and in Montgomery form, differs from their own."""
    module = module_for(isa)
    p = MODULI[curve]
    t = [1 << 192, 1 << 128, 1 << 64, 1, (1 << 64) - 1, p - 1, p - (1 << 64), (1 << 192) - 1, 0, 2]
    check(module, curve, t[::-1], t, len(t))


@settings(max_examples=60)
@given(st.data())
def test_any_small_case(data: st.DataObject) -> None:
    module = module_for("portable")
    n = data.draw(st.integers(0, 12))
    values = st.integers(0, 5)
    a = data.draw(st.lists(values, min_size=n, max_size=n))
    t = data.draw(st.lists(values, min_size=n, max_size=n))
    check(module, "bn254", a, t, data.draw(st.integers(0, n)))


@each_isa
def test_large(isa: str) -> None:
    module = module_for(isa)
    n = 1 << 14
    t = random_values("bls12_381", n, seed=2)
    generator = random.Random(0)
    a = generator.choices(t[: n - 6], k=n)
    check(module, "bls12_381", a, t, n - 6)


@each_isa
@each_curve
def test_cancelled(curve: str, isa: str) -> None:
    module = module_for(isa)
    a = to_limbs([1, 2])
    context = module.Context()
    context.cancel()
    with pytest.raises(module.Cancelled):
        getattr(module, curve).permute(context, *[view(module, a.copy()) for _ in range(4)], 2)
    assert context.current == 0
