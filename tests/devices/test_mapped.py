"""Mapped files whose pages are locked: what counts, what bounds it, and what ends it."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zkrun.algebra.curves import BN254
from zkrun.devices import mapped
from zkrun.devices.base import Data, Device
from zkrun.devices.cpu.device import CpuDevice
from zkrun.devices.mapped import MappedFile
from zkrun.devices.pages import LockedPages, locked
from zkrun.program.decode import decode
from zkrun.runtime.constants import LoadedConstant, close_constants, load_constants, place

N = 3 << 16  # elements: 6 MiB
LEAD = mmap.PAGESIZE + 96
Fake = Callable[[int, int], Callable[[], None] | None]


def load(folder: Path, **data: Any) -> LoadedConstant:
    typ = {"kind": "ScalarArray", "len": N}
    constant = {"name": "c", "typ": typ, "device": "cpu", "data": data}
    body = [{"op": "LoadConstant", "src": 0, "dst": 0}, {"op": "Return", "id": 0}]
    head = {"format": "zkrun", "version": 1, "curve": "bn254", "functions": [], "inputs": []}
    whole = {**head, "constants": [constant], "instructions": body}
    document = decode(json.dumps(whole).encode(), folder=folder)
    return load_constants(document)[0]


@pytest.fixture
def constant(tmp_path: Path) -> Iterator[LoadedConstant]:
    (tmp_path / "c").write_bytes(bytes(LEAD) + bytes(range(256)) * (N // 8))
    one = load(tmp_path, file="c", offset=LEAD, nbytes=32 * N, encoding="montgomery")
    yield one
    one.close()


@pytest.fixture
def cpu() -> Iterator[CpuDevice]:
    device = CpuDevice("cpu")
    yield device
    device.close()


class Locker:
    """Does as what locks a file's pages for a GPU."""

    def __init__(self, file: MappedFile) -> None:
        self.file, self.now = file, set[tuple[int, int]]()

    def __call__(self, address: int, nbytes: int) -> Callable[[], None] | None:
        if not self.file.may_lock(nbytes):
            return None
        self.now.add((address, nbytes))
        self.file.note(nbytes)

        def unlock() -> None:
            self.now.remove((address, nbytes))
            self.file.note(-nbytes)

        return unlock


def copied(lock: Fake, data: Data) -> bool:
    """Copies a constant; whether all of it was locked."""
    owner = data.block.owner
    parts = locked.copy(lock, (owner.address, owner.nbytes), data.address, 32 * data.whole)
    return all(is_locked for _, _, is_locked in list(parts))


def test_locked_pages_count_from_run_to_run(constant: LoadedConstant, cpu: CpuDevice) -> None:
    file = constant.file
    assert file is not None
    assert file.address % mmap.PAGESIZE == 0
    assert file.address + LEAD % mmap.PAGESIZE == constant.address
    data, lock = place(constant, cpu, BN254), Locker(file)
    assert data.block.owner is file
    assert not copied(lock, data)
    assert cpu.account.current == 0
    assert copied(lock, data)
    assert cpu.account.current == cpu.account.peak == file.nbytes
    cpu.close()
    other = CpuDevice("cpu", limit=file.nbytes)
    again = place(constant, other, BN254)
    assert again.address == data.address  # mapped once
    assert other.account.current == file.nbytes
    assert copied(lock, again)
    other.free(other.allocate(file.nbytes, None))  # the program comes first
    constant.close()
    constant.close()
    assert lock.now == set()
    assert other.account.current == 0
    assert MappedFile._all_locked == 0
    other.close()


def test_a_limit_bounds_what_is_locked(constant: LoadedConstant) -> None:
    file = constant.file
    assert file is not None
    cpu = CpuDevice("cpu", limit=file.nbytes + 63)
    block, data, lock = cpu.allocate(64, None), place(constant, cpu, BN254), Locker(file)
    assert [copied(lock, data) for _ in range(4)] == [False] * 4
    assert cpu.account.current == 64
    cpu.free(block)
    cpu.close()


def test_the_machine_bounds_what_is_locked(
    constant: LoadedConstant, cpu: CpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = constant.file
    assert file is not None
    place(constant, cpu, BN254)
    for available, room in ((2 * file.nbytes, True), (2 * file.nbytes - 1, False), (None, True)):
        monkeypatch.setattr(mapped, "available_memory", lambda available=available: available)
        assert file.may_lock(file.nbytes) is room


def test_constants_in_memory_are_locked_until_they_go(tmp_path: Path, cpu: Device) -> None:
    (tmp_path / "c").write_bytes(bytes(32 * N))
    one = load(tmp_path, file="c", nbytes=32 * N, encoding="canonical")
    data, now = place(one, cpu, BN254), list[int]()
    image = data.block.owner
    assert isinstance(image, bytearray)

    def lock(address: int, nbytes: int) -> Callable[[], None]:
        now.append(address)
        return lambda: now.remove(address)

    for _ in range(3):
        list(locked.copy(lock, (data.address, len(image)), data.address, len(image)))
    assert now
    close_constants([one])
    assert now == []


def test_what_is_nobodys_on_the_first_and_last_page_need_not_be_copied() -> None:
    pages, address = LockedPages(), 1 << 40
    lock: Fake = lambda address, nbytes: lambda: None  # noqa: E731  # as short as it is
    whole = (address, 1 << 20)
    for is_locked in (False, True):
        parts = list(pages.copy(lock, whole, address + 96, (1 << 20) - 4096))
        assert parts == [(address + 96, (1 << 20) - 4096, is_locked)]
