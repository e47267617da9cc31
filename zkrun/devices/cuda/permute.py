"""halo2's lookup permutation: permute.cuh, and the sort in sort.cuh and sort_runs.cuh."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cupy
from cupy.cuda import runtime

from zkrun.devices.cuda.launch import Values, blocks, kernels, view
from zkrun.devices.cuda.permute_plan import MOST_ROWS, SORT_STATES, plan_permutation
from zkrun.devices.cuda.queue import Queue
from zkrun.devices.cuda.units import permutation_unit
from zkrun.errors import RunFailed
from zkrun.program.signature import Call

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.functions import Launch

__all__ = ["permute"]

_SORT_THREADS = 384  # as in sort_pass.cuh
_SORT_BLOCKS = 2  # on a multiprocessor
_RUN_THREADS, _RUN_RECORDS, _RUN_BLOCKS = 256, 8, 512  # as in sort_runs.cuh; at most
_MATCH_THREADS = 256  # as in permute.cuh
_PLACE_BLOCKS = 8  # on a multiprocessor, at most


def permute(call: Call, device: CudaDevice) -> Launch:
    n: int = call.params.usable
    if n > MOST_ROWS:
        raise RunFailed(f"permute: a GPU takes {MOST_ROWS} rows at most, not {n}")
    layout = plan_permutation(n)
    tiles = layout.tiles
    found = kernels(permutation_unit(call.curve))
    sort_by_keys, sort_by_integers, match, list_rows = (
        found[f"{name}_{tiles.name}"]
        for name in ("sort_by_keys", "sort_by_integers", "match_rows", "list_rows")
    )
    for sort in (sort_by_keys, sort_by_integers):
        sort.allow_shared(tiles.sort_shared)
    processors = int(cupy.cuda.Device().attributes["MultiProcessorCount"])
    sort_grid = min(_SORT_BLOCKS * processors, 2 * blocks(n, tiles.sort)), _SORT_THREADS
    runs = 2 * blocks(n, _RUN_RECORDS * _RUN_THREADS)
    match_grid = blocks(n, tiles.match), _MATCH_THREADS
    place_blocks = min(_PLACE_BLOCKS * processors, blocks(n, _MATCH_THREADS))

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        if not n:
            return
        number, word = queue.failure_word()
        stream = queue.handle
        state = queue.scratch(layout.end)
        sorting = b"".join(map(view, immutable)) + struct.pack(
            "<7Q",
            *(state + SORT_STATES, state + layout.records, state + layout.digit_statuses),
            *(state + layout.taken, state, n, tiles.sort),
        )
        rest = struct.pack("<3Q", state, state + layout.statuses, word)
        job = b"".join(map(view, mutable)) + sorting + rest
        runtime.memsetAsync(state, 0, layout.records, stream)
        sort_by_keys(stream, *sort_grid, sorting, tiles.sort_shared)
        found["list_alike"](stream, runs, _RUN_THREADS, sorting)
        found["order_runs"](stream, min(runs, _RUN_BLOCKS), _RUN_THREADS, sorting)
        sort_by_integers(stream, *sort_grid, sorting, tiles.sort_shared)
        match(stream, *match_grid, job)
        list_rows(stream, *match_grid, job)
        found["place_left"](stream, place_blocks, _MATCH_THREADS, job)
        queue.fail_if_set(number, _missing)

    return launch


def _missing(word: int) -> RunFailed:
    return RunFailed(f"permute: the value of row {2**32 - 1 - word} is not in the table")
