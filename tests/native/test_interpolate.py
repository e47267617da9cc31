"""Interpolation, against the values of the polynomial that Python computes."""

from types import ModuleType

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
    to_integers,
    to_limbs,
    view,
)

UNTOUCHED = 0xABCDEF


def evaluate(coefficients: list[int], x: int, p: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % p
    return value


def interpolate(
    module: ModuleType, curve: str, xs: list[int], ys: list[int], offset: int = 0
) -> tuple[bool, list[int]]:
    """The result and the canonical coefficients that were written, through a wrapped view."""
    p = MODULI[curve]
    n = len(xs)
    x = to_limbs([montgomery(curve, value) for value in xs])
    y = to_limbs([montgomery(curve, value) for value in ys])
    coefficients = to_limbs([montgomery(curve, UNTOUCHED)] * n)
    context = module.Context()
    found = getattr(module, curve).interpolate(
        context,
        view(module, coefficients, offset, n),
        [module.View(x[i].ctypes.data, 1, 0, 1) for i in range(n)],
        [module.View(y[i].ctypes.data, 1, 0, 1) for i in range(n)],
    )
    assert context.current == 0
    radix_inverse = pow(1 << 256, -1, p)
    values = [value * radix_inverse % p for value in to_integers(coefficients)]
    return found, values[offset:] + values[:offset]


@each_isa
@each_curve
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 17, 64])
def test_random_polynomials(curve: str, isa: str, n: int) -> None:
    module = module_for(isa)
    p = MODULI[curve]
    xs = list(dict.fromkeys(random_values(curve, n, seed=1)))
    coefficients = random_values(curve, len(xs), seed=2)
    ys = [evaluate(coefficients, x, p) for x in xs]
    for offset in {0, len(xs) // 2}:
        assert interpolate(module, curve, xs, ys, offset) == (True, coefficients)


@each_isa
@each_curve
def test_edge_points(curve: str, isa: str) -> None:
    module = module_for(isa)
    p = MODULI[curve]
    for xs in ([0], [p - 1], [0, 1], [p - 1, 0, 1], [1, 2, 3, p - 3, p - 2, p - 1]):
        n = len(xs)
        for coefficients in ([0] * n, [7] + [0] * (n - 1), [0] * (n - 1) + [p - 1]):
            ys = [evaluate(coefficients, x, p) for x in xs]
            assert interpolate(module, curve, xs, ys) == (True, coefficients)


@each_isa
@each_curve
@pytest.mark.parametrize("xs", [[4, 4], [0, 1, 0], [9, 8, 7, 6, 8], [5, 5, 5]])
def test_repeated_point(curve: str, isa: str, xs: list[int]) -> None:
    """Also where both say the same: nothing is written."""
    module = module_for(isa)
    for ys in (xs, list(range(len(xs)))):
        assert interpolate(module, curve, xs, ys) == (False, [UNTOUCHED] * len(xs))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1 << 250)), max_size=8))
def test_any_small_case(points: list[tuple[int, int]]) -> None:
    module = module_for("portable")
    p = MODULI["bn254"]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    found, coefficients = interpolate(module, "bn254", xs, ys)
    assert found == (len(set(xs)) == len(xs))
    if found:
        assert [evaluate(coefficients, x, p) for x in xs] == [y % p for y in ys]


@each_isa
@each_curve
def test_cancelled(curve: str, isa: str) -> None:
    module = module_for(isa)
    a = to_limbs([1])
    context = module.Context()
    context.cancel()
    with pytest.raises(module.Cancelled):
        getattr(module, curve).interpolate(
            context, view(module, a.copy()), [view(module, a)], [view(module, a)]
        )
    assert context.current == 0
