"""How transforms are cut into passes, and the memory of their tables: known without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ELEMENT",
    "FACTOR",
    "HELD",
    "LARGEST_TABLE",
    "Shape",
    "best_shape",
    "has_factors_apart",
    "held_by",
    "table_bytes",
]

HELD = (1, 2, 3)
"""Bits of the elements that a thread may have."""

LARGEST_TABLE = 24
"""Bits of the longest transform that has a table as long as it is."""

ELEMENT, FACTOR = 32, 64
"""Bytes of an element, and of a factor with its quotient."""

_SHORTEST = 3  # bits of a transform that is cut into passes: a thread does what is shorter
_GRANULE = 256  # bytes that memory of a GPU comes by


@dataclass(frozen=True, slots=True)
class Shape:
    """How a transform is cut: the bits of each pass, of a thread's elements and of a tile.

    Every pass has more bits than a thread's elements, or tiles of several columns, and no tile more
    than 2^8 threads.
    """

    passes: tuple[int, ...]
    held: int
    tile: int


_LONG = {
    18: (9, 9),
    19: (9, 10),
    20: (9, 11),
    21: (9, 6, 6),
    22: (8, 8, 6),
    23: (9, 8, 6),
    24: (9, 9, 6),
    25: (9, 8, 8),
    26: (9, 9, 8),
}


def best_shape(k: int) -> Shape:
    """The fastest shape known for 2^k elements, as measured on an H200.

    Short transforms wait more than they compute, so many threads share them; where there is enough
    for all, threads of eight elements save passes through shared memory.
    """
    if k < 9:
        return Shape((k,), 1, 8)
    if k < 17:
        return Shape(_even(k, 2), 1, 8)
    if k == 17:
        return Shape((9, 8), 2, 9)
    return Shape(_LONG.get(k) or _even(k, 3), 3, 10)


def held_by(k: int) -> int:
    """Bits of the elements that a thread has of 2^k; 0 where there are no passes."""
    return best_shape(k).held if k >= _SHORTEST else 0


def has_factors_apart(k: int, coset: bool, inverse: bool, tables: bool = True) -> bool:
    """Whether powers of the coset, and the scale of an inverse, take a pass of their own."""
    return k >= _SHORTEST and _is_long(k, tables) and (coset or inverse)


def _is_long(k: int, tables: bool) -> bool:
    return k > LARGEST_TABLE or not tables


def _even(k: int, passes: int) -> tuple[int, ...]:
    return tuple(k // passes + (i < k % passes) for i in range(passes))


def table_bytes(k: int, coset: bool, inverse: bool, tables: bool = True) -> int:
    """At most so many bytes of tables for a transform of 2^k elements: those of `ntt.Plan`."""
    if k < _SHORTEST:
        return 0
    shape, is_long = best_shape(k), _is_long(k, tables)
    sizes = [_twiddles(m, shape.held) * FACTOR for m in set(shape.passes)]
    if has_factors_apart(k, coset, inverse, tables):
        sizes += _two_tables(k, ELEMENT)
    left = k
    for number, m in enumerate(shape.passes):
        if number == len(shape.passes) - 1:
            if inverse and not is_long and (coset or number == 0):
                sizes.append(FACTOR << m)
        elif is_long:
            sizes += _two_tables(left, FACTOR)
        else:
            sizes.append((FACTOR if number else ELEMENT) << left)
        if number == 0 and coset and not inverse and not is_long:
            sizes.append(FACTOR << m)
        left -= m
    return sum(-(-size // _GRANULE) * _GRANULE for size in sizes)


def _two_tables(bits: int, item: int) -> tuple[int, int]:
    return item << bits // 2, item << (bits - bits // 2)


def _twiddles(m: int, held: int) -> int:
    """Twiddles of all steps within tiles of 2^m rows."""
    count, low = 0, m - held
    while low > 0:
        count += 1 << (held + low)
        low -= min(low, held)
    return count
