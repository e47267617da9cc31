"""A set of integers that answers "the smallest member that is at least this" in a few steps."""

from __future__ import annotations

__all__ = ["OrderedSet"]

_BITS = 8
_MASK = (1 << _BITS) - 1
_LEVELS = 8


class OrderedSet:
    """Integers from 0 to 2^64 - 1 in a trie with 256 branches a node.

    A node is a bit mask of the branches that are not empty, found by its level and prefix. Each
    operation looks at no more than 16 nodes, however many members there are.
    """

    def __init__(self) -> None:
        self._levels: list[dict[int, int]] = [{} for _ in range(_LEVELS)]

    def __bool__(self) -> bool:
        return bool(self._levels[-1])

    def add(self, key: int) -> None:
        """Adds a member; nothing changes where it is one already."""
        for level in self._levels:
            prefix, branch = key >> _BITS, key & _MASK
            mask = level.get(prefix, 0)
            level[prefix] = mask | (1 << branch)
            if mask:
                return
            key = prefix

    def remove(self, key: int) -> None:
        """Removes a member; KeyError where it is none."""
        if not self._levels[0].get(key >> _BITS, 0) >> (key & _MASK) & 1:
            raise KeyError(key)
        for level in self._levels:
            prefix, branch = key >> _BITS, key & _MASK
            mask = level[prefix] & ~(1 << branch)
            if mask:
                level[prefix] = mask
                return
            del level[prefix]
            key = prefix

    def ceiling(self, key: int) -> int | None:
        """The smallest member that is at least `key`, or None."""
        for height, level in enumerate(self._levels):
            prefix, branch = key >> _BITS, key & _MASK
            mask = level.get(prefix, 0) >> branch
            if mask:
                return self._smallest(height, (prefix << _BITS) | (branch + _lowest_bit(mask)))
            key = prefix + 1  # everything below this prefix is too small: go on with its neighbour
        return None

    def _smallest(self, height: int, prefix: int) -> int:
        """The smallest member under a branch that is known not to be empty."""
        for level in reversed(self._levels[:height]):
            prefix = (prefix << _BITS) | _lowest_bit(level[prefix])
        return prefix


def _lowest_bit(mask: int) -> int:
    return (mask & -mask).bit_length() - 1
