"""Memory of the host devices: what it costs, that it is wiped and given back."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from device_values import place, scalars

from zkrun.algebra.curves import BN254
from zkrun.devices import host
from zkrun.devices.account import bytes_text
from zkrun.devices.base import Block, Device
from zkrun.devices.cpu import pool as pool_module
from zkrun.devices.cpu.pool import POISON
from zkrun.devices.registry import close_devices, open_devices
from zkrun.errors import ResourceLimit, RunFailed
from zkrun.program.types import ScalarArray

SIZES = (
    0,
    1,
    31,
    32,
    64,
    96,
    4096,
    5000,
    1 << 17,
    200_000,
    1 << 20,
    (1 << 24) - 32,
    1 << 24,
    20 << 20,
)


@pytest.fixture(params=["cpu", "gpu:0"])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device whose memory is the host's."""
    devices = open_devices([request.param], gpu="virtual")
    yield devices[request.param]
    close_devices(devices)
    assert devices[request.param].account.current == 0


def test_blocks_are_aligned_disjoint_and_all_given_back(device: Device) -> None:
    before = device.account.current
    blocks = [device.allocate(n, None) for n in SIZES for _ in range(3)]
    for i, block in enumerate(blocks):
        assert block.address % 64 == 0
        host.memory(block.address, block.nbytes)[:] = bytes([i]) * block.nbytes
    for i, block in enumerate(blocks):
        content = host.memory(block.address, block.nbytes)
        assert bytes(content[:100]) == bytes([i]) * min(100, block.nbytes)
        assert bytes(content[-100:]) == bytes([i]) * min(100, block.nbytes)
    held = sum(SIZES) * 3
    assert held <= device.account.current - before <= held + len(blocks) * 4096
    for block in random.Random(1).sample(blocks, len(blocks)):
        device.free(block)
    assert device.account.current == before
    assert device.account.peak >= before + held


def test_freed_memory_is_wiped() -> None:
    cpu = open_devices(["cpu"])["cpu"]
    for n in SIZES[1:]:
        block = cpu.allocate(n, None)
        content = host.memory(block.address, n)
        content[:] = b"\xaa" * n
        cpu.free(block)
        assert content.nbytes == n
        assert bytes(content) == bytes(n)  # its addresses stay mapped
    cpu.close()


def test_memory_of_a_virtual_gpu_is_poisoned_before_and_after_its_life() -> None:
    devices = open_devices(["gpu:0"], gpu="virtual")
    gpu = devices["gpu:0"]
    for n in SIZES[1:]:
        block = gpu.allocate(n, None)
        content = host.memory(block.address, n)
        assert set(content[:100]) == set(content[-100:]) == {POISON}
        content[:] = b"\xaa" * n
        gpu.free(block)
        assert set(content[:100]) == set(content[-100:]) == {POISON}
        assert 0xAA not in bytes(content)
    close_devices(devices)


def test_poison_is_an_element_below_every_modulus() -> None:
    from zkrun.algebra.curves import CURVES

    for curve in CURVES.values():
        for field in (curve.scalar, curve.base):
            value = int.from_bytes(bytes([POISON]) * field.bytes, "little")
            assert value < field.modulus
        x = y = int.from_bytes(bytes([POISON]) * curve.base.bytes, "little") * pow(
            curve.base.montgomery_radix, -1, curve.q
        )
        assert (y * y - x**3 - curve.b) % curve.q


def test_the_limit_names_what_was_asked_and_what_is_held() -> None:
    cpu = open_devices(["cpu"], limits={"cpu": 3 << 20})["cpu"]
    first = cpu.allocate(1 << 20, None)
    for n in (1 << 21) + 64, 1 << 24, 1 << 40:
        with pytest.raises(ResourceLimit, match=r"cpu: .* more .* 1\.00 MiB held .* 3\.00 MiB"):
            cpu.allocate(n, None)
    with pytest.raises(ResourceLimit, match="limit"):
        cpu.reserve(4 << 20)
    second = cpu.allocate(1 << 21, None)  # exactly full
    with pytest.raises(ResourceLimit):
        cpu.allocate(0, None)
    cpu.free(first)
    cpu.allocate(1 << 20, None)
    cpu.free(second)
    assert cpu.account.peak == 3 << 20
    cpu.close()


@pytest.mark.parametrize("nbytes", [1 << 50, 2**62, 2**64, 2**70])
def test_more_than_the_machine_has_is_refused_at_once(device: Device, nbytes: int) -> None:
    before = device.account.current
    refusal = f"{device.name}: .* more cannot be taken: {bytes_text(before)} held already"
    with pytest.raises(ResourceLimit, match=refusal):
        device.allocate(nbytes, None)
    with pytest.raises(ResourceLimit):
        device.reserve(nbytes)
    assert device.account.current == before


def test_promised_memory_counts_before_it_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = {"MemAvailable": 100 << 20, "RssAnon": 1 << 20}
    monkeypatch.setattr(pool_module, "_kibibytes", lambda path, key: machine[key])
    monkeypatch.setattr(pool_module, "_group_headroom", lambda: None)
    cpu = open_devices(["cpu"])["cpu"]
    cpu.allocate(60 << 20, None)
    with pytest.raises(ResourceLimit, match=r"only 41\.00 MiB are left on this machine"):
        cpu.allocate(60 << 20, None)
    cpu.allocate(30 << 20, None)
    cpu.close()


def test_little_memory_is_taken_without_asking_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[None]()
    monkeypatch.setattr(pool_module, "available_memory", lambda: asked.append(None))
    cpu = open_devices(["cpu"])["cpu"]
    cpu.allocate((1 << 20) - 64, None)
    assert not asked
    cpu.allocate(1 << 24, None)
    assert len(asked) == 1
    cpu.close()


def test_the_control_group_bounds_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text("5000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 300\nactive_file 20\n")
    (tmp_path / "memory.max").write_text("9000\n")
    assert pool_module._group_headroom(str(tmp_path)) == 4320
    (tmp_path / "memory.max").write_text("max\n")
    assert pool_module._group_headroom(str(tmp_path)) is None
    assert pool_module._group_headroom(str(tmp_path / "absent")) is None


@pytest.mark.parametrize("name", ["cpu", "gpu:0", "disk"])
def test_the_arena(name: str) -> None:
    devices = open_devices([name], gpu="virtual")
    device = devices[name]
    with pytest.raises(RunFailed, match="needs an entry in `memory`"):
        device.allocate(64, 0)
    device.reserve(4096)
    assert device.account.current == 4096
    a, b = device.allocate(128, 0), device.allocate(64, 128)
    assert b.address - a.address == 128
    assert a.arena
    assert a.address % 64 == 0
    with pytest.raises(RunFailed, match="not freed yet"):
        device.allocate(64, 64)
    with pytest.raises(RunFailed, match="arena of 4096 bytes"):
        device.allocate(64, 4096)
    empty = device.allocate(0, 4096)
    free = device.allocate(0, None)
    device.free(empty)
    device.free(a)
    c = device.allocate(64, 64)
    assert c.address - a.address == 64
    device.free(free)
    for block in (b, c):
        device.free(block)
    assert device.account.current == 4096
    close_devices(devices)


def test_freeing_arena_memory_leaves_its_bytes_to_queued_work() -> None:
    cpu = open_devices(["cpu"])["cpu"]
    cpu.reserve(1 << 12)
    block = cpu.allocate(64, 0)
    host.memory(block.address, 64)[:] = b"x" * 64
    cpu.free(block)
    assert bytes(host.memory(block.address, 64)) == b"x" * 64
    cpu.close()


def test_adopted_memory_is_neither_counted_nor_wiped() -> None:
    from zkrun.devices.cpu.device import CpuDevice

    cpu = open_devices(["cpu"])["cpu"]
    assert isinstance(cpu, CpuDevice)
    image = bytearray(range(64))
    block = cpu.adopt(host.address_of(image), 64, image)
    assert cpu.account.current == 0
    data = place(cpu, ScalarArray(2), BN254)
    data.block, data.address = block, block.address
    assert cpu.read(data) == image
    cpu.close()
    assert image == bytes(range(64))


def test_many_threads_allocate_and_free(device: Device) -> None:
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        chance, live = random.Random(seed), list[tuple[Block, int]]()
        try:
            for _ in range(300):
                if live and chance.random() < 0.5:
                    block, mark = live.pop(chance.randrange(len(live)))
                    assert set(host.memory(block.address, block.nbytes)) <= {mark}
                    device.free(block)
                else:
                    block = device.allocate(chance.choice((32, 64, 96, 1024, 3000, 70000)), None)
                    mark = chance.randrange(256)
                    host.memory(block.address, block.nbytes)[:] = bytes([mark]) * block.nbytes
                    live.append((block, mark))
            for block, _ in live:
                device.free(block)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert device.account.current == 0


PROCESS = """
import ctypes, re, sys
from zkrun.devices import host
from zkrun.devices.account import bytes_text
from zkrun.devices.registry import open_devices

def status(key):
    return int(re.search(key + r":\\s*(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

cpu = open_devices(["cpu"])["cpu"]
before = status("VmRSS")
rounds = ([1 << 24] * 4 + [3 << 20] * 8, [1 << 20] * 64 + [777777] * 50, [40 << 20] * 3)
for sizes in rounds:
    blocks = [cpu.allocate(n, None) for n in sizes]
    for block in blocks:
        ctypes.memset(block.address, 120, block.nbytes)
    for block in blocks:
        cpu.free(block)
    print("left", status("RssAnon") - before)
print("peak", status("VmHWM") - before, cpu.account.peak)
cpu.close()
"""


def test_the_peak_is_what_the_process_really_took() -> None:
    out = subprocess.run(
        [sys.executable, "-P", "-c", PROCESS], capture_output=True, text=True, check=True
    ).stdout
    match = re.search(r"peak (-?\d+) (\d+)", out)
    assert match is not None
    resident, counted = map(int, match.groups())
    assert abs(resident - counted) < 12 << 20  # of 120 MiB
    for line in re.findall(r"left (-?\d+)", out):
        assert int(line) < 8 << 20  # freed memory went back to the system


def test_values_survive_while_others_come_and_go(device: Device) -> None:
    values = list(range(1000))
    kept = [scalars(device, BN254, values, "wrapped slice") for _ in range(3)]
    for n in SIZES:
        device.free(device.allocate(n, None))
    for data in kept:
        assert host.integers(data, BN254) == values


def test_bytes_as_people_read_them() -> None:
    texts = [bytes_text(nbytes) for nbytes in (0, 1, 1023, 1024, 3 << 29, 1 << 90)]
    assert texts == ["0 bytes", "1 byte", "1023 bytes", "1.00 KiB", "1.50 GiB", "1.07e+09 EiB"]
