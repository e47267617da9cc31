"""Arrays on disk: ranges of one unnamed file, moved by pread and pwrite."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from zkrun.devices import host
from zkrun.devices.account import Account
from zkrun.devices.base import Block, Cancelled, Clock, Data, Device, Function, Stream
from zkrun.devices.disk.scratch_file import ScratchFile, read_into, write_from
from zkrun.devices.disk.space import Space
from zkrun.devices.reserved import ReservedArena
from zkrun.errors import RunFailed
from zkrun.program.signature import Call

__all__ = ["DiskDevice"]

_BOUNCE = 4 << 20


class DiskDevice(Device):
    """Addresses are positions in the file of the block: `owner` is its descriptor.

    Freed space goes back to the file system at once. It is not overwritten: a file without a name
    can be read by nobody else, and what the medium keeps of it is beyond a program's reach.
    """

    def __init__(self, name: str, folder: Path | None = None, limit: int | None = None) -> None:
        self.name = name
        self.account = Account(name, limit)
        self._lock = threading.Lock()
        self._file: ScratchFile | None = ScratchFile(folder or Path(tempfile.gettempdir()))
        self._space = Space(self._file, self.account)
        self._arena: ReservedArena | None = None
        self._cancelled = False

    def reserve(self, nbytes: int) -> None:
        self._arena = ReservedArena(self.name, nbytes, self._take(nbytes), self._scratch().fd)

    def allocate(self, nbytes: int, offset: int | None) -> Block:
        if offset is None:
            return Block(self, self._take(nbytes), nbytes, self._scratch().fd)
        return ReservedArena.block(self._arena, self, offset, nbytes)

    def free(self, block: Block) -> None:
        if self._arena is not None and block.arena:
            self._arena.free(block)
            return
        with self._lock:
            if self._file is not None:
                self._space.give(block.address, block.nbytes)

    def adopt(self, fd: int, offset: int, nbytes: int) -> Block:
        """A range of an open file as a block, read in place; the caller closes the descriptor.

        It is not counted and must not be freed.
        """
        return Block(self, offset, nbytes, fd)

    def read(self, data: Data) -> bytearray:
        payload = bytearray(data.length * data.item)
        target = memoryview(payload)
        for position, nbytes in data.runs():
            self._fill(target[:nbytes], data.block.owner, position)
            target = target[nbytes:]
        return payload

    def write(self, data: Data, payload: bytes | bytearray | memoryview) -> None:
        source = memoryview(payload).cast("B")
        if source.nbytes != data.length * data.item:
            raise ValueError(f"{source.nbytes} bytes for a value of {data.length * data.item}")
        for position, nbytes in data.runs():
            self._drain(source[:nbytes], data.block.owner, position)
            source = source[nbytes:]

    def copy(self, dst: Data, src: Data) -> None:
        device = src.block.device
        if device.host_memory:
            for position, address, nbytes in host.joint_runs(dst, src):
                self._drain(host.memory(address, nbytes), dst.block.owner, position)
            return
        step = max(1, _BOUNCE // dst.item)  # from disk, or from a device with memory of its own
        for start in range(0, dst.length, step):
            count = min(step, dst.length - start)
            self.write(host.part(dst, start, count), device.read(host.part(src, start, count)))

    def copy_to_host(self, dst: Data, src: Data) -> None:
        for address, position, nbytes in host.joint_runs(dst, src):
            self._fill(host.memory(address, nbytes), src.block.owner, position)

    def bind(self, call: Call) -> Function:
        raise RunFailed(
            f"{call.signature.name}: nothing is computed on disk; transfer the values first"
        )

    def open_stream(self, clock: Clock, fail: Callable[[int, BaseException], None]) -> Stream:
        raise RunFailed(f"{self.name} has no streams; they belong to a GPU")

    def cancel(self) -> None:
        self._cancelled = True

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
                self.account.give(self.account.current)

    def _scratch(self) -> ScratchFile:
        if self._file is None:
            raise Cancelled("the disk was closed")
        return self._file

    def _take(self, nbytes: int) -> int:
        with self._lock:
            self._scratch()
            return self._space.take(nbytes)

    def _fill(self, target: memoryview, fd: int, position: int) -> None:
        while target:
            self._check()
            count = read_into(fd, target, position)
            target, position = target[count:], position + count

    def _drain(self, source: memoryview, fd: int, position: int) -> None:
        while source:
            self._check()
            count = write_from(fd, source, position)
            source, position = source[count:], position + count

    def _check(self) -> None:
        if self._cancelled:
            raise Cancelled("the run was cancelled")
