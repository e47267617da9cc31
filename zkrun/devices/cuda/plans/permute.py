"""How `permute` lays out its scratch memory, known without a GPU: permute.cuh and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

__all__ = [
    "BUCKETED_ROWS",
    "BUCKET_ROWS",
    "LONG",
    "MOST_BUCKETS",
    "MOST_ROWS",
    "SHORT",
    "SORT_STATES",
    "Layout",
    "Tiles",
    "plan_permutation",
]

MOST_ROWS = 2**31 - 1
"""Counts of rows have 31 bits."""

STATE_BYTES, SORT_STATES = 73984, 64  # as in permute.cuh; where those of the sorts begin
_VALUES, _BUFFERS, _RECORD = 256, 4, 8  # of a digit; of records, and as many of tiles; bytes


@dataclass(frozen=True, slots=True)
class Tiles:
    """Rows of a tile of the sort, and of one of what comes behind it; the kernels for them."""

    name: str
    sort: int
    sort_shared: int  # bytes
    match: int


SHORT = Tiles("short", 384 * 4, 26624, 256 * 2)  # as in sort_pass.cuh, sort.cuh and permute.cuh
LONG = Tiles("long", 384 * 12, 51200, 256 * 8)
_SHORT_ROWS = 1 << 17  # with more, long tiles are enough for all multiprocessors
BUCKETED_ROWS = 1 << 13  # with more, buckets pay, even though they may be tried for nothing
BUCKET_ROWS, MOST_BUCKETS = 1024, 1 << 14  # rows of a bucket, if values are spread evenly
_FEW_ROWS, _SOME_BUCKETS = 256, 512  # so few of them where there would not be so many buckets
_BUCKETS, _COUNT, _NUMBERS = 64, 128, 3  # bytes of their state and a count; what else each has
_MOST_IN_BUCKET = 1280  # likewise as in permute_buckets.cuh
_DEVIATIONS = 8  # of a Poisson distribution: values that are drawn from a table vary twice as much


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each part begins, in bytes, `end` being the size of all.

    All before `records` is to be 0 when the work begins.
    """

    tiles: Tiles
    buckets: int  # how many; 0: there is only the sort
    share: int  # of the rows, that a bucket has, rounded down
    most: int  # that a bucket has room for
    bucket_state: int
    statuses: int
    records: int
    digit_statuses: int
    taken: int
    more: int
    left_ones: int
    end: int


def plan_permutation(rows: int) -> Layout:
    """For so many usable rows, of which there may be none."""
    tiles = SHORT if rows <= _SHORT_ROWS else LONG
    if not rows:
        return Layout(tiles, *[0] * 11)
    buckets = share = most = 0
    if rows > BUCKETED_ROWS:
        buckets = -(-rows // min(BUCKET_ROWS, max(_FEW_ROWS, rows // _SOME_BUCKETS)))
        if buckets > MOST_BUCKETS:
            buckets = 0
    bucket_state = statuses = STATE_BYTES
    if buckets:
        share = rows // buckets
        most = min(share + _DEVIATIONS * isqrt(share), _MOST_IN_BUCKET)
        statuses += _BUCKETS + 2 * _COUNT * buckets + 4 * _NUMBERS * (buckets + 1)
    records = _aligned(statuses + 2 * 4 * -(-rows // tiles.match))
    digit_statuses = records + _BUFFERS * _RECORD * rows
    taken = digit_statuses + _BUFFERS * _VALUES * 4 * -(-rows // tiles.sort)
    more = _aligned(taken + rows)
    left_ones = more + 2 * 4 * buckets * (most - share)
    return Layout(
        *(tiles, buckets, share, most, bucket_state, statuses, records, digit_statuses, taken),
        *(more, left_ones, left_ones + 2 * buckets * most),
    )


def _aligned(nbytes: int) -> int:
    return -(-nbytes // 32) * 32  # whole sectors of memory
