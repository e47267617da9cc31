"""What kernels take of a GPU's memory, as it is planned without one."""

from __future__ import annotations

import random

import pytest

from zkrun.algebra.curves import BN254, CURVES, Curve
from zkrun.devices.cuda.plans.msm import (
    choose_window_bits,
    make_plan,
    may_keep_multiples,
    most_scratch,
    vectors_per_pass,
)
from zkrun.devices.cuda.plans.ntt import best_shape
from zkrun.devices.cuda.plans.scratch import FIXED, scratch_bytes, table_bytes, workspace_bytes
from zkrun.devices.registry import workspace
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.signature import Call
from zkrun.program.types import Point, PointArray, ScalarArray, Typ

both_curves = pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)


def call(name: str, mutable: list[Typ], immutable: list[Typ], **params: object) -> Call:
    found, problems = resolve_call(FunctionEntry(name, params), BN254, mutable, immutable)
    assert found is not None, problems
    return found


@both_curves
@pytest.mark.parametrize("group", ["g1", "g2"])
def test_a_gpu_with_fewer_multiprocessors_takes_no_more(curve: Curve, group: str) -> None:
    source = random.Random(group)
    for _ in range(60):
        points = int(2 ** source.uniform(0, 22))
        keeps = source.random() < 0.3 and may_keep_multiples(points)
        width = choose_window_bits(points, source.choice((None, None, 7, 13)), keeps)
        at_once = vectors_per_pass(points, source.randrange(1, 10), width)
        shape = (width, keeps)
        most = most_scratch(curve, group, points, at_once, 160, *shape)
        for multiprocessors in (1, 7, 46, 72, 108, 114, 132, 148, 160):
            plan = make_plan(curve, group, points, at_once, multiprocessors, *shape)
            assert plan.scratch_bytes <= most
        assert most <= 1.25 * plan.scratch_bytes + (1 << 20)


def test_scratch_is_shared_and_tables_add_up() -> None:
    array = ScalarArray(1 << 16)
    forward, inverse = call("ntt", [array], []), call("ntt", [array], [], inverse=True)
    coset, twice = call("ntt", [array], [], coset=7), call("ntt", [array], [])
    scratch = 32 << 16
    tables = [sum(table_bytes(one).values()) for one in (forward, inverse, coset)]
    assert all(2 << 20 <= size <= 3 << 20 for size in tables)
    assert workspace_bytes([]) == FIXED
    assert workspace_bytes([forward]) == FIXED + tables[0] + scratch
    assert workspace_bytes([forward, twice]) == workspace_bytes([forward])
    assert workspace_bytes([forward, inverse, coset]) == FIXED + sum(tables) + scratch
    sums = call("msm", [Point("g1")], [PointArray(1 << 16, "g1"), array])
    largest = -(-scratch_bytes(sums) // 256) * 256
    assert largest > scratch
    assert workspace_bytes([sums, forward]) == FIXED + tables[0] + largest
    assert workspace("gpu:0", [sums, forward]) == workspace_bytes([sums, forward])
    assert workspace("disk", [sums]) == 0


@pytest.mark.parametrize("k", range(3, 33))
def test_shapes_of_transforms_fit_a_block(k: int) -> None:
    shape = best_shape(k)
    assert sum(shape.passes) == k
    for m in shape.passes:
        assert m > shape.held
        assert max(m, shape.tile) - shape.held <= 8


def test_tables_of_transforms() -> None:
    """All factors have quotients but those that are as many as there are elements."""
    tables = [
        table_bytes(call("ntt", [ScalarArray(n)], [], **params))
        for n, params in (
            (4, {}),
            (1 << 3, {}),
            (1 << 12, {}),
            (1 << 12, {"coset": 7}),
            (1 << 12, {"coset": 7, "inverse": True}),
            (1 << 12, {"tables": False}),
        )
    ]
    twiddles = 64 * (64 + 32 + 16 + 8 + 4)  # the last step of six has none
    between = 32 << 12
    assert [sum(one.values()) for one in tables] == [
        *(0, 64 * (8 + 4), twiddles + between, twiddles + between + 64 * 64),
        *(twiddles + between + 64 * 64, twiddles + 2 * 64 * 64),
    ]
