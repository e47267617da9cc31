"""Every function of the table on every device, against big integers and py_ecc."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from device_values import (
    CURVES,
    LAYOUTS,
    bind,
    call,
    multiples,
    place,
    point,
    point_values,
    points,
    random_scalars,
    scalar,
    scalar_values,
    scalars,
)

from zkrun.algebra.curves import BLS12_381, BN254, Curve
from zkrun.devices.base import Data, Device
from zkrun.devices.cpu.functions import FACTORIES
from zkrun.devices.registry import close_devices, open_devices
from zkrun.errors import RunFailed
from zkrun.program.functions.registry import BUILT_IN
from zkrun.program.types import Group, Point, PointArray, Scalar, ScalarArray

LENGTHS = (0, 1, 2, 3, 7, 8, 9, 33, 255, 1025)
both_curves = pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
any_layout = pytest.mark.parametrize("layout", LAYOUTS)

OMEGA = {  # the two-adic roots that the format fixes, as arkworks has them
    "bn254": pow(5, (BN254.r - 1) >> 28, BN254.r),
    "bls12_381": pow(7, (BLS12_381.r - 1) >> 32, BLS12_381.r),
}
ADICITY = {"bn254": 28, "bls12_381": 32}


def test_every_function_of_the_table_is_implemented() -> None:
    assert set(FACTORIES) == set(BUILT_IN)


def pairwise(
    op: Callable[[int, int], int], r: int, a: Sequence[int], b: Sequence[int]
) -> list[int]:
    n = max(len(a), len(b))
    pad = [[*v, *[0] * (n - len(v))] for v in (a, b)]
    return [op(x, y) % r for x, y in zip(*pad, strict=True)]


@both_curves
@any_layout
def test_poly_add_and_sub(device: Device, curve: Curve, layout: str) -> None:
    for name, op in (("poly_add", int.__add__), ("poly_sub", int.__sub__)):
        for n, m in [(n, n) for n in LENGTHS] + [(9, 2), (2, 9), (0, 5), (5, 0)]:
            a, b = random_scalars(curve, n, 1), random_scalars(curve, m, 2)
            c = place(device, ScalarArray(max(n, m)), curve, layout)
            call(device, curve, name, {}, [c], [scalars(device, curve, v, layout) for v in (a, b)])
            assert scalar_values(c, curve) == pairwise(op, curve.r, a, b)


@both_curves
@any_layout
def test_poly_mul_and_scale(device: Device, curve: Curve, layout: str) -> None:
    for n in LENGTHS:
        a, b = random_scalars(curve, n, 1), random_scalars(curve, n, 2)
        c = place(device, ScalarArray(n), curve, layout)
        args = [scalars(device, curve, a, layout), scalars(device, curve, b)]
        call(device, curve, "poly_mul", {}, [c], args)
        assert scalar_values(c, curve) == [x * y % curve.r for x, y in zip(a, b, strict=True)]
        for s in (0, 1, curve.r - 1, 12345):
            call(device, curve, "poly_scale", {}, [c], [args[0], scalar(device, curve, s)])
            assert scalar_values(c, curve) == [x * s % curve.r for x in a]


@both_curves
@any_layout
def test_an_output_may_be_exactly_an_input(device: Device, curve: Curve, layout: str) -> None:
    r, a = curve.r, random_scalars(curve, 300)
    for name, expected in (
        ("poly_add", [2 * x % r for x in a]),
        ("poly_sub", [0] * len(a)),
        ("poly_mul", [x * x % r for x in a]),
    ):
        c = scalars(device, curve, a, layout)
        call(device, curve, name, {}, [c], [c, c])
        assert scalar_values(c, curve) == expected
    c = scalars(device, curve, a, layout)
    call(device, curve, "fused_arith", {"expr": "y0 = x0*x0 + x0"}, [c], [c])
    assert scalar_values(c, curve) == [(x * x + x) % r for x in a]


@both_curves
@any_layout
def test_fused_arith(device: Device, curve: Curve, layout: str) -> None:
    r = curve.r
    for n in LENGTHS:
        a, b, s = random_scalars(curve, n, 1), random_scalars(curve, n, 2), 987654321
        ys = [place(device, ScalarArray(n), curve, layout) for _ in range(2)]
        ins = [
            scalars(device, curve, a, layout),
            scalar(device, curve, s),
            scalars(device, curve, b),
        ]
        expr = "t = x0*x2 - 7*x1; y0 = t^3 + x1; y1 = -t + 0x10*x0"
        call(device, curve, "fused_arith", {"expr": expr}, ys, ins)
        ts = [(x * z - 7 * s) % r for x, z in zip(a, b, strict=True)]
        assert scalar_values(ys[0], curve) == [(t**3 + s) % r for t in ts]
        assert scalar_values(ys[1], curve) == [(16 * x - t) % r for x, t in zip(a, ts, strict=True)]
    out = place(device, Scalar(), curve)
    args = [scalar(device, curve, 5), scalar(device, curve, 6)]
    call(device, curve, "fused_arith", {"expr": "y0 = x0 - x1"}, [out], args)
    assert scalar_values(out, curve) == [r - 1]


@both_curves
@any_layout
def test_batch_invert_keeps_zeros(device: Device, curve: Curve, layout: str) -> None:
    for n in LENGTHS:
        values = random_scalars(curve, n)
        a = scalars(device, curve, values, layout)
        call(device, curve, "batch_invert", {}, [a])
        assert scalar_values(a, curve) == [pow(v, -1, curve.r) if v else 0 for v in values]


@both_curves
def test_scalar_invert_and_pow(device: Device, curve: Curve) -> None:
    r = curve.r
    for value in (1, 2, r - 1, 123456789):
        s = scalar(device, curve, value)
        call(device, curve, "scalar_invert", {}, [s])
        assert scalar_values(s, curve) == [pow(value, -1, r)]
    with pytest.raises(RunFailed, match="zero"):
        call(device, curve, "scalar_invert", {}, [scalar(device, curve, 0)])
    for value in (0, 1, 3, r - 1):
        for exponent in (0, 1, 2, 64, r - 1, r, 2**300 + 7):
            s = scalar(device, curve, value)
            call(device, curve, "scalar_pow", {"exp": str(exponent)}, [s])
            assert scalar_values(s, curve) == [pow(value, exponent, r)]


def horner(values: Sequence[int], x: int, r: int) -> int:
    result = 0
    for value in reversed(values):
        result = (result * x + value) % r
    return result


@both_curves
@any_layout
def test_evaluate_and_kate_division(device: Device, curve: Curve, layout: str) -> None:
    r = curve.r
    for n in LENGTHS:
        values = random_scalars(curve, n)
        a = scalars(device, curve, values, layout)
        for x in (0, 1, r - 1, 31337):
            y = place(device, Scalar(), curve)
            call(device, curve, "evaluate", {}, [y], [a, scalar(device, curve, x)])
            assert scalar_values(y, curve) == [horner(values, x, r)]
            q = place(device, ScalarArray(n), curve, layout)
            call(device, curve, "kate_division", {}, [q], [a, scalar(device, curve, x)])
            expected, carry = [0] * n, 0
            for i in range(n - 1, 0, -1):
                carry = (values[i] + carry * x) % r
                expected[i - 1] = carry
            assert scalar_values(q, curve) == expected


@both_curves
@any_layout
def test_scan_mul(device: Device, curve: Curve, layout: str) -> None:
    for n in LENGTHS[1:]:
        for given in (n, n - 1):
            values = [v or 3 for v in random_scalars(curve, given)]
            z = place(device, ScalarArray(n), curve, layout)
            args = [scalars(device, curve, values, layout), scalar(device, curve, 77)]
            call(device, curve, "scan_mul", {}, [z], args)
            expected = [77]
            for i in range(1, n):
                expected.append(expected[-1] * values[i - 1] % curve.r)
            assert scalar_values(z, curve) == expected


@both_curves
@any_layout
def test_distribute_powers(device: Device, curve: Curve, layout: str) -> None:
    for n in LENGTHS:
        for m in (1, 2, 3, 8, n + 1):
            values, powers = random_scalars(curve, n, 1), random_scalars(curve, m, 2)
            a = scalars(device, curve, values, layout)
            args = [scalars(device, curve, powers, layout)]
            call(device, curve, "distribute_powers", {}, [a], args)
            expected = [v * powers[i % m] % curve.r for i, v in enumerate(values)]
            assert scalar_values(a, curve) == expected


def lookup_permutation(a: list[int], t: list[int]) -> tuple[list[int], list[int]]:
    """halo2's permute_expression_pair.

    From its description: sorted inputs, table values at the first row of each run, leftovers
    (ascending) in the remaining rows from the last one back."""
    inputs, left = sorted(a), sorted(t)
    table: list[int | None] = [None] * len(a)
    for row, value in enumerate(inputs):
        if row == 0 or value != inputs[row - 1]:
            table[row] = value
            left.remove(value)
    rest = [row for row, value in enumerate(table) if value is None]
    for value in left:
        table[rest.pop()] = value
    return inputs, [value for value in table if value is not None]


@both_curves
@any_layout
def test_permute(device: Device, curve: Curve, layout: str) -> None:
    source = random.Random(5)
    for n, usable in ((1, 1), (8, 5), (33, 33), (200, 150), (5, 0)):
        t = random_scalars(curve, n, 3)
        a = [source.choice(t[:usable]) if usable else 1 for _ in range(n)]
        t[n // 3 : usable] = t[: max(0, usable - n // 3)] if usable > 20 else t[n // 3 : usable]
        a = [v if v in t[:usable] else t[0] for v in a]
        before = [random_scalars(curve, n, 8), random_scalars(curve, n, 9)]
        outs = [scalars(device, curve, v, layout) for v in before]
        ins = [scalars(device, curve, v, layout) for v in (a, t)]
        call(device, curve, "permute", {"usable": usable}, outs, ins)
        expected = lookup_permutation(a[:usable], t[:usable])
        for out, old, new in zip(outs, before, expected, strict=True):
            assert scalar_values(out, curve) == new + old[usable:]
    outs = [scalars(device, curve, [0] * 4) for _ in range(2)]
    ins = [scalars(device, curve, [4, 5, 6, 4]), scalars(device, curve, [4, 5, 7, 8])]
    with pytest.raises(RunFailed, match="row 2"):
        call(device, curve, "permute", {"usable": 4}, outs, ins)


@both_curves
@any_layout
def test_fill(device: Device, curve: Curve, layout: str) -> None:
    for n in LENGTHS:
        for value, expected in (
            ("zero", [0] * n),
            ("one_lagrange", [1] * n),
            ("one_coef", [1, *[0] * n][:n]),
        ):
            a = place(device, ScalarArray(n), curve, layout)
            call(device, curve, "fill", {"value": value}, [a])
            assert scalar_values(a, curve) == expected


def transform(values: list[int], omega: int, r: int) -> list[int]:
    n = len(values)
    if n == 1:
        return values
    even, odd = (transform(values[i::2], omega * omega % r, r) for i in (0, 1))
    out, power = [0] * n, 1
    for i in range(n // 2):
        out[i] = (even[i] + power * odd[i]) % r
        out[i + n // 2] = (even[i] - power * odd[i]) % r
        power = power * omega % r
    return out


@both_curves
@any_layout
def test_ntt(device: Device, curve: Curve, layout: str) -> None:
    r = curve.r
    for k in (0, 1, 2, 3, 6, 9, 11):
        n = 1 << k
        default = pow(OMEGA[curve.name], 1 << (ADICITY[curve.name] - k), r)
        other = pow(default, 3, r)
        values = random_scalars(curve, n)
        for root, coset, twiddled in ((None, 1, False), (None, 7, True), (other, 5, False)):
            omega = root or default
            params: dict[str, object] = {"coset": str(coset)}
            if root is not None:
                params["root"] = hex(root)
            powers = [pow(omega, i, r) for i in range(n // 2)]
            extra = [scalars(device, curve, powers, layout)] if twiddled else []
            a = scalars(device, curve, values, layout)
            call(device, curve, "ntt", params, [a], extra)
            shifted = [v * pow(coset, j, r) % r for j, v in enumerate(values)]
            assert scalar_values(a, curve) == transform(shifted, omega, r)
            call(device, curve, "ntt", {**params, "inverse": True}, [a], extra)
            assert scalar_values(a, curve) == values


@both_curves
def test_twiddles_that_are_none(device: Device, curve: Curve) -> None:
    a, twiddles = scalars(device, curve, [1] * 8), scalars(device, curve, [1, 2, 3, 4])
    with pytest.raises(RunFailed, match=r"ntt: .* not the powers"):
        call(device, curve, "ntt", {}, [a], [twiddles])
    assert scalar_values(a, curve) == [1] * 8


@both_curves
@any_layout
@pytest.mark.parametrize("group", ["g1", "g2"])
def test_msm(device: Device, curve: Curve, group: Group, layout: str) -> None:
    r = curve.r
    factors = [1, 2, 0, 5, 5, r - 5, 7, 0, 11, r - 1, 1, 13]
    bases = points(device, curve, group, multiples(curve, group, factors), layout)
    vectors = [
        random_scalars(curve, 12),
        [0] * 12,
        [1] * 12,
        [r - 1] * 12,
        [3, 0, 9],
        [],
        [0, 0, 0, 4, r - 4],  # equal points with opposite scalars
    ]
    outs = [place(device, Point(group), curve) for _ in vectors]
    args = [bases, *(scalars(device, curve, v, layout) for v in vectors)]
    call(device, curve, "msm", {}, outs, args)
    sums = [sum(f * v for f, v in zip(factors, vector, strict=False)) for vector in vectors]
    assert [point_values(o, curve)[0] for o in outs] == multiples(curve, group, sums)


@both_curves
def test_interpolate_and_assemble_poly(curve: Curve) -> None:
    cpu = open_devices(["cpu"])["cpu"]
    r = curve.r
    for layout in LAYOUTS:
        for n in (1, 2, 5, 12):
            xs, ys = [3 * i + r - 4 for i in range(n)], random_scalars(curve, n)
            coefficients = place(cpu, ScalarArray(n), curve, layout)
            args: list[Data] = [scalar(cpu, curve, v) for v in (*xs, *ys)]
            call(cpu, curve, "interpolate", {}, [coefficients], args)
            got = scalar_values(coefficients, curve)
            assert [horner(got, x, r) for x in xs] == ys
            call(cpu, curve, "assemble_poly", {}, [coefficients], args[n:])
            assert scalar_values(coefficients, curve) == ys
    args = [scalar(cpu, curve, v) for v in (1, 2, 1, 5, 6, 7)]
    with pytest.raises(RunFailed, match="same x"):
        call(cpu, curve, "interpolate", {}, [place(cpu, ScalarArray(3), curve)], args)
    cpu.close()


@both_curves
@pytest.mark.parametrize("group", ["g1", "g2"])
def test_assemble_points(curve: Curve, group: Group) -> None:
    cpu = open_devices(["cpu"])["cpu"]
    values = multiples(curve, group, [5, 0, curve.r - 1, 5])
    args = [point(cpu, curve, group, value) for value in values]
    for layout in LAYOUTS:
        array = place(cpu, PointArray(len(values), group), curve, layout)
        call(cpu, curve, "assemble_points", {}, [array], args)
        assert point_values(array, curve) == values
    cpu.close()


def test_what_is_for_the_cpu_does_not_bind_on_a_gpu() -> None:
    devices = open_devices(["gpu:0"], gpu="virtual")
    gpu = devices["gpu:0"]
    args = [scalar(gpu, BN254, 1)]
    outs = [place(gpu, ScalarArray(1), BN254)]
    with pytest.raises(RunFailed, match="does not run on a GPU"):
        bind(gpu, BN254, "assemble_poly", {}, outs, args)
    close_devices(devices)
