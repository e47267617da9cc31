"""Who has which range of the scratch file."""

from __future__ import annotations

from zkrun.devices.account import Account
from zkrun.devices.disk.scratch_file import ScratchFile
from zkrun.memory import BestFitAllocator

__all__ = ["Space"]

_LENGTH = 1 << 62  # positions of the file: it is as long as what is in use at its far end
_GRANULE = 4096  # what file systems set aside and give back
_SMALL = 64 << 10
_SLAB = 1 << 20


class Space:
    """Divides a file. Its owner guards it by a lock.

    The file system sets space aside for large ranges one by one, and takes it back when they are
    freed. Both take milliseconds, so small ranges share slabs of 1 MiB.
    """

    def __init__(self, file: ScratchFile, account: Account) -> None:
        self._file = file
        self._account = account
        self._ranges = BestFitAllocator(_LENGTH, _GRANULE)
        self._slabs: dict[int, BestFitAllocator] = {}  # by position
        self._slab_of: dict[int, int] = {}  # positions of small ranges and of their slabs

    def take(self, nbytes: int) -> int:
        """The position of a fresh range, 64-byte aligned. ResourceLimit where there is no space."""
        if nbytes > _LENGTH // 2:
            raise self._account.refusal(nbytes, "no file can be that long")
        size = _counted(nbytes)
        self._account.take(size)
        try:
            return self._take_small(size) if size <= _SMALL else self._take_range(size)
        except BaseException:
            self._account.give(size)
            raise

    def give(self, position: int, nbytes: int) -> None:
        """Takes a range back."""
        size = _counted(nbytes)
        if size > _SMALL:
            self._give_range(position)
        else:
            start = self._slab_of.pop(position)
            slab = self._slabs[start]
            slab.free(position - start)
            if not slab.used and len(self._slabs) > 1:
                del self._slabs[start]
                self._give_range(start)
        self._account.give(size)

    def _take_small(self, size: int) -> int:
        found = self._place(size)
        if found is None:
            self._slabs[self._take_range(_SLAB)] = BestFitAllocator(_SLAB)
            found = self._place(size)
        assert found is not None  # a fresh slab is larger than any small range
        return found

    def _place(self, size: int) -> int | None:
        for start, slab in self._slabs.items():
            if (offset := slab.allocate(size)) is not None:
                self._slab_of[start + offset] = start
                return start + offset
        return None

    def _take_range(self, size: int) -> int:
        position = self._ranges.allocate(size)
        assert position is not None  # nothing that a disk holds fills half of the positions
        try:
            self._file.reserve(position, self._ranges.block_size(size))
        except BaseException:
            self._ranges.free(position)
            raise
        return position

    def _give_range(self, position: int) -> None:
        self._file.release(position, self._ranges.free(position))


def _counted(nbytes: int) -> int:
    return -(-max(nbytes, 1) // 64) * 64
