"""Multi-scalar multiplications: what bench_gpu.py measures of them. Every sum is checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Literal

import cupy
import gpu_limits
import numpy as np
from gpu_table import Result
from gpu_timing import bound, milliseconds, place, resolved

from zkrun.algebra.curves import Curve, Fp2Element
from zkrun.devices.base import Data
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.kernels import compile as compiler
from zkrun.devices.cuda.kernels.field_units import group_unit
from zkrun.program.types import Point, PointArray, ScalarArray

Group = Literal["g1", "g2"]
GROUPS: tuple[Group, ...] = ("g1", "g2")
SKEWED = ("all equal", "16 values", "9 of 10 zero", "16 bits", "0 and 1")
BATCHES = (4, 8)
LARGEST_G2 = 20


def multiplication_cases(curve: Curve, log: int) -> Iterator[Result]:
    """Uniform scalars at any size; batches and skewed ones at 2^16 and 2^20, over G1."""
    for group in GROUPS if log <= LARGEST_G2 else GROUPS[:1]:
        with closing(CudaDevice("gpu:0", 0)) as gpu:
            yield from _over(gpu, curve, group, log)


def _over(gpu: CudaDevice, curve: Curve, group: Group, log: int) -> Iterator[Result]:
    n, title = 1 << log, group.upper()
    bases = multiples_of_generator(gpu, curve, group, n)
    limits = gpu_limits.MULTIPLICATION[curve.name] if group == "g1" else {}
    rows = [(title, "uniform", 1)]
    if group == "g1" and log in (16, 20):
        rows += [(f"{title}, {m} vectors over the same bases", "uniform", m) for m in BATCHES]
        rows += [(f"{title}, scalars {kind}", kind, 1) for kind in SKEWED]
    kept = f"{title}, multiples of bases kept"
    rows.append((kept, "uniform", 1))  # last, for they stay as long as the device is open
    for row, kind, count in rows:
        forms = np.ascontiguousarray(montgomery_forms(curve, kind, n))
        vector = place(gpu, ScalarArray(n))
        gpu.write(vector, forms.tobytes())
        sums = [place(gpu, Point(group), bases.item) for _ in range(count)]
        operands = [bases, *[vector] * count]
        call = resolved(curve, "msm", {"multiples": row == kept}, sums, operands)
        taken = milliseconds(gpu.prepare(), bound(gpu, call, sums, operands), 1)
        right = expected(curve, group, forms)
        for data in sums:
            if bytes(gpu.read(data)) != right:
                raise SystemExit(f"{curve.name}: {row}, 2^{log}: WRONG")
            gpu.free(data.block)
        gpu.free(vector.block)
        limit = limits.get(log) if row == title else None
        yield Result(row, log, taken, "ms", limit / taken if limit else None)


def multiples_of_generator(gpu: CudaDevice, curve: Curve, group: Group, count: int) -> Data:
    """G, 2 G, 3 G and so on."""
    kernel = compiler.load(group_unit(curve, group))["multiples"]
    coordinates = [
        value
        for coordinate in (curve.g1 if group == "g1" else curve.g2)
        for value in (coordinate if isinstance(coordinate, tuple) else (coordinate,))
    ]
    image = b"".join(
        (value * curve.base.montgomery_radix % curve.q).to_bytes(curve.base.bytes, "little")
        for value in coordinates
    )
    base = cupy.asarray(np.frombuffer(image, dtype=np.uint64))
    points = place(gpu, PointArray(len=count, group=group), len(image))
    numbers = (np.uint64(points.address), base, np.uint64(1), np.uint64(count))
    kernel((-(-count // 128),), (128,), numbers)
    cupy.cuda.runtime.deviceSynchronize()
    return points


def montgomery_forms(curve: Curve, kind: str, count: int) -> Any:
    """Scalars as they lie in memory."""
    generator = np.random.default_rng(count)
    forms = generator.integers(0, 1 << 64, size=(count, 4), dtype=np.uint64)
    forms[:, 3] %= np.uint64(curve.r >> 192)
    match kind:
        case "uniform":
            return forms
        case "all equal":
            return np.repeat(forms[:1], count, axis=0)
        case "16 values":
            return forms[generator.integers(0, 16, count)]
        case "9 of 10 zero":
            forms[generator.random(count) < 0.9] = 0
            return forms
        case _:
            values = 2 if kind == "0 and 1" else 1 << 16
            radix = curve.scalar.montgomery_radix
            image = b"".join((i * radix % curve.r).to_bytes(32, "little") for i in range(values))
            table = np.frombuffer(image, dtype=np.uint64).reshape(-1, 4)
            return table[generator.integers(0, values, count)]


def expected(curve: Curve, group: Group, forms: Any) -> bytes:
    """The sum of forms[i] / R · (i + 1) G, as it lies in memory."""
    weights = np.arange(1, len(forms) + 1, dtype=np.uint64)
    pieces = forms.view(np.uint16).reshape(len(forms), 16)
    total = sum(
        int((pieces[:, j].astype(np.uint64) * weights).sum()) << (16 * j) for j in range(16)
    )
    scalar = total * pow(curve.scalar.montgomery_radix, -1, curve.r) % curve.r
    return multiply_generator(curve, group, scalar)


def multiply_generator(curve: Curve, group: Group, scalar: int) -> bytes:
    """scalar·G as it lies in memory, by plain integer arithmetic in Fq[u]/(u² + 1)."""
    q = curve.q

    def times(a: Fp2Element, b: Fp2Element) -> Fp2Element:
        return (a[0] * b[0] - a[1] * b[1]) % q, (a[0] * b[1] + a[1] * b[0]) % q

    def minus(a: Fp2Element, b: Fp2Element) -> Fp2Element:
        return (a[0] - b[0]) % q, (a[1] - b[1]) % q

    def inverse(a: Fp2Element) -> Fp2Element:
        scale = pow(a[0] * a[0] + a[1] * a[1], -1, q)
        return a[0] * scale % q, -a[1] * scale % q

    def add(left: Any, right: Any) -> Any:
        if left is None or right is None:
            return left or right
        if left[0] == right[0]:
            if left[1] != right[1]:
                return None
            slope = times(times((3, 0), times(left[0], left[0])), inverse(times((2, 0), left[1])))
        else:
            slope = times(minus(right[1], left[1]), inverse(minus(right[0], left[0])))
        x = minus(minus(times(slope, slope), left[0]), right[0])
        return x, minus(times(slope, minus(left[0], x)), left[1])

    base = curve.g2 if group == "g2" else tuple((value, 0) for value in curve.g1)
    total: Any = None
    for bit in bin(scalar)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, base)
    values = [c for pair in total for c in (pair if group == "g2" else pair[:1])]
    return b"".join(
        (value * curve.base.montgomery_radix % q).to_bytes(curve.base.bytes, "little")
        for value in values
    )
