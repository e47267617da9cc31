"""Running products, polynomials at a point, inverses: recurrence.cuh, evaluate.cuh and
batch_invert.cuh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkrun.devices.cuda.functions.launch import (
    Launch,
    blocks,
    clear_words,
    kernels,
)
from zkrun.devices.cuda.kernels.units import evaluation_unit, inversion_unit, recurrence_unit
from zkrun.devices.cuda.plans.recurrence import runs_of
from zkrun.devices.cuda.streams.rows import (
    COUNTER,
    Argument,
    Given,
    Source,
    Steps,
    constant,
    immutable_operand,
    mutable_operand,
    scratch_memory,
)
from zkrun.program.signature import Call
from zkrun.program.types import length

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice

__all__ = [
    "batch_invert",
    "evaluate",
    "kate_division",
    "scan_mul",
]

_ITEM = 32
# As in recurrence.cuh.
_TILE_THREADS, _GROUP = 512, 32  # of a tile; tiles of a group
_RING = 4 * _TILE_THREADS * _ITEM  # bytes of shared memory, for run_places of each thread
_TABLES, _POWERS = 3, 513  # of powers, and room in each
_STATUSES = 1 + _TABLES  # before those of tiles and groups
# As in evaluate.cuh.
_EVALUATION_THREADS = 256
_LEAST_LOG_ROWS, _MOST_LOG_ROWS, _EVALUATION_TILES = 2, 6, 512
# As in batch_invert.cuh, and what is fastest on an H200: few runs leave the GPU idle, and many take
# many inversions.
_INVERSION_THREADS = 128
_RUNS, _SHORTEST_RUN, _LONGEST_RUN = 1 << 15, 4, 128


def scan_mul(call: Call, device: CudaDevice) -> Launch:
    count = min(length(call.immutable[0]), length(call.mutable[0]))
    return _recurrence(call, count, immutable_operand(1), constant(0))


def kate_division(call: Call, device: CudaDevice) -> Launch:
    return _recurrence(call, length(call.immutable[0]), constant(0), immutable_operand(1), _TABLES)


def _recurrence(call: Call, count: int, start: Source, point: Source, tables: int = 0) -> Launch:
    """Its law over `count` elements, with what its first value and its x come from."""
    n = length(call.mutable[0])
    runs = runs_of(n)
    found = kernels(recurrence_unit(call.curve, call.signature.name, runs))
    recur = found["recur"]
    recur.allow_shared(_RING)
    tiles = blocks(n, _TILE_THREADS * runs.length)
    groups = blocks(tiles, _GROUP)
    # In the scratch memory: what is told, which is to be 0 at first; sums of tiles, of groups, and
    # of all up to the end of each group; powers of x.
    words = blocks(_STATUSES + tiles + groups, 8) * 8  # elements lie in sectors of their own
    sizes = (4 * words, *(_ITEM * size for size in (tiles, groups, groups, tables * _POWERS)))
    places = [sum(sizes[:i]) for i in range(6)]
    first, x = Given(3, 0), Given(4, 0)
    told, *sums, powers = (Given(2, place) for place in places[:5])
    job: Argument = [Given(0), Given(1), *sums, first, x, powers, count, tiles, told]
    steps = [
        clear_words(found, told, words),
        recur.step(tables + tiles, _TILE_THREADS, job, shared=_RING),
    ]
    if not n:
        return lambda *_: None
    arrays = immutable_operand(0), mutable_operand(0)
    return Steps(steps, 5).launch(*arrays, scratch_memory(places[5]), start, point)


def evaluate(call: Call, device: CudaDevice) -> Launch:
    evaluate = kernels(evaluation_unit(call.curve))["evaluate"]
    n, threads = length(call.immutable[0]), _EVALUATION_THREADS
    rows = blocks(n, threads * _EVALUATION_TILES)
    log_rows = min(max((rows - 1).bit_length(), _LEAST_LOG_ROWS), _MOST_LOG_ROWS)
    tiles = max(1, blocks(n, threads << log_rows))
    powers, sums = (threads + 1) * _ITEM, tiles * _ITEM
    a, x, y, arrivals = Given(0), Given(1, 0), Given(2, 0), Given(4, 0)
    job: Argument = [a, x, Given(3, 0), Given(3, powers), y, log_rows, tiles, arrivals]
    steps = Steps([evaluate.step(tiles + 1, threads, job)], 5)
    of_call = immutable_operand(0), immutable_operand(1), mutable_operand(0)
    return steps.launch(*of_call, scratch_memory(powers + sums), COUNTER)


def batch_invert(call: Call, device: CudaDevice) -> Launch:
    invert_runs = kernels(inversion_unit(call.curve))["invert_runs"]
    n = length(call.mutable[0])
    stride = blocks(n, min(max(n // _RUNS, _SHORTEST_RUN), _LONGEST_RUN))
    grid, threads = blocks(stride, _INVERSION_THREADS), _INVERSION_THREADS
    if not n:
        return lambda *_: None
    steps = Steps([invert_runs.step(grid, threads, [Given(0), Given(1, 0), stride])], 2)
    return steps.launch(mutable_operand(0), scratch_memory(n * _ITEM))
