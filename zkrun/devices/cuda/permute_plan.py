"""How `permute` lays out its scratch memory, known without a GPU: permute.cuh and its parts."""

from __future__ import annotations

from dataclasses import dataclass

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
BUCKETED_ROWS = 1 << 18  # with more, buckets pay, even though they may be tried for nothing
BUCKET_ROWS, MOST_BUCKETS = 1024, 1 << 14  # of a bucket, if values are spread evenly
_BUCKETS, _NUMBERS = 64, 4  # bytes of their state, and what each has: as in permute_buckets.cuh


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each part begins, in bytes, `end` being the size of all.

    All before `records` is to be 0 when the work begins.
    """

    tiles: Tiles
    buckets: int  # how many; 0: there is only the sort
    bucket_state: int
    statuses: int
    records: int
    digit_statuses: int
    taken: int
    end: int


def plan_permutation(rows: int) -> Layout:
    """For so many usable rows, of which there may be none."""
    tiles = SHORT if rows <= _SHORT_ROWS else LONG
    if not rows:
        return Layout(tiles, 0, 0, 0, 0, 0, 0, 0)
    buckets = -(-rows // BUCKET_ROWS) if rows > BUCKETED_ROWS else 0
    if buckets > MOST_BUCKETS:
        buckets = 0
    bucket_state = STATE_BYTES
    statuses = bucket_state + (_BUCKETS + 4 * _NUMBERS * (buckets + 1) if buckets else 0)
    records = _aligned(statuses + 2 * 4 * -(-rows // tiles.match))
    digit_statuses = records + _BUFFERS * _RECORD * rows
    taken = digit_statuses + _BUFFERS * _VALUES * 4 * -(-rows // tiles.sort)
    return Layout(
        tiles, buckets, bucket_state, statuses, records, digit_statuses, taken, taken + rows
    )


def _aligned(nbytes: int) -> int:
    return -(-nbytes // 32) * 32  # whole sectors of memory
