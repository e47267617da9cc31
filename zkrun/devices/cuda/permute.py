"""halo2's lookup permutation: permute.cuh and sort.cuh."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from zkrun.devices.cuda.elementwise import launch_elements
from zkrun.devices.cuda.launch import Kernel, Values, blocks, kernels, view
from zkrun.devices.cuda.queue import Queue
from zkrun.devices.cuda.units import permutation_unit
from zkrun.errors import RunFailed
from zkrun.program.signature import Call

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.functions import Launch

__all__ = ["permute"]

_KEYS = ("input_keys", "table_keys")
_ELEMENTWISE = ("take_from_table", "name_missing", "collect_left", "place_permuted")
_SUMS = ("sum_each_tile", "sum_up_tiles", "sum_up_counts")
_ITEM, _RECORD = 32, 16
_SUM_THREADS, _SUM_TILE = 256, 2048  # as in permute.cuh
_SORT_THREADS, _SORT_TILE, _SPLIT_THREADS = 512, 2048, 128  # as in sort.cuh

_LONG = 1 << 20  # records whose merges are worth a launch of their own for where tiles begin


def permute(call: Call, device: CudaDevice) -> Launch:
    found = kernels(permutation_unit(call.curve))
    input_keys, table_keys = (found[step] for step in _KEYS)
    take, name, collect, place = (found[step] for step in _ELEMENTWISE)
    sum_tiles, sum_up_tiles, sum_counts = (found[step] for step in _SUMS)
    n: int = call.params.usable

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        if not n:
            return
        number, word = queue.failure_word()
        stream, tiles = queue.handle, blocks(n, _SUM_TILE)
        first = queue.scratch(4 * n * _ITEM + 8 * n + 8 * tiles + 8 * blocks(n, _SORT_TILE))
        integers_a, integers_t, sorted_a, sorted_t, repeats = (
            first + i * n * _ITEM for i in range(5)
        )
        # What is no longer needed makes room: for the records of one sort and of the other, and for
        # what is left of the table.
        records_a, records_t, left = sorted_t, integers_a, integers_a
        job = b"".join(map(view, (*mutable, *immutable))) + struct.pack(
            "<12Q",
            *(integers_a, integers_t, sorted_a, sorted_t, left, records_a, records_t),
            *(repeats, repeats + 4 * n, repeats + 8 * n, word, n),
        )
        splits = repeats + 8 * n + 8 * tiles if n >= _LONG else 0
        launch_elements(input_keys, stream, n, job)
        _sort(found, stream, records_a, integers_a, sorted_a, splits, n)
        launch_elements(table_keys, stream, n, job)
        _sort(found, stream, records_t, integers_t, sorted_t, splits, n)
        launch_elements(take, stream, n, job)
        launch_elements(name, stream, n, job)
        sum_tiles(stream, 2 * tiles, _SUM_THREADS, job)
        sum_up_tiles(stream, 1, _SUM_THREADS, job)
        sum_counts(stream, 2 * tiles, _SUM_THREADS, job)
        launch_elements(collect, stream, n, job)
        launch_elements(place, stream, n, job)
        queue.fail_if_set(number, _missing)

    return launch


def _sort(
    found: dict[str, Kernel],
    stream: int,
    records: int,
    integers: int,
    ordered: int,
    splits: int,
    n: int,
) -> None:
    """Sorts n records, with as much memory behind them, and puts their integers in order.

    `splits` is scratch for long sorts, or 0.
    """
    grid = blocks(n, _SORT_TILE)
    source, target = records, records
    job = struct.pack("<6Q", source, target, integers, n, 0, splits)
    found["sort_tiles"](stream, grid, _SORT_THREADS, job)
    width = _SORT_TILE
    while width < n:
        source, target = target, 2 * records + n * _RECORD - target  # the other half
        job = struct.pack("<6Q", source, target, integers, n, width, splits)
        if splits:
            found["find_splits"](stream, blocks(2 * grid, _SPLIT_THREADS), _SPLIT_THREADS, job)
        found["merge_runs"](stream, grid, _SORT_THREADS, job)
        width *= 2
    job = struct.pack("<4Q", ordered, integers, target, n)
    found["collect_sorted"](stream, blocks(n, _SORT_THREADS), _SORT_THREADS, job)


def _missing(word: int) -> RunFailed:
    return RunFailed(f"permute: the value of row {2**32 - 1 - word} is not in the table")
