"""halo2's lookup permutation: permute.cuh, and what it includes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import cupy
from cupy.cuda import runtime

from zkrun.devices.cuda.functions.launch import Kernel, Launch, Values, blocks, kernels
from zkrun.devices.cuda.kernels.units import permutation_units
from zkrun.devices.cuda.plans.permute import (
    MOST_BUCKETS,
    MOST_ROWS,
    SORT_STATES,
    Layout,
    plan_permutation,
)
from zkrun.devices.cuda.streams.queue import Queue
from zkrun.devices.cuda.streams.rows import Given, Part, Step, Steps
from zkrun.errors import RunFailed
from zkrun.program.signature import Call

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice

__all__ = ["permute"]

_SORT_THREADS = 384  # as in sort_pass.cuh
_SORT_BLOCKS = 2  # on a multiprocessor
_RUN_THREADS, _RUN_RECORDS, _RUN_BLOCKS = 256, 8, 512  # as in sort_runs.cuh; at most
_MATCH_THREADS = 256  # as in permute.cuh
_MOST_BLOCKS = 8  # on a multiprocessor, of kernels of so few threads that loop over their work
_FILL_THREADS, _FILL_RUN = 512, 4  # as in permute_buckets.cuh
_BUCKET_THREADS, _TABLE_THREADS = 384, 256  # likewise
_PLACED = 12  # where the state says whether buckets have done the work, in bytes


def permute(call: Call, device: CudaDevice) -> Launch:
    n: int = call.params.usable
    if n > MOST_ROWS:
        raise RunFailed(f"permute: a GPU takes {MOST_ROWS} rows at most, not {n}")
    layout = plan_permutation(n)
    found = kernels(*permutation_units(call.curve, layout.tiles, layout.buckets > 0))
    processors = int(cupy.cuda.Device().attributes["MultiProcessorCount"])
    scale = (layout.buckets << 32) // (1 + (call.curve.r >> 224))
    inside = [*_in_buckets(found, n, layout, scale)] if layout.buckets else []
    steps = Steps([*inside, *_in_order(found, n, layout, processors)], 6)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        if not n:
            return
        number, word = queue.failure_word()
        state = queue.scratch(layout.end)
        runtime.memsetAsync(state, 0, layout.records, queue.handle)
        steps.queue_on(queue, (*mutable, *immutable, state, word))
        queue.fail_if_set(number, _missing)

    return launch


def _in_buckets(found: Mapping[str, Kernel], n: int, layout: Layout, scale: int) -> Iterator[Step]:
    """Of the same values. Where they are spread evenly, nothing is left for `_in_order` to do."""
    job: list[Part] = [*map(Given, range(4))]
    for offset in (
        *(layout.records, layout.more, layout.left_ones),
        *(layout.taken, _PLACED, layout.bucket_state),
    ):
        job.append(Given(4, offset))
    job += [n, layout.buckets, layout.share, layout.most, scale]
    fill = 2 * blocks(n, _FILL_THREADS * _FILL_RUN)
    found["fill_buckets"].allow_shared(4 * MOST_BUCKETS)
    yield found["fill_buckets"].step(fill, _FILL_THREADS, job, shared=4 * layout.buckets)
    yield found["sort_buckets"].step(layout.buckets, _BUCKET_THREADS, job)
    yield found["place_table"].step(layout.buckets, _TABLE_THREADS, job)


def _in_order(
    found: Mapping[str, Kernel], n: int, layout: Layout, processors: int
) -> Iterator[Step]:
    """For values: (views of a', t', a and t, address of the state, address of the word for
    failures)."""
    tiles = layout.tiles
    by_keys, by_integers = found["sort_by_keys"], found["sort_by_integers"]
    parts = (SORT_STATES, layout.records, layout.digit_statuses, layout.taken, 0)
    state = [Given(4, offset) for offset in parts]
    sorting: list[Part] = [Given(2), Given(3), *state, n, tiles.sort]
    job: list[Part] = [Given(0), Given(1), *sorting, Given(4, 0), Given(4, layout.statuses)]
    job.append(Given(5, 0))
    sort_grid = min(_SORT_BLOCKS * processors, 2 * blocks(n, tiles.sort)), _SORT_THREADS
    runs = 2 * blocks(n, _RUN_RECORDS * _RUN_THREADS)
    most = _MOST_BLOCKS * processors
    for sort in (by_keys, by_integers):
        sort.allow_shared(tiles.sort_shared)
    yield by_keys.step(*sort_grid, sorting, shared=tiles.sort_shared)
    yield found["list_alike"].step(min(runs, most), _RUN_THREADS, sorting)
    yield found["order_runs"].step(min(runs, _RUN_BLOCKS), _RUN_THREADS, sorting)
    yield by_integers.step(*sort_grid, sorting, shared=tiles.sort_shared)
    yield found["match_rows"].step(blocks(n, tiles.match), _MATCH_THREADS, job)
    yield found["list_rows"].step(min(blocks(n, tiles.match), most), _MATCH_THREADS, job)
    yield found["place_left"].step(min(blocks(n, _MATCH_THREADS), most), _MATCH_THREADS, job)


def _missing(word: int) -> RunFailed:
    return RunFailed(f"permute: the value of row {2**32 - 1 - word} is not in the table")
