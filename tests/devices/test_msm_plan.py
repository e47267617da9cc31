"""Plans of multi-scalar multiplications on a GPU, which need none."""

from __future__ import annotations

import pytest

from zkrun.algebra.curves import BN254
from zkrun.devices.cuda.msm_plan import (
    LARGEST_WINDOW_BITS,
    MOST_POINTS,
    choose_window_bits,
    make_plan,
    may_keep_multiples,
    vectors_per_pass,
)

SIZES = (1, 2, 31, 1000, 1 << 16, (1 << 20) + 1, 1 << 24, 1 << 26, MOST_POINTS)


@pytest.mark.parametrize("points", SIZES)
@pytest.mark.parametrize("multiples", [False, True])
def test_every_size_and_wish_has_a_plan(points: int, multiples: bool) -> None:
    if multiples and not may_keep_multiples(points):
        return
    for wish in (None, *range(1, 33)):
        width = choose_window_bits(points, wish, multiples)
        vectors = vectors_per_pass(points, 3, width)
        plan = make_plan(BN254, "g1", points, vectors, 132, width, multiples)
        assert plan.window_bits == width
        assert plan.digits * width >= 128
        assert plan.windows == (1 if multiples else plan.digits)
        assert plan.points == (points * plan.digits if multiples else points) <= MOST_POINTS
        assert len(plan.folds) <= 4


def test_a_wish_within_bounds_is_met() -> None:
    for wish in range(4, LARGEST_WINDOW_BITS + 1):
        assert choose_window_bits(1 << 16, wish) == wish
        assert choose_window_bits(1 << 16, wish, True) == wish


def test_multiples_are_kept_as_far_as_codes_reach() -> None:
    assert may_keep_multiples(1)
    assert may_keep_multiples(1 << 24)
    assert not may_keep_multiples(0)
    assert not may_keep_multiples(MOST_POINTS)
