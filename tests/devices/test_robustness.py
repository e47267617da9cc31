"""What faulty programs and repeated runs do to devices: garbage in memory, cancellation, leaks."""

from __future__ import annotations

import contextlib
import gc
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from device_values import CURVES, bind, call, place, random_scalars, scalars

from zkrun.algebra.curves import BN254, Curve
from zkrun.devices.base import Cancelled, Data, Device
from zkrun.devices.registry import close_devices, open_devices
from zkrun.errors import RunFailed
from zkrun.program.types import Point, PointArray, Scalar, ScalarArray, Typ


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
@pytest.mark.parametrize("fill", [b"\xff", b"\x80", b"random"])
def test_garbage_crashes_no_kernel(device: Device, curve: Curve, fill: bytes) -> None:
    """A race or a faulty file may leave limbs at or above the modulus, and points on no curve."""

    def garbage(typ: Typ) -> Data:
        data = place(device, typ, curve, "wrapped slice")
        nbytes = data.length * data.item
        noise = random.Random(7).randbytes(nbytes)
        device.write(data, noise if fill == b"random" else fill * nbytes)
        return data

    def array(n: int) -> Data:
        return garbage(ScalarArray(n))

    def scalar() -> Data:
        return garbage(Scalar())

    for n in (1, 8, 100, 1024):
        calls: list[tuple[str, dict[str, Any], list[Data], list[Data]]] = [
            ("poly_add", {}, [array(n)], [array(n), array(n)]),
            ("poly_mul", {}, [array(n)], [array(n), array(n)]),
            ("poly_scale", {}, [array(n)], [array(n), scalar()]),
            ("fused_arith", {"expr": "y0 = x0*x0 - x1 + x1^5"}, [array(n)], [array(n), array(n)]),
            ("batch_invert", {}, [array(n)], []),
            ("scalar_invert", {}, [scalar()], []),
            ("scalar_pow", {"exp": 77}, [scalar()], []),
            ("evaluate", {}, [scalar()], [array(n), scalar()]),
            ("kate_division", {}, [array(n)], [array(n), scalar()]),
            ("scan_mul", {}, [array(n)], [array(n), scalar()]),
            ("distribute_powers", {}, [array(n)], [array(3)]),
            ("permute", {"usable": n}, [array(n), array(n)], [array(n), array(n)]),
            ("msm", {}, [garbage(Point("g1"))], [garbage(PointArray(n, "g1")), array(n)]),
            ("msm", {}, [garbage(Point("g2"))], [garbage(PointArray(n, "g2")), array(n)]),
        ]
        if n != 100:
            calls.append(("ntt", {}, [array(n)], []))
            calls.append(("ntt", {"inverse": True, "coset": 5}, [array(n)], []))
        for name, params, mutable, immutable in calls:
            with contextlib.suppress(RunFailed):
                call(device, curve, name, params, mutable, immutable)


@pytest.mark.parametrize("name", ["ntt", "batch_invert", "msm"])
def test_kernels_stop_once_the_run_is_cancelled(device: Device, name: str) -> None:
    a = scalars(device, BN254, random_scalars(BN254, 1 << 14))
    bases = place(device, PointArray(1 << 14), BN254)
    device.write(bases, bytes(64 << 14))
    arguments = {"msm": ([place(device, Point(), BN254)], [bases, a])}
    mutable, immutable = arguments.get(name, ([a], []))
    function = bind(device, BN254, name, {}, mutable, immutable)
    device.cancel()
    device.cancel()
    with pytest.raises(Cancelled):
        function(mutable, immutable)


def test_runs_leave_no_files_threads_or_memory() -> None:
    def one_run() -> None:
        devices = open_devices(["cpu", "gpu:0", "disk"], gpu="virtual")
        cpu, gpu, disk = devices.values()
        for device in (cpu, gpu, disk):
            device.reserve(1 << 20)
        source = scalars(cpu, BN254, list(range(1 << 12)))
        target = place(gpu, ScalarArray(1 << 12), BN254)
        stored = place(disk, ScalarArray(1 << 12), BN254)
        stream = gpu.open_stream(lambda *_: None, lambda *_: None)
        stream.run(0, lambda: gpu.copy(target, source))
        stream.run(1, lambda: call(gpu, BN254, "ntt", {}, [target]))
        stream.synchronize()
        disk.copy(stored, target)
        close_devices(devices)

    def state() -> tuple[int, int, int]:
        gc.collect()
        files = len(list(Path("/proc/self/fd").iterdir()))
        mappings = Path("/proc/self/maps").read_text("ascii").count("\n")
        return files, threading.active_count(), mappings

    one_run()
    before = state()
    for _ in range(20):
        one_run()
    files, threads, mappings = state()
    assert (files, threads) == before[:2]
    assert mappings <= before[2] + 5
