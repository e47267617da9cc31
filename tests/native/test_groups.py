"""Points one by one: conversion, addition, multiples, and which arrays are points of a group."""

import math
import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from group_points import (
    GROUPS,
    Oracle,
    Point,
    Words,
    curve_point_outside,
    each_group,
    known_points,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc import optimized_bls12_381, optimized_bn128
from scalar_arrays import each_isa, module_for, view

from zkrun.algebra.curves import CURVES
from zkrun.devices.cpu.native_module import ISAS

PY_ECC = {"bn254": optimized_bn128, "bls12_381": optimized_bls12_381}

# Why a point is not one, as first_invalid says it.
NOT_REDUCED, OFF_CURVE, OUTSIDE = 1, 2, 3

# All of BN254's G1 curve is in the subgroup.
WITH_COFACTOR = [pair for pair in GROUPS if pair != ("bn254", "g1")]


def py_ecc_multiple(oracle: Oracle, scalar: int) -> Point:
    library = PY_ECC[oracle.curve_name]
    generator = library.G1 if oracle.group == "g1" else library.G2
    point = library.multiply(generator, scalar)
    if library.is_inf(point):
        return None
    x, y = library.normalize(point)
    if oracle.group == "g1":
        return (int(x), 0), (int(y), 0)
    return (int(x.coeffs[0]), int(x.coeffs[1])), (int(y.coeffs[0]), int(y.coeffs[1]))


def first_invalid(
    module: ModuleType, oracle: Oracle, words: Words, subgroup: bool = True
) -> tuple[int, int]:
    context = module.Context()
    index, reason = oracle.native(module).first_invalid(context, view(module, words), subgroup)
    assert context.current == 0
    return index, reason


@each_group
def test_the_oracle_agrees_with_py_ecc(curve: str, group: str) -> None:
    oracle = Oracle(curve, group)
    for scalar in (0, 1, 2, 3, oracle.r - 1, oracle.r, random.Random(1).randrange(oracle.r)):
        theirs = py_ecc_multiple(oracle, scalar)
        assert oracle.multiply(scalar, oracle.generator) == theirs
        assert oracle.multiply_generator(scalar) == theirs
    logarithms, points = known_points(oracle, 16)
    assert points[5] == py_ecc_multiple(oracle, logarithms[5])


@each_isa
@each_group
def test_montgomery_forms(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    points = [None, *known_points(oracle, 16)[1]]
    raw, montgomery = oracle.to_raw_words(points), oracle.to_words(points)
    words = raw.copy()
    native, context = oracle.native(module), module.Context()
    native.to_montgomery(context, view(module, words, 5, len(points)))
    assert np.array_equal(words, montgomery)
    native.from_montgomery(context, view(module, words, 3, len(points) - 1))
    untouched = 2  # the element before the view, which starts at 3 and wraps
    raw[untouched] = montgomery[untouched]
    assert np.array_equal(words, raw)


@each_isa
@each_group
def test_add_and_scale(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    native, context = oracle.native(module), module.Context()
    logarithms, known = known_points(oracle, 16)
    points = [None, known[0], oracle.negative(known[0]), known[1], oracle.add(known[0], known[0])]
    out = np.full((1, oracle.words), 7, dtype=np.uint64)
    words = oracle.to_words(points)
    for i, left in enumerate(points):
        for j, right in enumerate(points):
            native.add(
                context,
                view(module, out),
                view(module, words, i, 1),
                view(module, words, j, 1),
            )
            assert oracle.to_points(out) == [oracle.add(left, right)]
    for scalar in (0, 1, 2, oracle.r - 1, random.Random(2).randrange(oracle.r)):
        scalar_words = oracle.scalar_words([scalar])
        native.scale(
            context, view(module, out), view(module, words, 1, 1), view(module, scalar_words)
        )
        assert oracle.to_points(out) == [oracle.multiply_generator(scalar * logarithms[0])]
        native.scale(
            context, view(module, out), view(module, words, 0, 1), view(module, scalar_words)
        )
        assert oracle.to_points(out) == [None]


@each_isa
@each_group
def test_the_sum_may_replace_an_operand(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    _, points = known_points(oracle, 16)
    words = oracle.to_words(points[:1])
    whole = view(module, words)
    oracle.native(module).add(module.Context(), whole, whole, whole)
    assert oracle.to_points(words) == [oracle.add(points[0], points[0])]


@each_isa
@each_group
def test_points_of_the_subgroup_are_valid(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    points = [None, oracle.generator, *known_points(oracle, 64)[1], None]
    assert first_invalid(module, oracle, oracle.to_words(points)) == (-1, 0)
    assert first_invalid(module, oracle, oracle.to_words([])) == (-1, 0)


@each_isa
@each_group
def test_coordinates_that_are_not_reduced(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    limbs = CURVES[curve].base.limbs
    native = oracle.native(module)
    for coordinate in range(oracle.coordinates):
        for excess in (0, 1, (1 << 64 * limbs) - 1 - oracle.q):
            words = oracle.to_words(known_points(oracle, 16)[1])
            value = (oracle.q + excess).to_bytes(8 * limbs, "little")
            words[9, limbs * coordinate : limbs * (coordinate + 1)] = np.frombuffer(value, "<u8")
            assert first_invalid(module, oracle, words, subgroup=False) == (9, NOT_REDUCED)
            assert native.first_not_canonical(module.Context(), view(module, words)) == 9
    words = oracle.to_words(known_points(oracle, 16)[1])
    assert native.first_not_canonical(module.Context(), view(module, words)) == -1


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("isa", ISAS)
@each_group
def test_any_flipped_bit_is_seen(isa: str, curve: str, group: str, data: Any) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    points = known_points(oracle, 16)[1]
    words = oracle.to_words(points)
    index = data.draw(st.integers(0, len(points) - 1))
    word = data.draw(st.integers(0, oracle.words - 1))
    words[index, word] ^= np.uint64(1 << data.draw(st.integers(0, 63)))
    found, reason = first_invalid(module, oracle, words)
    assert found == index
    assert reason in (NOT_REDUCED, OFF_CURVE)


@each_isa
@each_group
def test_half_an_infinity_is_off_the_curve(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    words = oracle.to_words(known_points(oracle, 16)[1])
    words[3, : oracle.words // 2] = 0
    assert first_invalid(module, oracle, words) == (3, OFF_CURVE)
    words = oracle.to_words(known_points(oracle, 16)[1])
    words[4, oracle.words // 2 :] = 0
    assert first_invalid(module, oracle, words) == (4, OFF_CURVE)


@each_isa
@pytest.mark.parametrize(("curve", "group"), WITH_COFACTOR)
def test_points_outside_the_subgroup(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    record = CURVES[curve]
    cofactor = record.g1_cofactor if group == "g1" else record.g2_cofactor
    large_factor = cofactor
    for prime in (3, 11, 13, 23, 2713, 10069):
        while large_factor % prime == 0:
            large_factor //= prime
    for seed in range(3):
        point = curve_point_outside(oracle, seed)
        assert oracle.on_curve(point)
        torsion = oracle.multiply(record.r, point)
        small_order = oracle.multiply(large_factor, torsion) or torsion
        inside = oracle.multiply(cofactor, point)
        for outside in (point, torsion, small_order, oracle.add(oracle.generator, torsion)):
            words = oracle.to_words([*known_points(oracle, 16)[1], inside, outside])
            assert first_invalid(module, oracle, words) == (17, OUTSIDE)
            assert first_invalid(module, oracle, words, subgroup=False) == (-1, 0)


@each_isa
@pytest.mark.parametrize(("curve", "group"), WITH_COFACTOR)
def test_the_first_of_several_is_named(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    words = oracle.to_words(known_points(oracle, 256)[1])
    words[200, 0] ^= np.uint64(1)
    words[130] = oracle.to_words([curve_point_outside(oracle, 0)])
    words[131, 0] ^= np.uint64(1)
    assert first_invalid(module, oracle, words) == (130, OUTSIDE)
    native = oracle.native(module)
    wrapped = view(module, words, 131, 256)
    assert native.first_invalid(module.Context(), wrapped, True) == (0, OFF_CURVE)
    wrapped = view(module, words, 132, 256)
    assert native.first_invalid(module.Context(), wrapped, False) == (200 - 132, OFF_CURVE)


@each_isa
@each_group
def test_throughput_loop(isa: str, curve: str, group: str) -> None:
    module, oracle = module_for(isa), Oracle(curve, group)
    assert oracle.native(module).multiplications(1000) > 0


def test_the_subgroup_tests_rest_on_true_numbers() -> None:
    """What the comments of subgroup.hpp say of the curves."""
    bn254, bls12_381 = CURVES["bn254"], CURVES["bls12_381"]
    for curve, trace_minus_one in ((bn254, 6 * bn254.x**2), (bls12_381, bls12_381.x)):
        assert curve.q - trace_minus_one == curve.g1_cofactor * curve.r
    assert bn254.g1_cofactor == 1
    assert bls12_381.lambda_ == bls12_381.x**2 - 1
    assert bls12_381.lambda_**2 + bls12_381.lambda_ + 1 == bls12_381.r
    assert math.gcd(bls12_381.g1_cofactor, bls12_381.g2_cofactor) == 1
    assert bn254.g2_cofactor % bn254.r != 0
