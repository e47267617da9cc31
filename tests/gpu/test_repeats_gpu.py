"""Calls of several kernels that come again: the graphs they are made into."""

import pytest
from gpu_oracle import cupy
from gpu_values import both_curves, bound, images, opened, place

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data, Device
from zkrun.devices.cuda import repeats
from zkrun.program.types import Scalar, ScalarArray

pytestmark = pytest.mark.gpu

N = 5000


def quotient(curve: Curve, coefficients: bytes, x: bytes) -> bytes:
    """(p - p(x))/(X - x) in big integers."""
    r, radix = curve.r, pow(2, 256, curve.r)
    point = int.from_bytes(x, "little") * pow(radix, -1, r) % r
    p = [int.from_bytes(coefficients[i : i + 32], "little") for i in range(0, 32 * N, 32)]
    q, value = [0] * N, 0
    for i in reversed(range(1, N)):
        value = (p[i] + point * value) % r
        q[i - 1] = value
    return b"".join(v.to_bytes(32, "little") for v in q)


def values(gpu: Device, curve: Curve, seed: int) -> tuple[Data, bytes]:
    data, image = place(gpu, ScalarArray(N)), images(curve, N, seed)
    gpu.write(data, image)
    return data, image


@both_curves
def test_calls_again_with_other_values(curve: Curve) -> None:
    with opened("gpu:0") as devices:
        gpu = devices["gpu:0"]
        p, _ = values(gpu, curve, 1)
        q, x = place(gpu, ScalarArray(N)), place(gpu, Scalar())
        divide = bound(gpu, curve, "kate_division", {}, [q], [p, x])
        for seed in range(4):
            image, at = images(curve, N, seed), images(curve, 1, seed)
            gpu.write(p, image)
            gpu.write(x, at)
            divide([q], [p, x])
            assert bytes(gpu.read(q)) == quotient(curve, image, at)
        for data in (p, q, x):
            gpu.free(data.block)


@both_curves
def test_more_calls_than_are_kept(curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    """All queued at once: graphs are let go while they are still to run."""
    monkeypatch.setattr(repeats, "_MOST_PREPARED", 3)
    with opened("gpu:0") as devices:
        gpu = devices["gpu:0"]
        sources = [values(gpu, curve, seed) for seed in range(8)]
        x, at = place(gpu, Scalar()), images(curve, 1, 9)
        gpu.write(x, at)
        targets = [place(gpu, ScalarArray(N)) for _ in sources]
        divide = bound(gpu, curve, "kate_division", {}, targets[:1], [sources[0][0], x])
        failures: list[BaseException] = []
        stream = gpu.open_stream(lambda *span: None, lambda at, error: failures.append(error))
        for turn in range(3):
            for (source, _), target in zip(sources, targets, strict=True):
                stream.run(turn, lambda s=source, t=target: divide([t], [s, x]))
        stream.synchronize()
        assert not failures
        for (_, image), target in zip(sources, targets, strict=True):
            assert bytes(gpu.read(target)) == quotient(curve, image, at)
        for data in (*(source for source, _ in sources), *targets, x):
            gpu.free(data.block)


@both_curves
def test_without_memory_for_a_graph(curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernels are launched one by one."""

    def fail(*arguments: object) -> int:
        raise cupy.cuda.runtime.CUDARuntimeError(2)

    monkeypatch.setattr(repeats, "instantiate", fail)
    with opened("gpu:0") as devices:
        gpu = devices["gpu:0"]
        p, image = values(gpu, curve, 1)
        q, x = place(gpu, ScalarArray(N)), place(gpu, Scalar())
        at = images(curve, 1, 2)
        gpu.write(x, at)
        bound(gpu, curve, "kate_division", {}, [q], [p, x])([q], [p, x])
        assert bytes(gpu.read(q)) == quotient(curve, image, at)
        for data in (p, q, x):
            gpu.free(data.block)
