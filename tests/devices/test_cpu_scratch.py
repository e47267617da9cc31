"""What kernels of the CPU take beside operands: what is measured is at most what plans count with,
and not much less."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import ModuleType
from typing import Any

import pytest
from device_values import CURVES, encode, multiples, place, scalar, scalars

from zkrun.algebra.curves import BN254, Curve
from zkrun.devices import host_device
from zkrun.devices.base import Data
from zkrun.devices.cpu.device import CpuDevice
from zkrun.devices.cpu.native_module import load, supported_isas
from zkrun.devices.cpu.scratch import THREADS, call_bytes, workspace_bytes
from zkrun.devices.registry import workspace
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.signature import Call
from zkrun.program.types import Group, Point, PointArray, Scalar, ScalarArray, Typ

LENGTHS = [0, 1, 2, 3, 7, 31, 32, 33, 255, 257, 1023, 1025, 4095, 4096, 4097, 1 << 14, 65535, 65537]
EXPRESSION = "y0 = x0*x1 + 3*x2; y1 = (x0 - x2)^5*y0 + 7"

Make = Callable[[CpuDevice, Curve], "Operands"]
Operands = tuple[dict[str, Any], list[Data], list[Data]]
both_curves = pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
with_threads = pytest.mark.parametrize("threads", [1, 3, 32])


@pytest.fixture(params=["portable", "ifma"])  # adx is portable in what it takes
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """One of the builds for devices to use; its number of threads is put back."""
    if request.param not in supported_isas():
        pytest.skip(f"this processor cannot run the {request.param} build")
    module = load(request.param)
    monkeypatch.setattr(host_device, "native", lambda: module)
    before = module.threads()
    yield module
    module.set_threads(before)


def measure(curve: Curve, name: str, make: Make) -> tuple[int, Call]:
    """The bytes that a call takes on a fresh device beside its operands, and the call."""
    cpu = CpuDevice("cpu")
    try:
        params, mutable, immutable = make(cpu, curve)
        types = [data.typ for data in mutable], [data.typ for data in immutable]
        call, problems = resolve_call(FunctionEntry(name, params), curve, *types)
        assert call is not None, problems
        function = cpu.bind(call)
        held = cpu.account.current
        assert cpu.account.peak == held
        function(mutable, immutable)
        assert cpu.account.current == held
        return cpu.account.peak - held, call
    finally:
        cpu.close()


def check(build: ModuleType, curve: Curve, name: str, make: Make, threads: int) -> None:
    build.set_threads(threads)
    measured, call = measure(curve, name, make)
    bound = call_bytes(call, threads)
    assert measured <= bound <= workspace_bytes([call])
    if threads == 1:  # else whether all of them are at work at once is a matter of timing
        assert bound <= 1.5 * measured + (64 << 10 if build.isa == "ifma" else 320 << 10)


def array(cpu: CpuDevice, curve: Curve, n: int, layout: str = "whole") -> Data:
    data = place(cpu, ScalarArray(n), curve, layout)
    source = random.Random(n)
    payload = bytearray(source.randbytes(32 * n))
    payload[31::32] = bytes(n)  # below the modulus
    cpu.write(data, payload)
    return data


@cache
def some_points(curve: Curve, group: Group) -> bytes:
    flat = [c for value in multiples(curve, group, range(1, 20)) for c in value or ()]
    return encode(flat, curve.q, curve.base.bytes)


def bases(cpu: CpuDevice, curve: Curve, group: Group, n: int, layout: str = "whole") -> Data:
    data = place(cpu, PointArray(n, group), curve, layout)
    cpu.write(data, (some_points(curve, group) * (n // 19 + 1))[: n * data.item])
    return data


def _in_place(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    return {}, [array(cpu, curve, n, "rotated")], []


def _recurrence(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    result = place(cpu, ScalarArray(n), curve, "wrapped slice")
    return {}, [result], [array(cpu, curve, n, "rotated"), scalar(cpu, curve, 7)]


def _evaluation(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    _, _, ins = _recurrence(n, cpu, curve)
    return {}, [place(cpu, Scalar(), curve)], ins


def _fused(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    ins = [array(cpu, curve, n, "rotated"), scalar(cpu, curve, 7), array(cpu, curve, n)]
    return {"expr": EXPRESSION}, [place(cpu, ScalarArray(n), curve) for _ in range(2)], ins


def _permutation(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    ins = [array(cpu, curve, n, "rotated") for _ in range(2)]
    return {"usable": n}, [place(cpu, ScalarArray(n), curve) for _ in ins], ins


def _product(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    ins = [array(cpu, curve, n, "rotated") for _ in range(2)]
    return {}, [place(cpu, ScalarArray(n), curve, "rotated")], ins


def _scaled(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    ins = [array(cpu, curve, n, "rotated"), scalar(cpu, curve, 7)]
    return {}, [place(cpu, ScalarArray(n), curve, "rotated")], ins


def _powers(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    return {}, [array(cpu, curve, n, "rotated")], [array(cpu, curve, 5)]


def _filled(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    return {"value": "one_coef"}, [place(cpu, ScalarArray(n), curve)], []


OPERANDS: dict[str, Callable[[int, CpuDevice, Curve], Operands]] = {
    "batch_invert": _in_place,
    "evaluate": _evaluation,
    "kate_division": _recurrence,
    "scan_mul": _recurrence,
    "fused_arith": _fused,
    "permute": _permutation,
    "poly_add": _product,
    "poly_sub": _product,
    "poly_mul": _product,
    "poly_scale": _scaled,
    "distribute_powers": _powers,
    "fill": _filled,
}


@both_curves
@with_threads
@pytest.mark.parametrize("name", OPERANDS)
def test_functions_of_scalars(build: ModuleType, curve: Curve, name: str, threads: int) -> None:
    for n in LENGTHS:
        check(build, curve, name, partial(OPERANDS[name], n), threads)


def _interpolation(n: int, cpu: CpuDevice, curve: Curve) -> Operands:
    values = [scalar(cpu, curve, i) for i in range(n)]
    return {}, [place(cpu, ScalarArray(n), curve)], [*values, *values]


@both_curves
def test_interpolation(build: ModuleType, curve: Curve) -> None:
    for n in (0, 1, 2, 3, 33, 300):
        check(build, curve, "interpolate", partial(_interpolation, n), 1)


def _transform(k: int, inverse: bool, coset: int, cpu: CpuDevice, curve: Curve) -> Operands:
    params = {"inverse": inverse, "coset": coset}
    return params, [scalars(cpu, curve, [0] * (1 << k)) if k < 3 else array(cpu, curve, 1 << k)], []


@both_curves
@with_threads
def test_transforms(build: ModuleType, curve: Curve, threads: int) -> None:
    for k in range(17):
        for inverse, coset in ((False, 1), (True, 7)):
            check(build, curve, "ntt", partial(_transform, k, inverse, coset), threads)


def _sum(lengths: list[int], group: Group, layout: str, cpu: CpuDevice, curve: Curve) -> Operands:
    vectors = [array(cpu, curve, n, layout) for n in lengths]
    results = [place(cpu, Point(group), curve) for _ in lengths]
    return {}, results, [bases(cpu, curve, group, max(lengths) + 1, layout), *vectors]


@both_curves
@with_threads
@pytest.mark.parametrize("group", ["g1", "g2"])
def test_sums(build: ModuleType, curve: Curve, group: Group, threads: int) -> None:
    most = 14 if group == "g1" and build.isa == "ifma" else 11
    lengths = [[0], [1], [2], [5, 1000]]
    lengths += [
        [(1 << k) + d] for k in range(4, most + 1, 2 if threads > 1 else 1) for d in (-1, 1)
    ]
    for some in lengths:
        check(build, curve, "msm", partial(_sum, some, group, "rotated"), threads)


@pytest.mark.parametrize("lengths", [[1 << 16], [(1 << 18) + 5], [1 << 12, 1 << 17, 30]], ids=str)
@pytest.mark.parametrize("build", ["ifma"], indirect=True)
def test_large_sums(build: ModuleType, lengths: list[int]) -> None:
    check(build, BN254, "msm", partial(_sum, lengths, "g1", "whole"), 1)


def test_a_run_takes_what_its_largest_call_takes() -> None:
    def call(name: str, mutable: list[Typ], immutable: list[Typ], **params: object) -> Call:
        found, problems = resolve_call(FunctionEntry(name, params), BN254, mutable, immutable)
        assert found is not None, problems
        return found

    vector = ScalarArray(1 << 12)
    transform = call("ntt", [vector], [])
    sums = call("msm", [Point("g1")], [PointArray(1 << 12, "g1"), vector])
    assert call_bytes(sums, 1) < call_bytes(sums, THREADS)
    assert 0 < call_bytes(transform) < call_bytes(sums)
    assert workspace_bytes([]) == 0
    assert workspace_bytes([transform, sums, transform]) == call_bytes(sums)
    assert workspace("cpu", [transform, sums]) == call_bytes(sums)
    assert workspace("cpu", [call("scalar_invert", [Scalar()], [])]) == 0
    assert workspace("disk", [transform, sums]) == 0
