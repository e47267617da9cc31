"""Multi-scalar multiplication on a GPU: the launches of native/msm*.cuh, in the order they need.

Everything is queued on one stream; nothing waits for the host. Bases must be in the subgroup of
order r. Scalars are in Montgomery form, results affine points in the memory image of ``base.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

import cupy
from cupy.cuda import runtime

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Value
from zkrun.devices.cuda.functions.kept import kept_memory
from zkrun.devices.cuda.functions.launch import (
    Kernel,
    Launch,
    address_of,
    clear_words,
    kernels,
    pack_view,
)
from zkrun.devices.cuda.kernels.units import msm_units
from zkrun.devices.cuda.plans.msm import (
    LARGEST_WINDOW_BITS,
    MOST_POINTS,
    TILE,
    VECTORS_AT_ONCE,
    Plan,
    choose_window_bits,
    make_plan,
    multiples_bytes,
    sums_of,
    vectors_per_pass,
)
from zkrun.devices.cuda.streams.rows import (
    VIEW_BYTES,
    Argument,
    Given,
    Step,
    Steps,
    Values,
    constant,
    immutable_operand,
    mutable_operand,
    queue_once,
    scratch_memory,
)
from zkrun.errors import ResourceLimit
from zkrun.program.signature import Call

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.streams.queue import Queue

__all__ = ["DeviceArray", "msm", "multiply", "scratch_bytes"]

# The structs of the C++ sources.
PLAN = struct.Struct("<8I")
MOST_FOLDS = 4
REGIONS = struct.Struct(f"<{MOST_FOLDS}I{MOST_FOLDS}I{MOST_FOLDS}I{MOST_FOLDS}Q")

SORT_THREADS = 512
STAGING_WORDS = 2 * TILE + (3 << LARGEST_WINDOW_BITS // 2)
DIGIT_THREADS = 256
DIGIT_BLOCKS = 8  # a multiprocessor
MERGE_THREADS = 128
SUM_THREADS = 64
ADD_THREADS = 128


class DeviceArray(Protocol):
    """An array of ``whole`` elements in device memory, seen cyclically from ``offset`` on."""

    @property
    def address(self) -> int: ...
    @property
    def whole(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...


def msm(call: Call, device: CudaDevice) -> Launch:
    """The function `msm` of a program: (results; bases, scalar vectors)."""
    curve, multiprocessors = call.curve, _multiprocessors()
    group, longest, vectors, keeps = sums_of(call)
    if longest > MOST_POINTS:
        raise ResourceLimit(
            f"msm: {longest} scalars are too many for one call on a GPU, which takes "
            f"{MOST_POINTS}; add up the sums of slices"
        )
    wish = call.params.window
    widths = tuple(choose_window_bits(longest, wish, kept) for kept in (False, keeps))
    sizes = tuple(
        scratch_bytes(curve, group, longest, vectors, multiprocessors, width, kept)
        for width, kept in zip(widths, (False, keeps), strict=True)
    )

    @cache
    def steps(kept: bool) -> Steps:
        return Steps(_in_order(curve, group, longest, vectors, widths[kept], kept), 3 + 2 * vectors)

    if longest:
        steps(keeps)
    nbytes = multiples_bytes(curve, group, longest, widths[1]) if keeps else 0

    def launch(queue: Queue, mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
        if not longest:
            _clear(curve, group, [address_of(point) for point in mutable], queue.handle)
            return
        bases = immutable[0]
        where = bases.address, bases.whole, bases.offset, bases.length
        of_what = (curve.name, group, where, longest, widths[1])
        kept = kept_memory(device, queue, of_what, nbytes)
        scratch = queue.scratch(sizes[kept != 0])
        steps(kept != 0).queue_on(queue, (scratch, kept, *mutable, *immutable))

    if longest and not keeps:
        results = map(mutable_operand, range(vectors))
        arrays = map(immutable_operand, range(1 + vectors))
        return steps(False).launch(scratch_memory(sizes[0]), constant(0), *results, *arrays)
    return launch


def scratch_bytes(
    curve: Curve,
    group: str,
    points: int,
    vectors: int,
    multiprocessors: int,
    window_bits: int | None = None,
    multiples: bool = False,
) -> int:
    """The scratch memory that ``multiply`` needs for ``vectors`` scalar vectors at once."""
    if points == 0 or vectors == 0:
        return 0
    width = window_bits or choose_window_bits(points, None, multiples)
    at_once = vectors_per_pass(points, vectors, width)
    plan = make_plan(curve, group, points, at_once, multiprocessors, width, multiples)
    return plan.scratch_bytes


def multiply(
    curve: Curve,
    group: str,
    results: Sequence[int],
    bases: DeviceArray,
    scalars: Sequence[DeviceArray],
    scratch: int,
    stream: int,
    window_bits: int | None = None,
    multiples: int = 0,
) -> None:
    """Queues results[j] = sum of scalars[j][i]·bases[i], for scalars no longer than bases.

    ``results`` are addresses of affine points, ``scratch`` that of ``scratch_bytes`` bytes, which
    belong to this until the stream, given by its handle, is done with it; all at multiples of
    16 bytes, the scratch of 256.

    ``multiples`` is the address of ``multiples_bytes`` bytes, or 0. There, multiples of the bases
    stay from call to call with the same bases; those of bases that have changed are made anew.
    Before the first call every byte is to be NO_POINT of kept.py.
    """
    points = max((vector.length for vector in scalars), default=0)
    if not points:
        _clear(curve, group, results, stream)
        return
    width = window_bits or choose_window_bits(points, None, bool(multiples))
    views = (pack_view(a.address, a.whole, a.offset, a.length) for a in (bases, *scalars))
    values: Values = (scratch, multiples, *results, *views)
    steps = _in_order(curve, group, points, len(scalars), width, bool(multiples))
    queue_once(steps, values, stream)


def _clear(curve: Curve, group: str, results: Sequence[int], stream: int) -> None:
    """Queues sums of nothing."""
    nbytes = (2 if group == "g1" else 4) * curve.base.bytes
    for address in results:
        runtime.memsetAsync(address, 0, nbytes, stream)


def _in_order(
    curve: Curve, group: str, points: int, vectors: int, width: int, keeps: bool
) -> list[Step]:
    """The kernels of ``multiply``.

    They are given: the address of scratch, that of kept multiples if any, those of the results,
    and the views of the bases and of each vector.
    """
    multiprocessors, at_once = _multiprocessors(), vectors_per_pass(points, vectors, width)
    launches = _Launches(curve, group, keeps, Given(2 + vectors))
    for first in range(0, vectors, at_once):
        chosen = range(vectors)[first : first + at_once]
        plan = make_plan(curve, group, points, len(chosen), multiprocessors, width, keeps)
        if first == 0 and keeps:
            launches.keep_multiples(plan)
        elif first == 0:
            launches.fill_table(plan)
        launches.sort(plan, [Given(3 + vectors + j) for j in chosen], multiprocessors)
        launches.accumulate(plan)
        launches.reduce(plan, [Given(2 + j, 0) for j in chosen])
    return launches.steps


class _Launches:
    """The kernels of one multiplication, and the memory that they share."""

    def __init__(self, curve: Curve, group: str, keeps: bool, bases: Given) -> None:
        self.kernels = _kernels(curve, group, keeps, cupy.cuda.Device().id)
        self.bases: Argument = bases
        self.table: Argument = 0
        self.steps: list[Step] = []
        self.point_bytes = 4 * (1 if group == "g1" else 2) * curve.base.bytes

    def launch(
        self,
        name: str,
        grid: tuple[int, int],
        threads: int,
        *arguments: Argument,
        words: int = 0,
    ) -> None:
        """Adds a kernel with so many words of shared memory. Structs come as bytes."""
        self.steps.append(self.kernels[name].step(grid, threads, *arguments, shared=4 * words))

    def fill_table(self, plan: Plan) -> None:
        self.table = _scratch(plan.offsets["table"])
        grid = (-(-plan.points // 256), 1)
        self.launch("fill_endomorphism_table", grid, 256, self.table, self.bases, plan.points)

    def keep_multiples(self, plan: Plan) -> None:
        """The multiples take the place of the bases."""
        multiples = Given(1, 0)
        self.table = Given(1, plan.points * self.point_bytes // 2)
        self.launch(
            "keep_multiples",
            (-(-plan.bases // 128), 1),
            128,
            *(multiples, self.table, self.bases, plan.bases, plan.digits, plan.window_bits),
        )
        self.bases = [multiples, plan.points, 0, plan.points]

    def sort(self, plan: Plan, vectors: Sequence[Given], multiprocessors: int) -> None:
        at = {name: _scratch(offset) for name, offset in plan.offsets.items()}
        record = PLAN.pack(
            *(plan.points, plan.bases, plan.digits, plan.vectors, plan.windows),
            *(plan.window_bits, plan.coarse_bits, plan.fine_bits),
        )
        views: Argument = [*vectors, bytes((VECTORS_AT_ONCE - len(vectors)) * VIEW_BYTES)]
        tiles = -(-2 * plan.points // TILE)
        # Tiles that are not full: at most one a partition, and none without a code.
        most_tiles = -(-plan.codes // TILE) + min(plan.partitions, plan.codes)
        counts = at["coarse_counts"]
        words = (plan.offsets["partition_starts"] - plan.offsets["coarse_counts"]) // 4
        self.steps.append(clear_words(self.kernels, counts, words))
        self.launch(
            "digits",
            (min(-(-plan.bases // DIGIT_THREADS), DIGIT_BLOCKS * multiprocessors), plan.vectors),
            DIGIT_THREADS,
            at["digits"],
            counts,
            views,
            record,
            words=plan.windows << plan.coarse_bits,
        )
        self.launch(
            "lay_out_partitions",
            (1, 1),
            1024,
            at["partition_starts"],
            at["tile_starts"],
            at["partition_cursors"],
            counts,
            plan.partitions,
        )
        self.launch(
            "partition_digits",
            (tiles, plan.all_windows),
            SORT_THREADS,
            at["codes"],
            at["fine_bits"],
            at["partition_cursors"],
            at["digits"],
            record,
            words=2 * TILE + (3 << plan.coarse_bits),
        )
        self.launch(
            "count_buckets",
            (most_tiles, 1),
            SORT_THREADS,
            at["bucket_cursors"],
            at["fine_bits"],
            at["partition_starts"],
            at["tile_starts"],
            record,
            words=1 << plan.fine_bits,
        )
        self.launch(
            "lay_out_buckets",
            (plan.partitions, 1),
            SORT_THREADS,
            at["bucket_starts"],
            at["bucket_cursors"],
            at["partition_starts"],
            record,
        )
        self.launch(
            "sort_partitions",
            (most_tiles, 1),
            SORT_THREADS,
            at["sorted"],
            at["bucket_cursors"],
            at["codes"],
            at["fine_bits"],
            at["partition_starts"],
            at["tile_starts"],
            record,
            words=2 * TILE + (3 << plan.fine_bits),
        )

    def accumulate(self, plan: Plan) -> None:
        sums = _scratch(plan.offsets["sums"])
        heads, keys = plan.offsets["heads"], plan.offsets["keys"]
        self.launch(
            "accumulate_buckets",
            (plan.blocks, 1),
            plan.threads,
            *(sums, _scratch(heads), _scratch(keys), _scratch(plan.offsets["sorted"])),
            *(_scratch(plan.offsets["bucket_starts"]), plan.buckets, self.bases, self.table),
        )
        for count in plan.head_counts:
            next_heads, next_keys = heads + count * self.point_bytes, keys + 4 * count
            places = map(_scratch, (next_heads, next_keys, heads, keys))
            grid = (-(-count // MERGE_THREADS), 1)
            self.launch("merge_heads", grid, MERGE_THREADS, sums, *places, count)
            heads, keys = next_heads, next_keys

    def reduce(self, plan: Plan, results: Sequence[Given]) -> None:
        points, all_points = plan.offsets["sums"], plan.offsets["folds"]
        starts: Argument = _scratch(plan.offsets["bucket_starts"])
        by_bit, bit_sums = plan.offsets["by_bit"], _scratch(plan.offsets["bit_sums"])
        bucket_bits = plan.window_bits - 1
        regions = []
        region = 0
        for fold in plan.folds:
            self.launch(
                "fold_points",
                (fold.blocks, plan.all_windows),
                1 << max(plan.folds[0].bits - 1, 5),
                *(_scratch(all_points), _scratch(by_bit + region * self.point_bytes)),
                *(_scratch(points), starts, fold.bits),
            )
            regions.append((fold.first_bit, fold.bits, fold.blocks, region))
            region += plan.all_windows * fold.bits * fold.blocks
            points, starts = all_points, 0
            all_points += self.point_bytes * plan.all_windows * fold.blocks
        unused = (bucket_bits, 0, 0, 0)
        columns = zip(*(regions + [unused] * (MOST_FOLDS - len(regions))), strict=True)
        self.launch(
            "sum_blocks",
            (bucket_bits, plan.all_windows),
            SUM_THREADS,
            bit_sums,
            _scratch(by_bit),
            REGIONS.pack(*(value for column in columns for value in column)),
        )
        self.launch(
            "add_windows",
            (plan.vectors, 1),
            ADD_THREADS,
            [*results, *[0] * (VECTORS_AT_ONCE - len(results))],
            bit_sums,
            _scratch(points),
            plan.windows,
            plan.window_bits,
        )


@cache
def _kernels(curve: Curve, group: str, keeps: bool, device: int) -> dict[str, Kernel]:
    """All kernels by name, on a device that is the current one."""
    found = kernels(*msm_units(curve, group, keeps))
    for name in ("partition_digits", "sort_partitions"):
        found[name].allow_shared(4 * STAGING_WORDS)
    return found


def _scratch(offset: int) -> Given:
    return Given(0, offset)


def _multiprocessors() -> int:
    count: int = cupy.cuda.Device().attributes["MultiProcessorCount"]
    return count
