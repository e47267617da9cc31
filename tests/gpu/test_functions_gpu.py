"""The other functions over the scalar field on the GPU, bit for bit the CPU's."""

import random

import pytest
from gpu_values import LAYOUTS, agree, array, both_curves, images, opened, scalar

from zkrun.algebra.curves import Curve
from zkrun.devices.cuda.functions import elementwise, recurrences
from zkrun.devices.cuda.kernels import fused_unit
from zkrun.devices.cuda.kernels.sources import Unit
from zkrun.devices.cuda.plans.recurrence import SHORT_RUNS, Runs

pytestmark = pytest.mark.gpu

LENGTHS = (1, 2, 127, 128, 2047, 2048, 2049, 4095, 4096, 4097, 32769, (1 << 17) + 3)
any_layout = pytest.mark.parametrize("layout", LAYOUTS)


@both_curves
@any_layout
def test_recurrences(curve: Curve, layout: str) -> None:
    with opened("cpu", "gpu:0") as devices:
        for n in LENGTHS:
            a, x = array(images(curve, n, n)), scalar(31337 + n, curve)
            out = array(bytes(32 * n))
            agree(devices, curve, "evaluate", {}, [scalar(0, curve)], [a, x], layout)
            agree(devices, curve, "kate_division", {}, [out], [a, x], layout)
            agree(devices, curve, "scan_mul", {}, [out], [a, x], layout)
            if n > 1:
                shorter = array(images(curve, n - 1, n))
                agree(devices, curve, "scan_mul", {}, [out], [shorter, x], layout)


@both_curves
def test_long_arrays(curve: Curve) -> None:
    """More than one group of tiles, runs of inversions as long as they get, and elements that have
    their factors in common."""
    n = (1 << 21) + 1025
    with opened("cpu", "gpu:0") as devices:
        a, x = array(images(curve, n, 1, 1000)), scalar(31337, curve)
        nonzero, out = array(images(curve, n, 2)), array(bytes(32 * n))
        agree(devices, curve, "evaluate", {}, [scalar(0, curve)], [a, x])
        agree(devices, curve, "kate_division", {}, [out], [a, x])
        agree(devices, curve, "scan_mul", {}, [out], [nonzero, x])
        agree(devices, curve, "batch_invert", {}, [array(images(curve, 2 * n, 3, 1000))])
        agree(devices, curve, "poly_scale", {}, [out], [a, x])
        for period in (1, 3, 256, n):
            powers = array(images(curve, period, 4))
            agree(devices, curve, "distribute_powers", {}, [a], [powers])
        outs = [array(bytes(32 * n))] * 2
        agree(devices, curve, "permute", {"usable": n - 3}, outs, [nonzero, nonzero])


@both_curves
@pytest.mark.parametrize("n", [1 << 19, (1 << 19) + 1, (1 << 20) + 1, (1 << 23) - 1])
def test_recurrences_of_any_length(curve: Curve, n: int) -> None:
    """Short and long runs; a tile that has an output and no element."""
    with opened("cpu", "gpu:0") as devices:
        a, x = array(images(curve, n, 1, 1000)), scalar(31337, curve)
        nonzero, shorter = (array(images(curve, length, 2)) for length in (n, n - 1))
        out = array(bytes(32 * n))
        for _ in range(3):
            agree(devices, curve, "kate_division", {}, [out], [a, x])
            agree(devices, curve, "scan_mul", {}, [out], [nonzero, x])
            agree(devices, curve, "scan_mul", {}, [out], [shorter, x])


@both_curves
def test_recurrences_that_look_far_back(curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the 32 groups that a warp looks at together, and the 32 before them, where none of them
    tells enough."""
    usual = recurrences.recurrence_unit

    def far(curve: Curve, function: str, runs: Runs) -> Unit:
        unit = usual(curve, function, runs)
        kernels = tuple((name, text.replace("_run>", "_run, 100>")) for name, text in unit.kernels)
        assert kernels != unit.kernels
        return Unit(unit.source, kernels)

    monkeypatch.setattr(recurrences, "recurrence_unit", far)
    monkeypatch.setattr(recurrences, "runs_of", lambda _: SHORT_RUNS)
    n = (1 << 23) - 1  # 128 groups of short runs
    with opened("cpu", "gpu:0") as devices:
        a, x = array(images(curve, n, 1)), scalar(31337, curve)
        out = array(bytes(32 * n))
        agree(devices, curve, "kate_division", {}, [out], [a, x])
        agree(devices, curve, "scan_mul", {}, [out], [a, x])


@both_curves
@any_layout
def test_inverses(curve: Curve, layout: str) -> None:
    with opened("cpu", "gpu:0") as devices:
        for n in LENGTHS:
            for zeros in (0, 3, 1):
                value = array(images(curve, n, n, zeros))
                agree(devices, curve, "batch_invert", {}, [value], [], layout)
        agree(devices, curve, "scalar_invert", {}, [scalar(5, curve)])
        agree(devices, curve, "scalar_invert", {}, [scalar(0, curve)])
        for exponent in (0, 1, 2**64, 3**400):
            params = {"exp": str(exponent)}
            agree(devices, curve, "scalar_pow", params, [scalar(7, curve)])


@both_curves
@any_layout
def test_elementwise(curve: Curve, layout: str) -> None:
    with opened("cpu", "gpu:0") as devices:
        for n, m in [(n, n) for n in (0, *LENGTHS)] + [(9, 4000), (4000, 9)]:
            a, b = array(images(curve, n, 1)), array(images(curve, m, 2))
            c, s = array(bytes(32 * max(n, m))), scalar(99, curve)
            agree(devices, curve, "poly_add", {}, [c], [a, b], layout)
            agree(devices, curve, "poly_sub", {}, [c], [a, b], layout)
            agree(devices, curve, "poly_scale", {}, [a], [b, s] if n == m else [a, s], layout)
            if n == m:
                agree(devices, curve, "poly_mul", {}, [c], [a, b], layout)
            for value in ("zero", "one_lagrange", "one_coef"):
                agree(devices, curve, "fill", {"value": value}, [a], [], layout)
            for period in (1, 2, 3, 8, 257):
                powers = array(images(curve, period, 3))
                agree(devices, curve, "distribute_powers", {}, [a], [powers], layout)


@both_curves
@any_layout
def test_factors_of_many_elements(
    curve: Curve, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long arrays have them; test_long_arrays has one that is."""
    monkeypatch.setattr(elementwise, "_STRIDED", 4096)
    r = curve.r
    edges = [0, 1, 2, r - 1, r - 2, r >> 1, 2**256 % r, 2**224 - 1, 2**32 - 1, r - 2**32]
    factors = b"".join(edge.to_bytes(32, "little") for edge in edges)
    with opened("cpu", "gpu:0") as devices:
        for n in (4095, 4096, 4101, 9000):
            value = array(factors * 11 + images(curve, n - 120, n) + factors)
            out = array(bytes(32 * n))
            for edge in (*edges, 31337):
                agree(devices, curve, "poly_scale", {}, [out], [value, scalar(edge, curve)], layout)
            most = n // elementwise._STRIDES
            for period in (1, 3, 10, 256, 300, most - 1, most, most + 1):
                powers = array((factors + images(curve, period, 3))[: 32 * period])
                agree(devices, curve, "distribute_powers", {}, [value], [powers], layout)


@both_curves
@any_layout
def test_fused(curve: Curve, layout: str) -> None:
    large = "; ".join(f"t{i} = {f't{i - 1}' if i else 'x0'}*x1 + {i}*x2" for i in range(60))
    with opened("cpu", "gpu:0") as devices:
        for n in (1, 255, 5000):
            a, b = array(images(curve, n, 1)), array(images(curve, n, 2))
            ins = [a, scalar(77, curve), b]
            outs = [array(bytes(32 * n))] * 2
            small = "t = x0*x2 - 7*x1; y0 = t^3 + x1; y1 = -t + 0x10*x0"
            agree(devices, curve, "fused_arith", {"expr": small}, outs, ins, layout)
            expr = large + "; y0 = t59; y1 = t30 - t59"
            agree(devices, curve, "fused_arith", {"expr": expr}, outs, ins, layout)
        agree(devices, curve, "fused_arith", {"expr": "y0 = 5"}, [outs[0]], [a])
        for n in (1, 256, 257, 511, 513, 5000):
            a, b, out = (array(images(curve, n, seed)) for seed in (1, 2, 3))
            ins = [b, scalar(77, curve), a, b]
            for expr in ("y0 = x2*x2", "y0 = x1*x2 + x0", "y0 = (x0 - x2)^3 + x1"):
                agree(devices, curve, "fused_arith", {"expr": expr}, [out], ins, layout)


@both_curves
def test_fused_with_more_operands_than_a_launch_takes(
    curve: Curve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_unit, "FEW_OPERANDS", 3)
    with opened("cpu", "gpu:0") as devices:
        ins = [array(images(curve, 1000, seed)) for seed in range(5)]
        expr = "y0 = x0*x1 + x2 - x3 + x4; y1 = x4 - x0"
        agree(devices, curve, "fused_arith", {"expr": expr}, [array(bytes(32000))] * 2, ins)


@both_curves
@any_layout
def test_permute(curve: Curve, layout: str) -> None:
    source = random.Random(1)
    with opened("cpu", "gpu:0") as devices:
        for n, usable, distinct in (
            *((1, 1, 1), (8, 5, 3), (300, 300, 300), (5000, 4321, 40)),
            (70000, 69999, 60000),
        ):
            pool = [source.randrange(curve.r).to_bytes(32, "little") for _ in range(distinct)]
            pool[0] = bytes(32)
            table = pool + [source.choice(pool) for _ in range(n - distinct)]
            source.shuffle(table)
            inputs = source.choices(table[:usable], k=n)
            outs = [array(images(curve, n, 8)), array(images(curve, n, 9))]
            ins = [array(b"".join(inputs)), array(b"".join(table))]
            params = {"usable": usable}
            agree(devices, curve, "permute", params, outs, ins, layout)
            inputs[usable // 2] = b"\x07" + bytes(31)
            inputs[usable - 1] = b"\x06" + bytes(31)
            ins = [array(b"".join(inputs)), array(b"".join(table))]
            agree(devices, curve, "permute", params, outs, ins, layout)


@both_curves
def test_permute_values_that_are_alike(curve: Curve) -> None:
    """Small ones, and long ones that differ in their last bits only."""
    source = random.Random(2)
    long = curve.r - (1 << 80)
    alike = [
        *(source.randrange(1 << bits) for bits in range(1, 70) for _ in range(20)),
        *(long + source.randrange(1 << 70) for _ in range(3000)),
        *(long + i for i in range(500)),
        *((1 << bits) + d for bits in (55, 56, 57, 58, 63, 64, 65, 128) for d in (-1, 0, 1)),
    ]
    table = [(v * 2**256 % curve.r).to_bytes(32, "little") for v in alike]
    source.shuffle(table)
    inputs = source.choices(table, k=len(table))
    with opened("cpu", "gpu:0") as devices:
        outs = [array(bytes(32 * len(table)))] * 2
        ins = [array(b"".join(inputs)), array(b"".join(table))]
        agree(devices, curve, "permute", {"usable": len(table)}, outs, ins)
