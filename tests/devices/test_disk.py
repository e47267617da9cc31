"""The disk device: files that nobody sees, and space that is really there."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from device_values import place

from zkrun.algebra.curves import BN254
from zkrun.devices.base import Data
from zkrun.devices.disk import scratch_file
from zkrun.devices.disk.device import DiskDevice
from zkrun.errors import ResourceLimit, RunFailed
from zkrun.program.types import ScalarArray


def test_the_file_has_no_name_and_goes_with_the_device(tmp_path: Path) -> None:
    disk = DiskDevice("disk", tmp_path)
    before = os.statvfs(tmp_path).f_bavail
    data = place(disk, ScalarArray(1 << 19), BN254)
    disk.write(data, bytes(16 << 20))
    assert list(tmp_path.iterdir()) == []
    assert (before - os.statvfs(tmp_path).f_bavail) * os.statvfs(tmp_path).f_frsize > 0
    assert disk.account.current == 16 << 20
    disk.close()
    disk.close()
    assert disk.account.current == 0
    assert disk.account.peak == 16 << 20


def test_a_file_system_without_unnamed_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def without(path: str, flags: int, *rest: int, **named: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return real_open(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", without)
    disk = DiskDevice("disk", tmp_path)
    data = place(disk, ScalarArray(3), BN254, "wrapped slice")
    disk.write(data, bytes(range(96)))
    assert disk.read(data) == bytes(range(96))
    assert list(tmp_path.iterdir()) == []
    disk.close()


PROCESS = """
import sys
from pathlib import Path
from zkrun.devices.disk.device import DiskDevice

disk = DiskDevice("disk", Path(sys.argv[1]))
blocks = [disk.allocate(1 << 20, None) for _ in range(4)]
disk.reserve(1 << 20)
print("ready", flush=True)
sys.stdin.read()
"""


def test_nothing_is_left_after_a_kill(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PROCESS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_freed_space_is_given_back_and_used_again(tmp_path: Path) -> None:
    disk = DiskDevice("disk", tmp_path)
    fd = disk.allocate(1, None).owner
    used = os.fstat(fd).st_blocks
    for _ in range(20):
        block = disk.allocate(1 << 20, None)
        disk.free(block)
    assert os.fstat(fd).st_blocks <= used + 16
    assert os.fstat(fd).st_size <= 2 << 20
    disk.close()


def test_small_ranges_share_slabs_and_stay_apart(tmp_path: Path) -> None:
    disk = DiskDevice("disk", tmp_path)
    chance, live = random.Random(1), list[tuple[Data, bytes]]()
    for _ in range(600):
        if live and chance.random() < 0.45:
            data, content = live.pop(chance.randrange(len(live)))
            assert disk.read(data) == content
            disk.free(data.block)
        else:
            data = place(disk, ScalarArray(chance.choice((0, 1, 3, 200, 2048, 2049))), BN254)
            content = chance.randbytes(data.length * 32)
            disk.write(data, content)
            live.append((data, content))
    assert os.fstat(live[0][0].block.owner).st_size < 64 << 20
    for data, content in live:
        assert disk.read(data) == content
        disk.free(data.block)
    assert disk.account.current == 0
    disk.close()


def test_a_full_disk_is_found_when_space_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = DiskDevice("disk", tmp_path)
    with pytest.raises(ResourceLimit, match=r"do not fit into .* are free"):
        disk.allocate(1 << 60, None)
    with pytest.raises(ResourceLimit, match="no file can be that long"):
        disk.allocate(1 << 64, None)

    def full(fd: int, offset: int, nbytes: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ResourceLimit, match="No space left on device"):
        disk.allocate(100, None)
    with pytest.raises(ResourceLimit):
        disk.reserve(100)
    assert disk.account.current == 0
    disk.close()


def test_the_limit(tmp_path: Path) -> None:
    disk = DiskDevice("disk", tmp_path, 8192)
    disk.allocate(4096, None)
    with pytest.raises(ResourceLimit, match=r"8\.00 KiB more .* 4\.00 KiB held .* 8\.00 KiB"):
        disk.allocate(8192, None)
    disk.allocate(4000, None)
    disk.close()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="No such file or directory"):
        DiskDevice("disk", tmp_path / "absent")


def test_a_file_in_place(tmp_path: Path) -> None:
    path = tmp_path / "constant.bin"
    path.write_bytes(bytes(40) + bytes(range(96)))
    disk = DiskDevice("disk", tmp_path)
    with path.open("rb") as file:
        block = disk.adopt(file.fileno(), 40, 96)
        data = Data(ScalarArray(3), block, block.address, 32, 3, 1, 3)
        assert disk.read(data) == bytes(range(32, 96)) + bytes(range(32))
        assert disk.account.current == 0
        os.truncate(path, 50)
        with pytest.raises(RunFailed, match="ended early"):
            disk.read(data)
    disk.close()


def test_short_reads_and_writes_are_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch_file, "_MOST", 7)
    disk = DiskDevice("disk", tmp_path)
    data = place(disk, ScalarArray(5), BN254, "wrapped slice")
    disk.write(data, bytes(range(160)))
    assert disk.read(data) == bytes(range(160))
    disk.close()
