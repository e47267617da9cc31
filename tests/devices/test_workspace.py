"""A buffer behind the mutable operands of a call is memory to work in: results stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from device_values import (
    bind,
    call,
    multiples,
    place,
    points,
    random_scalars,
    scalar,
    scalars,
)

from zkrun.algebra.curves import BLS12_381, BN254, Curve
from zkrun.devices.base import Data, Device
from zkrun.devices.cuda.plans.scratch import buffer_bytes, scratch_bytes, workspace_bytes
from zkrun.devices.registry import buffer, close_devices, describe_devices, open_devices
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.types import GpuBuffer, Point, PointArray, Scalar, ScalarArray

CURVE: Curve = BN254
N = 1 << 11


@pytest.fixture(params=["virtual", pytest.param("real", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest) -> Iterator[Device]:
    if request.param == "virtual":
        devices = open_devices(["gpu:0"], gpu="virtual")
    elif any(info.name == "gpu:0" for info in describe_devices()):
        devices = open_devices(["gpu:0"])
    else:
        pytest.skip("needs an NVIDIA GPU and CuPy")
    yield devices["gpu:0"]
    close_devices(devices)
    assert devices["gpu:0"].account.current == 0


Operands = tuple[dict[str, Any], list[Data], list[Data]]


def _sums(gpu: Device) -> Operands:
    bases = points(gpu, CURVE, "g1", multiples(CURVE, "g1", [3, 5, 0, 7] * (N // 8)))
    vectors = [scalars(gpu, CURVE, random_scalars(CURVE, N // 2, seed)) for seed in (1, 2)]
    return {}, [place(gpu, Point("g1"), CURVE) for _ in vectors], [bases, *vectors]


def _recurrence(gpu: Device) -> Operands:
    a = scalars(gpu, CURVE, random_scalars(CURVE, N))
    return {}, [place(gpu, ScalarArray(N), CURVE)], [a, scalar(gpu, CURVE, 7)]


def _permutation(gpu: Device) -> Operands:
    table = random_scalars(CURVE, N, 3)
    ins = [scalars(gpu, CURVE, [table[i * i % 50] for i in range(N)]), scalars(gpu, CURVE, table)]
    return {"usable": N}, [place(gpu, ScalarArray(N), CURVE) for _ in ins], ins


def _in_place(gpu: Device) -> Operands:
    return {}, [scalars(gpu, CURVE, random_scalars(CURVE, N), "rotated")], []


def _evaluation(gpu: Device) -> Operands:
    _, _, ins = _recurrence(gpu)
    return {}, [place(gpu, Scalar(), CURVE)], ins


OPERANDS: dict[str, Callable[[Device], Operands]] = {
    "msm": _sums,
    "ntt": _in_place,
    "batch_invert": _in_place,
    "scan_mul": _recurrence,
    "kate_division": _recurrence,
    "evaluate": _evaluation,
    "permute": _permutation,
}


def _buffer(gpu: Device, nbytes: int, start: int) -> Data:
    """Bytes from `start` of a buffer, filled so that no kernel may rely on what is there."""
    block = gpu.allocate(start + nbytes, None)
    gpu.write(
        Data(GpuBuffer(start + nbytes), block, block.address, 1, start + nbytes, 0, start + nbytes),
        b"\xa5" * (start + nbytes),
    )
    return Data(GpuBuffer(nbytes), block, block.address, 1, start + nbytes, start, nbytes)


@pytest.mark.parametrize("name", OPERANDS)
def test_results_are_the_same(gpu: Device, name: str) -> None:
    found = []
    for size in (None, "enough", "too few"):
        params, mutable, immutable = OPERANDS[name](gpu)
        given = []
        if size:
            types = ([data.typ for data in mutable], [data.typ for data in immutable])
            one, _ = resolve_call(FunctionEntry(name, params), CURVE, *types)
            assert one is not None
            nbytes = buffer_bytes(one) if size == "enough" else scratch_bytes(one) // 2
            given = [_buffer(gpu, nbytes, 64)]
        call(gpu, CURVE, name, params, [*mutable, *given], immutable)
        found.append([bytes(gpu.read(data)) for data in mutable])
        for data in (*mutable, *immutable, *given):
            gpu.free(data.block)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("gpu", ["virtual"], indirect=True)
def test_the_virtual_gpu_leaves_nothing_in_the_buffer(gpu: Device) -> None:
    params, mutable, immutable = _in_place(gpu)
    given = _buffer(gpu, 300, 100)
    before = bytes(gpu.read(given))
    call(gpu, CURVE, "ntt", params, [*mutable, given], immutable)
    assert bytes(gpu.read(given)) != before
    outside = Data(GpuBuffer(100), given.block, given.address, 1, 400, 0, 100)
    assert bytes(gpu.read(outside)) == b"\xa5" * 100
    for data in (*mutable, *immutable, given):
        gpu.free(data.block)


@pytest.mark.gpu
@pytest.mark.parametrize("gpu", ["real"], indirect=True)
@pytest.mark.parametrize("name", OPERANDS)
def test_a_real_gpu_takes_no_other_memory(gpu: Device, name: str) -> None:
    params, mutable, immutable = OPERANDS[name](gpu)
    types = ([data.typ for data in mutable], [data.typ for data in immutable])
    one, _ = resolve_call(FunctionEntry(name, params), CURVE, *types)
    assert one is not None
    given = [_buffer(gpu, buffer_bytes(one), 64)]
    function = bind(gpu, CURVE, name, params, [*mutable, *given], immutable)
    stream = gpu.open_stream(lambda *span: None, lambda at, error: None)
    held = gpu.account.current
    stream.run(0, lambda: function([*mutable, *given], immutable))
    stream.synchronize()
    assert gpu.account.current - held <= 1 << 10  # words for failures
    stream.close()
    for data in (*mutable, *immutable, *given):
        gpu.free(data.block)


def test_what_lies_in_a_buffer_is_not_taken_twice() -> None:
    array = ScalarArray(1 << 16)
    entry, types = FunctionEntry("msm", {}), [PointArray(1 << 16, "g1"), array]
    plain, _ = resolve_call(entry, BLS12_381, [Point("g1")], types)
    assert plain is not None
    assert plain.workspace is None
    nbytes = buffer("gpu:0", plain)
    assert nbytes == buffer_bytes(plain) > 1 << 20
    assert buffer("cpu", plain) == 0
    given, _ = resolve_call(entry, BLS12_381, [Point("g1"), GpuBuffer(nbytes)], types)
    less, _ = resolve_call(entry, BLS12_381, [Point("g1"), GpuBuffer(nbytes - 1)], types)
    assert given is not None
    assert less is not None
    assert (given.mutable, given.workspace) == (plain.mutable, GpuBuffer(nbytes))
    assert workspace_bytes([given]) == workspace_bytes([])
    assert workspace_bytes([less]) == workspace_bytes([plain]) > workspace_bytes([])


def test_a_buffer_elsewhere_does_not_fit() -> None:
    entry = FunctionEntry("permute", {"usable": 5})
    array, given = ScalarArray(8), GpuBuffer(1 << 20)
    for mutable, immutable in (
        ([array, given, array], [array, array]),
        ([array, array, given, given], [array, array]),
        ([array, given], [array, array]),
        ([array, array], [array, array, given]),
    ):
        found, problems = resolve_call(entry, CURVE, mutable, immutable)
        assert found is None
        assert problems
