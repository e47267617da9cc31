"""Copies between every ordered pair of devices, with every kind of view on either side."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import pytest
from device_values import LAYOUTS, place
from hypothesis import given, settings
from hypothesis import strategies as st

from zkrun.algebra.curves import BLS12_381, BN254
from zkrun.devices import host
from zkrun.devices.base import Block, Data, Device
from zkrun.devices.registry import close_devices, describe_devices, open_devices
from zkrun.program.types import GpuBuffer, PointArray, Scalar, ScalarArray, Typ

NAMES = ("cpu", "gpu:0", "gpu:1", "disk")


@pytest.fixture(scope="module", params=["virtual", pytest.param("real", marks=pytest.mark.gpu)])
def devices(request: pytest.FixtureRequest) -> Iterator[dict[str, Device]]:
    """All devices; of real GPUs as many as the machine has, at least one."""
    there = {info.name for info in describe_devices()} | {"disk"}
    names = NAMES if request.param == "virtual" else [name for name in NAMES if name in there]
    if "gpu:0" not in names:
        pytest.skip("needs an NVIDIA GPU and CuPy")
    opened = open_devices(names, gpu=request.param)
    yield opened
    close_devices(opened)
    assert [device.account.current for device in opened.values()] == [0] * len(opened)


@pytest.mark.parametrize("pair", list(product(NAMES, NAMES)), ids="→".join)
def test_every_pair_and_view(devices: dict[str, Device], pair: tuple[str, str]) -> None:
    if not devices.keys() >= set(pair):
        pytest.skip("needs two GPUs")
    source, target = (devices[name] for name in pair)
    chance = random.Random(repr(pair))
    types: list[Typ] = [ScalarArray(n) for n in (0, 1, 2, 5, 300)]
    types += [PointArray(7, "g1"), PointArray(4, "g2"), Scalar()]
    for typ, here, there in product(types, LAYOUTS, LAYOUTS):
        src = place(source, typ, BLS12_381, here)
        dst = place(target, typ, BLS12_381, there)
        around = whole_of(dst)
        before = bytearray(chance.randbytes(around.length * around.item))
        target.write(around, before)
        payload = chance.randbytes(src.length * src.item)
        source.write(src, payload)
        target.copy(dst, src)
        assert target.read(dst) == payload
        assert source.read(src) == payload
        for i in range(dst.length):  # what lies outside of the view is as it was
            at = (dst.offset + i) % dst.whole * dst.item
            before[at : at + dst.item] = payload[i * dst.item : (i + 1) * dst.item]
        assert target.read(around) == before
        for data in (src, dst):
            data.block.device.free(data.block)


def whole_of(data: Data) -> Data:
    return Data(data.typ, data.block, data.address, data.item, data.whole, 0, data.whole)


def test_buffers_are_moved_as_bytes(devices: dict[str, Device]) -> None:
    gpu, other = devices["gpu:0"], devices.get("gpu:1", devices["cpu"])
    src, dst = (place(device, GpuBuffer(1001), BN254) for device in (gpu, other))
    payload = random.Random(3).randbytes(1001)
    gpu.write(src, payload)
    other.copy(dst, src)
    assert other.read(dst) == payload


@pytest.mark.parametrize("pair", [("disk", "disk"), ("disk", "cpu"), ("cpu", "disk")])
def test_more_than_the_bounce_buffer_holds(
    devices: dict[str, Device], pair: tuple[str, str]
) -> None:
    source, target = (devices[name] for name in pair)
    n = (9 << 20) // 32 + 5
    src = place(source, ScalarArray(n), BN254, "wrapped slice")
    dst = place(target, ScalarArray(n), BN254, "slice")
    payload = random.Random(1).randbytes(n * 32)
    source.write(src, payload)
    target.copy(dst, src)
    assert target.read(dst) == payload


views = st.integers(0, 9).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.integers(n, 14).flatmap(lambda w: st.tuples(st.just(w), st.integers(0, max(0, w - 1)))),
        st.integers(n, 14).flatmap(lambda w: st.tuples(st.just(w), st.integers(0, max(0, w - 1)))),
    )
)


@given(views)
@settings(max_examples=300)
def test_joint_runs_pair_up_equal_elements(
    case: tuple[int, tuple[int, int], tuple[int, int]],
) -> None:
    n, (whole_a, offset_a), (whole_b, offset_b) = case
    block = Block(None, 0, 0)  # type: ignore[arg-type]  # no device is asked for anything
    a = Data(ScalarArray(n), block, 1000, 8, whole_a, offset_a, n)
    b = Data(ScalarArray(n), block, 5000, 8, whole_b, offset_b, n)
    pairs = [
        (target + i, source + i)
        for target, source, nbytes in host.joint_runs(a, b)
        for i in range(0, nbytes, 8)
    ]
    assert pairs == [
        (1000 + (offset_a + i) % whole_a * 8, 5000 + (offset_b + i) % whole_b * 8) for i in range(n)
    ]


@given(views)
@settings(max_examples=100)
def test_part_is_a_view_of_a_view(case: tuple[int, tuple[int, int], tuple[int, int]]) -> None:
    n, (whole, offset), _ = case
    block = Block(None, 0, 0)  # type: ignore[arg-type]  # no device is asked for anything
    data = Data(ScalarArray(n), block, 0, 1, whole, offset, n)
    positions = [at + i for at, nbytes in data.runs() for i in range(nbytes)]
    assert len(positions) == n
    for start in range(n + 1):
        inner = host.part(data, start, n - start)
        assert [at + i for at, nbytes in inner.runs() for i in range(nbytes)] == positions[start:]


def test_a_payload_of_the_wrong_size_is_refused(devices: dict[str, Device]) -> None:
    for device in devices.values():
        data = place(device, ScalarArray(3), BN254)
        with pytest.raises(ValueError, match="95 bytes for a value of 96"):
            device.write(data, bytes(95))


def test_integers_and_buffers_for_implementers(devices: dict[str, Device]) -> None:
    cpu = devices["cpu"]
    data = place(cpu, ScalarArray(4), BN254, "wrapped slice")
    host.store_integers(data, BN254, [1, 2, BN254.r - 1, BN254.r + 5])
    assert host.integers(data, BN254) == [1, 2, BN254.r - 1, 5]
    pieces = host.buffers(data)
    assert [piece.nbytes for piece in pieces] == [64, 64]
    pieces[1][:32] = bytes(32)
    assert host.integers(data, BN254) == [1, 2, 0, 5]
    assert host.buffers(place(cpu, ScalarArray(0), BN254)) == ()
