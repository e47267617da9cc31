"""The buddy allocator: blocks of power-of-two sizes, each aligned to its own size.

Source: Knowlton, "A fast storage allocator", CACM 8(10), 1965; Knuth, TAOCP volume 1, section 2.5.
"""

from __future__ import annotations

__all__ = ["BuddyAllocator"]


class BuddyAllocator:
    """Hands out offsets in a space of `size` bytes; requests are rounded up to a power of two.

    `smallest` (a power of two) is the smallest block. A space whose size is no power of two is used
    but for a rest below `smallest`. Every operation takes O(log(size / smallest)) steps, and the
    same requests always get the same offsets.
    """

    def __init__(self, size: int, smallest: int = 64) -> None:
        if size < 0 or smallest <= 0 or smallest & (smallest - 1):
            raise ValueError("size must not be negative, smallest must be a power of two")
        self.size = size
        self.used = 0
        self._smallest = smallest
        self._free: dict[int, dict[int, None]] = {}  # block size -> offsets, as an ordered set
        self._taken: dict[int, int] = {}  # offset -> block size
        start = 0
        while (rest := size - start) >= smallest:
            block = 1 << (rest.bit_length() - 1)
            self._free[block] = {start: None}
            start += block
        self._largest = 1 << (size.bit_length() - 1) if size else 0

    def block_size(self, nbytes: int) -> int:
        """The size of the block that a request of `nbytes` gets."""
        return max(self._smallest, 1 << max(nbytes - 1, 0).bit_length())

    def allocate(self, nbytes: int) -> int | None:
        """The offset of a fresh block, or None where none is free."""
        block = self.block_size(nbytes)
        found = block
        while not self._free.get(found):
            found <<= 1
            if found > self._largest:
                return None
        offset, _ = self._free[found].popitem()
        while found > block:  # keep the lower half, hand the upper one back
            found >>= 1
            self._free.setdefault(found, {})[offset + found] = None
        self._taken[offset] = block
        self.used += block
        return offset

    def free(self, offset: int) -> int:
        """Takes a block back, merged with its free neighbours; returns its size."""
        block = merged = self._taken.pop(offset)
        self.used -= block
        while (free := self._free.get(merged)) and (buddy := offset ^ merged) in free:
            del free[buddy]
            offset &= ~merged
            merged <<= 1
        self._free.setdefault(merged, {})[offset] = None
        return block
