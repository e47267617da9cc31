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

_ELEMENTWISE = (
    "permutation_keys",
    "take_from_table",
    "name_missing",
    "collect_left",
    "place_permuted",
)
_SUMS = ("sum_each_tile", "sum_up_tiles", "sum_up_counts")
_ITEM = 32
_SUM_THREADS, _SUM_TILE = 256, 2048  # as in permute.cuh
_SORT_THREADS, _SORT_TILE = 256, 1024  # as in sort.cuh


def permute(call: Call, device: CudaDevice) -> Launch:
    found = kernels(permutation_unit(call.curve))
    keys, take, name, collect, place = (found[step] for step in _ELEMENTWISE)
    sum_tiles, sum_up_tiles, sum_counts = (found[step] for step in _SUMS)
    n: int = call.params.usable

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        if not n:
            return
        number, word = queue.failure_word()
        stream, tiles = queue.handle, blocks(n, _SUM_TILE)
        addresses = [queue.scratch(3 * n * _ITEM + 8 * n + 8 * tiles)]
        for nbytes in (n * _ITEM, n * _ITEM, n * _ITEM, 4 * n, 4 * n):
            addresses.append(addresses[-1] + nbytes)
        sorted_a, sorted_t, left = addresses[:3]
        job = b"".join(map(view, (*mutable, *immutable))) + struct.pack("<8Q", *addresses, word, n)
        launch_elements(keys, stream, n, job)
        for one in (sorted_a, sorted_t):
            _sort(found, stream, one, left, n)
        launch_elements(take, stream, n, job)
        launch_elements(name, stream, n, job)
        sum_tiles(stream, 2 * tiles, _SUM_THREADS, job)
        sum_up_tiles(stream, 1, _SUM_THREADS, job)
        sum_counts(stream, 2 * tiles, _SUM_THREADS, job)
        launch_elements(collect, stream, n, job)
        launch_elements(place, stream, n, job)
        queue.fail_if_set(number, _missing)

    return launch


def _sort(found: dict[str, Kernel], stream: int, values: int, other: int, n: int) -> None:
    """Sorts n canonical integers in place, with as much memory again."""
    grid = blocks(n, _SORT_TILE)
    widths: list[int] = []
    while (width := _SORT_TILE << len(widths)) < n:
        widths.append(width)
    # An odd number of merges ends in the other memory, unless the tiles begin there.
    source, target = (values, other) if len(widths) % 2 else (values, values)
    found["sort_tiles"](stream, grid, _SORT_THREADS, struct.pack("<4Q", source, target, n, 0))
    for width in widths:
        source, target = target, other if target == values else values
        found["merge_runs"](
            stream, grid, _SORT_THREADS, struct.pack("<4Q", source, target, n, width)
        )


def _missing(word: int) -> RunFailed:
    return RunFailed(f"permute: the value of row {2**32 - 1 - word} is not in the table")
