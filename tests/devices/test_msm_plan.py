"""Plans of multi-scalar multiplications on a GPU, which need none."""

from __future__ import annotations

from itertools import combinations

import pytest

from zkrun.algebra.curves import BN254
from zkrun.devices.cuda.plans.msm import (
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


USES = (  # what each step of `msm.py` reads and writes, in order
    ("table",),
    ("digits", "coarse_counts", "bucket_cursors"),
    ("partition_starts", "tile_starts", "partition_cursors", "coarse_counts"),
    ("codes", "fine_bits", "partition_cursors", "digits"),
    ("bucket_cursors", "fine_bits", "partition_starts", "tile_starts"),
    ("bucket_starts", "bucket_cursors", "partition_starts"),
    ("sorted", "bucket_cursors", "codes", "fine_bits", "partition_starts", "tile_starts"),
    ("sums", "heads", "keys", "sorted", "bucket_starts", "table"),
    ("sums", "heads", "keys"),
    ("folds", "by_bit", "sums", "bucket_starts"),
    ("folds", "by_bit", "bit_sums"),
    ("table",),  # of the next pass
)


@pytest.mark.parametrize("points", [1, 1000, 1 << 16, 1 << 18, (1 << 20) + 1])
@pytest.mark.parametrize("vectors", [1, 3])
@pytest.mark.parametrize("multiples", [False, True])
def test_arrays_in_use_at_the_same_time_lie_apart(
    points: int, vectors: int, multiples: bool
) -> None:
    width = choose_window_bits(points, None, multiples)
    plan = make_plan(BN254, "g1", points, vectors, 132, width, multiples)
    used = {name: [at for at, names in enumerate(USES) if name in names] for name in plan.offsets}
    codes, buckets, partitions = plan.codes, plan.buckets, plan.partitions
    sizes = {
        "table": 0 if multiples else 32 * plan.points,
        "coarse_counts": 4 * partitions,
        "bucket_cursors": 4 * buckets,
        "partition_starts": 4 * (partitions + 1),
        "tile_starts": 4 * (partitions + 1),
        "partition_cursors": 4 * partitions,
        "bucket_starts": 4 * (buckets + 1),
        "digits": 4 * codes,
        "codes": 4 * codes,
        "sorted": 4 * codes,
        "fine_bits": 2 * codes,
        "sums": 128 * buckets,
        "heads": 128 * sum(plan.head_counts),
        "keys": 4 * sum(plan.head_counts) + 4,
        "folds": 128 * sum(plan.all_windows * fold.blocks for fold in plan.folds),
        "by_bit": 128 * sum(plan.all_windows * fold.bits * fold.blocks for fold in plan.folds),
        "bit_sums": 128 * plan.all_windows * (plan.window_bits - 1),
    }
    assert sizes.keys() == plan.offsets.keys()
    for one, other in combinations(plan.offsets, 2):
        if max(used[one][0], used[other][0]) <= min(used[one][-1], used[other][-1]):
            starts = plan.offsets[one], plan.offsets[other]
            assert starts[0] + sizes[one] <= starts[1] or starts[1] + sizes[other] <= starts[0]
    assert max(plan.offsets[name] + sizes[name] for name in sizes) <= plan.scratch_bytes
    # Zeroed with one call, from the first to where the third begins.
    start = plan.offsets["coarse_counts"]
    assert start < plan.offsets["bucket_cursors"] < plan.offsets["partition_starts"]
