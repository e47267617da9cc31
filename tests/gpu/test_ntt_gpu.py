"""The transform on the GPU, bit for bit the CPU's, in every size, direction and cut."""

import random

import gpu_values
import pytest
from gpu_values import LAYOUTS, array, both_curves, images, opened

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.functions.ntt import Plan
from zkrun.devices.cuda.plans.ntt import Shape
from zkrun.program.functions.transform import default_root
from zkrun.program.types import ScalarArray

pytestmark = pytest.mark.gpu


def root_of(curve: Curve, k: int) -> int:
    field = curve.scalar
    return default_root(1 << k, field.modulus, field.root_of_unity, field.two_adicity)


@both_curves
@pytest.mark.parametrize("k", range(21))
def test_every_size(curve: Curve, k: int) -> None:
    layout = list(LAYOUTS)[k % len(LAYOUTS)]
    value = array(images(curve, 1 << k, k))
    with opened("cpu", "gpu:0") as devices:
        for params in ({}, {"inverse": True}, {"coset": 7}, {"coset": "12345", "inverse": True}):
            gpu_values.agree(devices, curve, "ntt", params, [value], layout=layout)


@both_curves
@pytest.mark.parametrize("k", [3, 6, 11, 18])
def test_elements_at_their_bounds(curve: Curve, k: int) -> None:
    """p - 1 and 0 in turns of every length: what sums and differences are largest of."""
    n, largest, zero = 1 << k, (curve.r - 1).to_bytes(32, "little"), bytes(32)
    with opened("cpu", "gpu:0") as devices:
        for bits in range(k + 1):
            turns = (largest * (1 << bits) + zero * (1 << bits)) * (n >> bits)
            for params in ({}, {"inverse": True, "coset": 7}):
                gpu_values.agree(devices, curve, "ntt", params, [array(turns[: 32 * n])])


@both_curves
@pytest.mark.parametrize("k", [0, 1, 2, 5, 11, 14])
def test_another_root_and_twiddles(curve: Curve, k: int) -> None:
    r, n = curve.r, 1 << k
    root = pow(root_of(curve, k), 5, r)
    powers, power = [], 2**256 % r
    for _ in range(n // 2):
        powers.append(power.to_bytes(32, "little"))
        power = power * root % r
    value, twiddles = array(images(curve, n, k)), array(b"".join(powers))
    with opened("cpu", "gpu:0") as devices:
        for layout in LAYOUTS:
            for more in ({}, {"inverse": True, "coset": 3}):
                params = {"root": hex(root), **more}
                gpu_values.agree(devices, curve, "ntt", params, [value], [], layout)
                gpu_values.agree(devices, curve, "ntt", params, [value], [twiddles], layout)
        if n > 2:
            wrong = array(b"".join([*powers[:-1], powers[0]]))
            got = gpu_values.outcome(
                devices["gpu:0"], curve, "ntt", {"root": hex(root)}, [value], [wrong]
            )
            assert got == [b"ntt: the twiddles are not the powers of the root of unity"]


CUTS = [
    Shape((3, 3, 3), 2, 6),
    Shape((4, 5, 3), 3, 6),
    Shape((3, 6, 4), 3, 10),
    Shape((7, 6), 2, 8),
    Shape((6, 7), 3, 10),
    Shape((9,), 3, 9),
    Shape((5, 4, 6), 3, 7),
    Shape((8, 3), 3, 11),
    Shape((7,), 1, 7),
    Shape((4, 5, 2), 1, 6),
]


@both_curves
@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("limit", [4, 24])
def test_every_cut(curve: Curve, cut: Shape, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with factors from two small tables, as transforms of 2^25 and more have them."""
    monkeypatch.setattr(Plan, "largest_table", limit)
    k = sum(cut.passes)
    image = images(curve, 1 << k, k)
    with opened("cpu", "gpu:0") as devices:
        gpu = devices["gpu:0"]
        assert isinstance(gpu, CudaDevice)
        for coset in (1, 7):
            for inverse in (False, True):
                params = {"coset": coset, "inverse": inverse}
                (expected,) = gpu_values.outcome(
                    devices["cpu"], curve, "ntt", params, [array(image)]
                )
                a = gpu_values.place(gpu, ScalarArray(1 << k), "wrapped slice")
                gpu.write(a, image)
                plan = Plan(gpu, curve, k, root_of(curve, k), coset, inverse, cut)
                with gpu._queue() as queue:
                    plan(queue, a, 0)
                assert gpu.read(a) == expected


@both_curves
@pytest.mark.parametrize("k", [22, 24, 25])
def test_large(curve: Curve, k: int) -> None:
    """There and back, and some elements of the transform by evaluation on the CPU."""
    n = 1 << k
    image, source = images(curve, n, k), random.Random(k)
    with opened("cpu", "gpu:0") as devices:
        cpu, gpu = devices["cpu"], devices["gpu:0"]
        a = gpu_values.place(gpu, ScalarArray(n))
        gpu.write(a, image)
        here = gpu_values.place(cpu, ScalarArray(n))
        cpu.write(here, image)
        call = gpu_values.bound(gpu, curve, "ntt", {"coset": 3}, [a])
        call([a], [])
        got = gpu.read(a)
        for i in (0, 1, n - 1, *(source.randrange(n) for _ in range(3))):
            x = 3 * pow(root_of(curve, k), i, curve.r) % curve.r
            expected = _evaluate(curve, here, x)
            assert got[32 * i : 32 * i + 32] == expected
        gpu_values.bound(gpu, curve, "ntt", {"coset": 3, "inverse": True}, [a])([a], [])
        assert gpu.read(a) == image


def _evaluate(curve: Curve, a: Data, x: int) -> bytearray:
    device = a.block.device
    typ, image = gpu_values.scalar(x, curve)
    y, point = (gpu_values.place(device, typ) for _ in range(2))
    device.write(point, image)
    gpu_values.bound(device, curve, "evaluate", {}, [y], [a, point])([y], [a, point])
    return device.read(y)
