"""Copies that happen again and again: through pinned slabs first, then from locked pages."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpu_values import images, opened, place

from zkrun.algebra.curves import BN254
from zkrun.devices.account import Account
from zkrun.devices.base import Data, Device, Event
from zkrun.devices.cpu.pool import Pool
from zkrun.devices.cuda import copies
from zkrun.devices.host import address_of
from zkrun.devices.pages import SEGMENT, locked
from zkrun.devices.registry import close_devices, describe_devices, open_devices
from zkrun.program.decode import decode
from zkrun.program.types import ScalarArray
from zkrun.runtime.constants import LoadedConstant, load_constants
from zkrun.runtime.constants import place as place_constant

pytestmark = pytest.mark.gpu

TIMES = 5
LENGTHS = (1, 3000, 1 << 18, (17 << 20) // 32 + 1, 2 * SEGMENT // 32 + 77)
LAYOUTS = ("whole", "slice", "wrapped slice")


@pytest.fixture
def devices() -> Iterator[dict[str, Device]]:
    with opened("cpu", "gpu:0") as devices:
        yield devices


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_of_the_cpu(devices: dict[str, Device], n: int, layout: str) -> None:
    cpu, gpu = devices["cpu"], devices["gpu:0"]
    source = place(cpu, ScalarArray(n), layout)
    region = source.block.owner  # memory that may have been copied, and locked, before
    locked.unlock(region.address, region.nbytes)
    there = place(gpu, ScalarArray(n), "slice")
    back = place(cpu, ScalarArray(n), layout)
    for time in range(TIMES):
        image = images(BN254, n, time)
        cpu.write(source, image)
        gpu.copy(there, source)
        cpu.copy(back, there)
        assert cpu.read(back) == image
    assert locked.overlap(source.block.address, source.block.nbytes) == (n >= 1 << 18)
    for data in (source, there, back):
        data.block.device.free(data.block)


def test_freed_memory_is_wiped_and_the_next_run_has_the_same_pages() -> None:
    n = 2 * SEGMENT // 32
    addresses = set()
    for time in range(TIMES):
        with opened("cpu", "gpu:0") as devices:
            cpu, gpu = devices["cpu"], devices["gpu:0"]
            data, there = place(cpu, ScalarArray(n)), place(gpu, ScalarArray(n))
            assert not any(cpu.read(data))
            addresses.add(data.address)
            image = images(BN254, n, time)
            gpu.write(there, image)
            cpu.copy(data, there)
            assert cpu.read(data) == image
            cpu.free(data.block)
            again = place(cpu, ScalarArray(n))
            assert again.address == data.address
            assert not any(cpu.read(again))
            gpu.copy(there, again)
            assert not any(gpu.read(there))
            cpu.free(again.block)
            gpu.free(there.block)
    assert len(addresses) == 1
    assert locked.overlap(addresses.pop(), 32 * n)


def test_inputs_are_locked_until_they_go(devices: dict[str, Device]) -> None:
    cpu, gpu, n = devices["cpu"], devices["gpu:0"], 2 * SEGMENT // 32 + 1234
    image = bytearray(images(BN254, n, 1))
    where = (address_of(image), len(image))
    block = cpu.adopt(*where, image)  # type: ignore[attr-defined]  # the CPU's
    data = Data(ScalarArray(n), block, block.address, 32, n, 0, n)
    there = place(gpu, ScalarArray(n))
    for time in range(TIMES):
        image[time] ^= 1
        gpu.copy(there, data)
        assert gpu.read(there) == image
    assert locked.overlap(*where)
    locked.unlock(*where)
    assert not locked.overlap(*where)
    gpu.copy(there, data)
    assert gpu.read(there) == image
    locked.unlock(*where)
    gpu.free(there.block)


def constant(folder: Path, n: int, lead: int) -> LoadedConstant:
    """An array in a file, with other data before and behind it."""
    (folder / "c").write_bytes(bytes(lead) + images(BN254, n, 5) + b"more")
    data = {"file": "c", "offset": lead, "nbytes": 32 * n, "encoding": "montgomery"}
    entry = {"name": "c", "typ": {"kind": "ScalarArray", "len": n}, "device": "cpu", "data": data}
    body = [{"op": "LoadConstant", "src": 0, "dst": 0}, {"op": "Return", "id": 0}]
    head = {"format": "zkrun", "version": 1, "curve": "bn254", "functions": [], "inputs": []}
    whole = {**head, "constants": [entry], "instructions": body}
    return load_constants(decode(json.dumps(whole).encode(), folder=folder))[0]


@pytest.mark.parametrize("lead", [0, 64, 4096 + 2080])
@pytest.mark.parametrize("n", [3000, 1 << 18, SEGMENT // 32 + 777])
def test_constants_in_files_are_locked_from_run_to_run(tmp_path: Path, n: int, lead: int) -> None:
    one, image = constant(tmp_path, n, lead), images(BN254, n, 5)
    for run in range(3):
        devices = open_devices(("cpu", "gpu:0"), gpu="real")
        data = place_constant(one, devices["cpu"], BN254)
        there = place(devices["gpu:0"], ScalarArray(n), "slice")
        for time in range(4):
            devices["gpu:0"].write(there, bytes(32 * n))
            devices["gpu:0"].copy(there, data)
            assert devices["gpu:0"].read(there) == image
            is_locked = all(part[2] for part in locked.parts(data.address, 32 * n))
            assert is_locked == (run > 0 or time > 0)
        pages = -(-(32 * n + lead % 4096) // 4096) * 4096
        assert devices["cpu"].account.current == pages
        close_devices(devices)
    one.close()
    assert not locked.overlap(data.address, 32 * n)
    assert devices["cpu"].account.current == 0


def test_a_limit_keeps_constants_from_being_locked(tmp_path: Path) -> None:
    n = 1 << 18
    one, image = constant(tmp_path, n, 64), images(BN254, n, 5)
    with opened("cpu", "gpu:0", limits={"cpu": 32 * n}) as devices:
        data = place_constant(one, devices["cpu"], BN254)
        there = place(devices["gpu:0"], ScalarArray(n))
        for _ in range(4):
            devices["gpu:0"].copy(there, data)
        assert devices["gpu:0"].read(there) == image
        assert not locked.overlap(data.address, 32 * n)
        assert devices["cpu"].account.current == 0
        devices["gpu:0"].free(there.block)
    one.close()


def test_work_and_copies_keep_the_order_of_a_stream(devices: dict[str, Device]) -> None:
    cpu, gpu, n = devices["cpu"], devices["gpu:0"], SEGMENT // 32
    source, back = place(cpu, ScalarArray(n)), place(cpu, ScalarArray(n))
    there = place(gpu, ScalarArray(n))
    failures: list[BaseException] = []
    stream = gpu.open_stream(lambda *span: None, lambda at, error: failures.append(error))
    for time in range(TIMES):
        image, event = images(BN254, n, time), Event()
        cpu.write(source, image)
        stream.run(0, lambda: gpu.copy(there, source))
        stream.run(1, lambda: cpu.copy(back, there))
        stream.record(2, event)
        event.wait()
        assert cpu.read(back) == image
    assert not failures
    stream.close()
    for data in (source, there, back):
        data.block.device.free(data.block)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n", LENGTHS)
def test_from_one_gpu_to_another(n: int, layout: str) -> None:
    if all(info.name != "gpu:1" for info in describe_devices()):
        pytest.skip("needs two GPUs")
    with opened("cpu", "gpu:0", "gpu:1") as devices:
        first, second = devices["gpu:0"], devices["gpu:1"]
        a, b, c = (place(gpu, ScalarArray(n), layout) for gpu in (first, second, first))
        failures: list[BaseException] = []
        streams = [
            gpu.open_stream(lambda *span: None, lambda at, error: failures.append(error))
            for gpu in (first, second)
        ]
        for time in range(TIMES):
            image, there, back = images(BN254, n, time), Event(), Event()
            first.write(a, image)
            streams[time % 2].run(0, lambda: second.copy(b, a))
            streams[time % 2].record(1, there)
            streams[1].wait(2, there)
            streams[1].run(3, lambda: first.copy(c, b))
            streams[1].record(4, back)
            back.wait()
            assert second.read(b) == image
            assert first.read(c) == image
        assert not failures
        for stream in streams:
            stream.close()
        for data in (a, b, c):
            data.block.device.free(data.block)


def test_where_nothing_can_be_locked_all_goes_through_slabs(
    devices: dict[str, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_locker", lambda device: lambda address, nbytes: None)
    cpu, gpu, n = devices["cpu"], devices["gpu:0"], SEGMENT // 32 + 5
    source, there, back = (place(device, ScalarArray(n)) for device in (cpu, gpu, cpu))
    for time in range(TIMES):
        image = images(BN254, n, time)
        cpu.write(source, image)
        gpu.copy(there, source)
        cpu.copy(back, there)
        assert cpu.read(back) == image
    assert not locked.overlap(source.block.address, source.block.nbytes)
    for data in (source, there, back):
        data.block.device.free(data.block)


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Iterator[None]:
    """Memory that a run keeps for the next one goes with a run that does not use it."""
    yield
    Pool(Account("cpu")).close()
