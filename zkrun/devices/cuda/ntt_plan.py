"""How transforms are cut into passes, and the memory of their tables: known without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LARGEST_TABLE", "Shape", "best_shape", "table_bytes"]

LARGEST_TABLE = 24
"""Bits of the longest transform that has a table as long as it is."""

_ITEM = 32
_GRANULE = 256  # bytes that memory of a GPU comes by


@dataclass(frozen=True, slots=True)
class Shape:
    """How a transform is cut: the bits of each pass, of a thread's elements and of a tile.

    Every pass has more bits than a thread's elements, or tiles of several columns.
    """

    passes: tuple[int, ...]
    held: int
    tile: int


def best_shape(k: int) -> Shape:
    """The fastest shape known for 2^k elements, as measured on an H200."""
    if k <= 10:
        return Shape((k,), 2 if k < 9 else 3, 10)
    if k <= 16:
        return Shape(_even(k, 2), 2, 9)
    if k <= 20:
        return Shape(_even(k, 2), 3, 10)
    return Shape(_even(k, 3), 2, 9)


def _even(k: int, passes: int) -> tuple[int, ...]:
    return tuple(k // passes + (i < k % passes) for i in range(passes))


def table_bytes(k: int, coset: bool, inverse: bool, tables: bool = True) -> int:
    """At most so many bytes of tables for a transform of 2^k elements: those of `ntt.Plan`."""
    if k < 3:
        return 0
    shape, is_long = best_shape(k), k > LARGEST_TABLE or not tables
    lengths = [_twiddles(m, shape.held) for m in set(shape.passes)]
    if is_long and (coset or inverse):
        lengths += (1 << k // 2, 1 << (k - k // 2))
    left = k
    for number, m in enumerate(shape.passes):
        if number == len(shape.passes) - 1:
            if inverse and not is_long and (coset or number == 0):
                lengths.append(1 << m)
        elif is_long:
            lengths += (1 << left // 2, 1 << (left - left // 2))
        else:
            lengths.append(1 << left)
        if number == 0 and coset and not inverse and not is_long:
            lengths.append(1 << m)
        left -= m
    return sum(-(-length * _ITEM // _GRANULE) * _GRANULE for length in lengths)


def _twiddles(m: int, held: int) -> int:
    """Twiddles of all steps within tiles of 2^m rows."""
    count, low = 0, m - held
    while low > 0:
        count += 1 << (held + low)
        low -= min(low, held)
    return count
