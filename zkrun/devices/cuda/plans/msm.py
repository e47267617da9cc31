"""Plans of multi-scalar multiplications: window widths, launches and where scratch lies.

See native/msm_plan.cuh for the algorithm whose sizes these are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from zkrun.algebra.curves import Curve
from zkrun.program.signature import Call
from zkrun.program.types import PointArray, length

VECTORS_AT_ONCE = 8
HALF_SCALAR_BITS = 128
SMALLEST_WINDOW_BITS = 4  # so that a vector has at most 32 windows
LARGEST_WINDOW_BITS = 22
TILE = 8192
MOST_CODES = (1 << 32) - 1
LARGEST_PASS = 1 << 31
"""Codes that vectors of one pass may have together: bounds the scratch of batches."""

MOST_POINTS = 1 << 27
"""Of one pass, bases or their multiples: codes name them by 30 bits."""

BUCKET_COST, BUCKET_COST_OF_ONE_WINDOW = 4.0, 6.8
"""Of a bucket, measured, in mixed additions."""

MOST_WAVES = 8
WAVE_SEGMENT = 100
"""Blocks that accumulate come in waves of as many as the GPU holds: one by one they make up for
multiprocessors that are slower than others, as long as segments have so many codes."""

THREADS = 128
"""Of a block that accumulates."""

LEAST_SEGMENT = 8
"""Codes that a thread sums up, unless there are too few: so that heads stay fewer."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One launch of ``fold_points``: blocks of 2^bits points, for bits of the index from
    ``first_bit`` on."""

    bits: int
    first_bit: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How one pass over ``vectors`` scalar vectors of at most ``bases`` elements goes.

    ``points`` are what is summed up: the bases, or their kept multiples for every digit.
    ``offsets`` says where arrays lie in the scratch memory, of ``scratch_bytes``; some take turns
    at one place.
    """

    points: int
    bases: int
    digits: int
    vectors: int
    windows: int
    window_bits: int
    coarse_bits: int
    fine_bits: int
    blocks: int
    threads: int
    folds: tuple[Fold, ...]
    head_counts: tuple[int, ...]
    offsets: dict[str, int]
    scratch_bytes: int

    @property
    def all_windows(self) -> int:
        return self.vectors * self.windows

    @property
    def partitions(self) -> int:
        return self.all_windows << self.coarse_bits

    @property
    def buckets(self) -> int:
        return self.all_windows << (self.window_bits - 1)

    @property
    def codes(self) -> int:
        """At most: zero digits have no code."""
        return self.all_windows * 2 * self.points


def window_count(window_bits: int) -> int:
    """Half scalars are below 3/4·2^127, so that no digit carries out of the topmost window."""
    return -(-HALF_SCALAR_BITS // window_bits)


def choose_window_bits(points: int, wish: int | None = None, multiples: bool = False) -> int:
    """The cheapest width, by what was measured on an H200, in units of one mixed addition.

    A bucket costs two full additions, and one more where segments meet; a window more makes
    the steps at the end longer. With multiples there is one window. With a wish, the width that
    comes nearest to it, of those that one pass can have.
    """
    most = MOST_POINTS if multiples else MOST_CODES // 2
    widths = [
        bits
        for bits in range(SMALLEST_WINDOW_BITS, LARGEST_WINDOW_BITS + 1)
        if window_count(bits) * points <= most
    ]
    if wish is not None:
        return min(widths, key=lambda bits: abs(bits - wish))

    def cost(bits: int) -> float:
        digits = window_count(bits)
        buckets = BUCKET_COST * digits if not multiples else BUCKET_COST_OF_ONE_WINDOW
        return digits * 2 * points + buckets * (1 << (bits - 1))

    return min(widths, key=cost)


def may_keep_multiples(points: int) -> bool:
    """Whether codes can tell that many bases' multiples apart."""
    return 0 < points * window_count(LARGEST_WINDOW_BITS) <= MOST_POINTS


class Sums(NamedTuple):
    """What a call of `msm` asks for: `points` are as many as its longest vector has scalars, and
    `keeps` says whether multiples of them may be kept."""

    group: str
    points: int
    vectors: int
    keeps: bool


def sums_of(call: Call) -> Sums:
    """What a call asks for."""
    bases, *arrays = call.immutable
    assert isinstance(bases, PointArray)
    points = max(map(length, arrays), default=0)
    keeps = call.params.multiples and may_keep_multiples(points)
    return Sums(str(bases.group), points, len(call.mutable), keeps)


def multiples_bytes(curve: Curve, group: str, points: int, window_bits: int) -> int:
    """The memory that kept multiples of bases take: points, and the table of beta x."""
    element = (1 if group == "g1" else 2) * curve.base.bytes
    return 3 * element * points * window_count(window_bits)


def vectors_per_pass(points: int, vectors: int, window_bits: int) -> int:
    """How many vectors one pass takes, so that its codes stay within bounds."""
    codes = window_count(window_bits) * 2 * points
    return max(1, min(vectors, VECTORS_AT_ONCE, LARGEST_PASS // max(codes, 1)))


def make_plan(
    curve: Curve,
    group: str,
    points: int,
    vectors: int,
    multiprocessors: int,
    window_bits: int | None = None,
    multiples: bool = False,
) -> Plan:
    """The plan of one pass; the width of windows is chosen unless given."""
    return _make_plan(
        (1 if group == "g1" else 2) * curve.base.bytes,
        points,
        vectors,
        multiprocessors,
        window_bits or choose_window_bits(points, None, multiples),
        multiples,
    )


def most_scratch(
    curve: Curve,
    group: str,
    points: int,
    vectors: int,
    multiprocessors: int,
    window_bits: int,
    multiples: bool,
) -> int:
    """At most so many bytes of scratch for a pass on a GPU with so many multiprocessors or fewer.

    Fewer may go with more waves, and so with more blocks: as many as have WAVE_SEGMENT codes for
    each thread.
    """
    plan = make_plan(curve, group, points, vectors, multiprocessors, window_bits, multiples)
    element_bytes = (1 if group == "g1" else 2) * curve.base.bytes
    wave = multiprocessors * _resident_blocks(element_bytes)
    blocks = max(wave, min(MOST_WAVES * wave, plan.codes // (THREADS * WAVE_SEGMENT)))
    more = THREADS * max(0, min(blocks, -(-plan.codes // (THREADS * LEAST_SEGMENT))) - plan.blocks)
    heads = more + more // 31 + 8 if more else 0
    return plan.scratch_bytes + (4 * element_bytes + 4) * heads + 512


def _resident_blocks(element_bytes: int) -> int:
    """Blocks that accumulate on a multiprocessor at the same time."""
    return 4 if element_bytes <= 32 else 2


@cache
def _make_plan(
    element_bytes: int,
    bases: int,
    vectors: int,
    multiprocessors: int,
    window_bits: int,
    multiples: bool,
) -> Plan:
    digits = window_count(window_bits)
    windows, points = (1, digits * bases) if multiples else (digits, bases)
    bucket_bits = window_bits - 1
    fine_bits = (bucket_bits + 1) // 2
    coarse_bits = bucket_bits - fine_bits
    all_windows = vectors * windows
    buckets = all_windows << bucket_bits
    partitions = all_windows << coarse_bits
    codes = all_windows * 2 * points
    if points > MOST_POINTS or codes > MOST_CODES:
        raise ValueError(f"a multi-scalar multiplication of {points} points in one pass")

    # As AccumulationShape and FoldShape of the C++ sources have it.
    threads = THREADS
    wave = multiprocessors * _resident_blocks(element_bytes)
    waves = max(1, min(MOST_WAVES, codes // (wave * threads * WAVE_SEGMENT)))
    blocks = max(1, min(wave * waves, -(-codes // (threads * LEAST_SEGMENT))))
    head_counts = [blocks * threads]
    while head_counts[-1] > 32:
        head_counts.append(-(-head_counts[-1] // 32))
    most_fold_bits = 8 if element_bytes <= 32 else 7 if element_bytes <= 64 else 6
    folds = []
    first_bit = 0
    while first_bit < bucket_bits:
        bits = min(most_fold_bits, bucket_bits - first_bit)
        folds.append(Fold(bits, first_bit, 1 << (bucket_bits - first_bit - bits)))
        first_bit += bits

    point_bytes = 4 * element_bytes
    fold_points = sum(all_windows * fold.blocks for fold in folds)
    bit_points = sum(all_windows * fold.bits * fold.blocks for fold in folds)
    places: list[dict[str, int] | tuple[dict[str, int], ...]] = [
        {
            "table": 0 if multiples else points * element_bytes,
            # Zeroed together:
            "coarse_counts": 4 * partitions,
            "bucket_cursors": 4 * buckets,
            "partition_starts": 4 * (partitions + 1),
            "tile_starts": 4 * (partitions + 1),
            "partition_cursors": 4 * partitions,
            "bucket_starts": 4 * (buckets + 1),
            "keys": 4 * sum(head_counts) + 4,
        },
        # Codes until they are sorted, then the sums of their buckets:
        ({"codes": 4 * codes}, {"sums": point_bytes * buckets}),
        # Digits, then the sorted codes until they are summed up, then the sums of sums:
        (
            {"digits": 4 * codes},
            {"sorted": 4 * codes},
            {
                "folds": point_bytes * fold_points,
                "by_bit": point_bytes * bit_points,
                "bit_sums": point_bytes * all_windows * bucket_bits,
            },
        ),
        # The low bits of buckets until codes are sorted, then the sums that threads begin with:
        ({"fine_bits": 2 * codes}, {"heads": point_bytes * sum(head_counts)}),
    ]
    offsets, scratch_bytes = _laid_out(places)
    return Plan(
        points,
        bases,
        digits,
        vectors,
        windows,
        window_bits,
        coarse_bits,
        fine_bits,
        blocks,
        threads,
        tuple(folds),
        tuple(head_counts),
        offsets,
        scratch_bytes,
    )


def _laid_out(
    places: Sequence[dict[str, int] | tuple[dict[str, int], ...]],
) -> tuple[dict[str, int], int]:
    """The offset of each array, and the end. Arrays of one place take turns at it."""
    offsets: dict[str, int] = {}
    start = 0
    for place in places:
        ends = [start]
        for turn in place if isinstance(place, tuple) else (place,):
            end = start
            for name, size in turn.items():
                offsets[name] = end
                end += -(-size // 256) * 256
            ends.append(end)
        start = max(ends)
    return offsets, start
