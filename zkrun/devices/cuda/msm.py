"""Multi-scalar multiplication on a GPU: the launches of native/msm*.cuh, in the order they need.

Everything is queued on one stream; nothing waits for the host. Bases must be in the subgroup of
order r. Scalars are in Montgomery form, results affine points in the memory image of ``base.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cupy
import numpy as np
from cupy.cuda.function import Function

from zkrun.algebra.curves import Curve
from zkrun.devices.cuda.compile import Unit, load
from zkrun.devices.cuda.groups import curve_type, group_type
from zkrun.devices.cuda.msm_plan import (
    TILE,
    VECTORS_AT_ONCE,
    Plan,
    choose_window_bits,
    make_plan,
    vectors_per_pass,
)

VIEW = np.dtype([("base", "u8"), ("whole", "u8"), ("offset", "u8"), ("length", "u8")])
PLAN = np.dtype(
    [
        (name, "u4")
        for name in ("points", "vectors", "windows", "window_bits", "coarse_bits", "fine_bits")
    ]
)
SCALARS = np.dtype([("vector", VIEW, (VECTORS_AT_ONCE,))])
RESULTS = np.dtype([("vector", "u8", (VECTORS_AT_ONCE,))])

SORT_THREADS = 256
DIGIT_BLOCKS = 8  # a multiprocessor
MERGE_THREADS = 128
SUM_THREADS = 64
TEAM_LANES = 4


@dataclass(frozen=True, slots=True)
class DeviceArray:
    """An array of ``whole`` elements in device memory, seen cyclically from ``offset`` on."""

    address: int
    whole: int
    offset: int
    length: int


def units(curve: Curve, group: str) -> tuple[Unit, ...]:
    """What a multi-scalar multiplication over this group compiles."""
    typ = group_type(curve, group)
    sort_kernels = (
        "lay_out_partitions",
        "partition_digits",
        "count_buckets",
        "lay_out_buckets",
        "sort_partitions",
    )
    group_kernels = (
        ("msm_digits.cuh", "fill_endomorphism_table"),
        ("msm_accumulate.cuh", "accumulate_buckets"),
        ("msm_accumulate.cuh", "merge_heads"),
        ("msm_reduce.cuh", "fold_points"),
        ("msm_reduce.cuh", "sum_blocks"),
        ("msm_reduce.cuh", "add_windows"),
    )
    return (
        Unit("msm_sort.cuh", tuple((name, name) for name in sort_kernels)),
        Unit("msm_digits.cuh", (("digits", f"split_into_digits<{curve_type(curve)}>"),)),
        *(Unit(source, ((name, f"{name}<{typ}>"),)) for source, name in group_kernels),
    )


def scratch_bytes(
    curve: Curve,
    group: str,
    points: int,
    vectors: int,
    multiprocessors: int,
    window_bits: int | None = None,
) -> int:
    """The scratch memory that ``multiply`` needs for ``vectors`` scalar vectors at once."""
    if points == 0 or vectors == 0:
        return 0
    width = window_bits or choose_window_bits(points)
    at_once = vectors_per_pass(points, vectors, width)
    return make_plan(curve, group, points, at_once, multiprocessors, width).scratch_bytes


def multiply(
    curve: Curve,
    group: str,
    results: Sequence[int],
    bases: DeviceArray,
    scalars: Sequence[DeviceArray],
    scratch: int,
    stream: cupy.cuda.Stream,
    window_bits: int | None = None,
) -> None:
    """Queues results[j] = sum of scalars[j][i]·bases[i], for scalars no longer than bases.

    ``results`` are addresses of affine points, ``scratch`` that of ``scratch_bytes`` bytes, which
    belong to this until the stream is done with it; all at multiples of 16 bytes, the scratch of
    256.
    """
    points = max((vector.length for vector in scalars), default=0)
    point_bytes = (2 if group == "g1" else 4) * curve.base.bytes
    if points == 0:
        for address in results:
            _clear(address, point_bytes, stream)
        return
    multiprocessors = cupy.cuda.Device().attributes["MultiProcessorCount"]
    width = window_bits or choose_window_bits(points)
    at_once = vectors_per_pass(points, len(scalars), width)
    launches = _Launches(curve, group, bases, scratch, stream)
    for first in range(0, len(scalars), at_once):
        chosen = slice(first, first + at_once)
        vectors = scalars[chosen]
        plan = make_plan(curve, group, points, len(vectors), multiprocessors, width)
        if first == 0:
            launches.fill_table(plan)
        launches.sort(plan, vectors, multiprocessors)
        launches.accumulate(plan)
        launches.reduce(plan, results[chosen])


class _Launches:
    """The kernels of one multiplication, and the memory that they share."""

    def __init__(
        self, curve: Curve, group: str, bases: DeviceArray, scratch: int, stream: cupy.cuda.Stream
    ) -> None:
        self.kernels: dict[str, Function] = {}
        for unit in units(curve, group):
            self.kernels.update(load(unit))
        self.bases = _view(bases)
        self.scratch = scratch
        self.stream = stream
        self.point_bytes = 4 * (1 if group == "g1" else 2) * curve.base.bytes

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        threads: int,
        *arguments: object,
        shared_words: int = 0,
    ) -> None:
        self.kernels[name](
            grid, (threads,), arguments, shared_mem=4 * shared_words, stream=self.stream
        )

    def at(self, plan: Plan, name: str) -> np.uint64:
        return np.uint64(self.scratch + plan.offsets[name])

    def fill_table(self, plan: Plan) -> None:
        self.launch(
            "fill_endomorphism_table",
            (-(-plan.points // 256),),
            256,
            self.at(plan, "table"),
            self.bases,
            np.uint32(plan.points),
        )

    def sort(self, plan: Plan, vectors: Sequence[DeviceArray], multiprocessors: int) -> None:
        place = {name: self.at(plan, name) for name in plan.offsets}
        record = _record(plan)
        chosen = np.zeros((), SCALARS)
        for j, vector in enumerate(vectors):
            chosen["vector"][j] = _view(vector)
        tiles = -(-2 * plan.points // TILE)
        # Tiles that are not full: at most one a partition, and none without a code.
        most_tiles = -(-plan.codes // TILE) + min(plan.partitions, plan.codes)
        _clear(
            int(place["coarse_counts"]),
            plan.offsets["partition_starts"] - plan.offsets["coarse_counts"],
            self.stream,
        )
        self.launch(
            "digits",
            (min(-(-plan.points // SORT_THREADS), DIGIT_BLOCKS * multiprocessors), plan.vectors),
            SORT_THREADS,
            place["digits_and_sorted"],
            place["coarse_counts"],
            chosen[()],
            record,
            shared_words=plan.windows << plan.coarse_bits,
        )
        self.launch(
            "lay_out_partitions",
            (1,),
            1024,
            place["partition_starts"],
            place["tile_starts"],
            place["partition_cursors"],
            place["coarse_counts"],
            np.uint32(plan.partitions),
        )
        self.launch(
            "partition_digits",
            (tiles, plan.all_windows),
            SORT_THREADS,
            place["codes_and_sums"],
            place["fine_bits"],
            place["partition_cursors"],
            place["digits_and_sorted"],
            record,
            shared_words=2 * TILE + (3 << plan.coarse_bits),
        )
        self.launch(
            "count_buckets",
            (most_tiles,),
            SORT_THREADS,
            place["bucket_cursors"],
            place["fine_bits"],
            place["partition_starts"],
            place["tile_starts"],
            record,
            shared_words=1 << plan.fine_bits,
        )
        self.launch(
            "lay_out_buckets",
            (plan.partitions,),
            SORT_THREADS,
            place["bucket_starts"],
            place["bucket_cursors"],
            place["partition_starts"],
            record,
        )
        self.launch(
            "sort_partitions",
            (most_tiles,),
            SORT_THREADS,
            place["digits_and_sorted"],
            place["bucket_cursors"],
            place["codes_and_sums"],
            place["fine_bits"],
            place["partition_starts"],
            place["tile_starts"],
            record,
            shared_words=2 * TILE + (3 << plan.fine_bits),
        )

    def accumulate(self, plan: Plan) -> None:
        sums = self.at(plan, "codes_and_sums")
        heads, keys = self.at(plan, "heads"), self.at(plan, "keys")
        self.launch(
            "accumulate_buckets",
            (plan.blocks,),
            plan.threads,
            sums,
            heads,
            keys,
            self.at(plan, "digits_and_sorted"),
            self.at(plan, "bucket_starts"),
            np.uint32(plan.buckets),
            self.bases,
            self.at(plan, "table"),
        )
        for count in plan.head_counts:
            next_heads = heads + np.uint64(count * self.point_bytes)
            next_keys = keys + np.uint64(4 * count)
            self.launch(
                "merge_heads",
                (-(-count // MERGE_THREADS),),
                MERGE_THREADS,
                sums,
                next_heads,
                next_keys,
                heads,
                keys,
                np.uint32(count),
            )
            heads, keys = next_heads, next_keys

    def reduce(self, plan: Plan, results: Sequence[int]) -> None:
        points, starts = self.at(plan, "codes_and_sums"), self.at(plan, "bucket_starts")
        all_points = self.at(plan, "folds")
        by_bit, bit_sums = self.at(plan, "by_bit"), self.at(plan, "bit_sums")
        bucket_bits = plan.window_bits - 1
        for fold in plan.folds:
            most_fold_bits = plan.folds[0].bits
            self.launch(
                "fold_points",
                (fold.blocks, plan.all_windows),
                1 << max(most_fold_bits - 1, 5),
                all_points,
                by_bit,
                points,
                starts,
                np.uint32(fold.bits),
            )
            self.launch(
                "sum_blocks",
                (fold.bits, plan.all_windows),
                SUM_THREADS,
                bit_sums,
                by_bit,
                np.uint32(fold.blocks),
                np.uint32(fold.first_bit),
                np.uint32(bucket_bits),
            )
            points, starts = all_points, np.uint64(0)
            all_points += np.uint64(self.point_bytes * plan.all_windows * fold.blocks)
        targets = np.zeros((), RESULTS)
        targets["vector"][: len(results)] = results
        self.launch(
            "add_windows",
            (plan.vectors,),
            -(-TEAM_LANES * plan.windows // 32) * 32,
            targets[()],
            bit_sums,
            points,
            np.uint32(plan.windows),
            np.uint32(plan.window_bits),
        )


def _view(array: DeviceArray) -> np.void:
    view = np.zeros(1, VIEW)
    view[0] = (array.address, array.whole, array.offset, array.length)
    record: np.void = view[0]
    return record


def _record(plan: Plan) -> np.void:
    records = np.zeros(1, PLAN)
    records[0] = tuple(getattr(plan, str(name)) for name in PLAN.names or ())
    record: np.void = records[0]
    return record


def _clear(address: int, size: int, stream: cupy.cuda.Stream) -> None:
    cupy.cuda.runtime.memsetAsync(address, 0, size, stream.ptr)
