"""Running products, polynomials at a point, inverses: recurrence.cuh, evaluate.cuh and
batch_invert.cuh."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from zkrun.devices.base import Data
from zkrun.devices.cuda.launch import Values, blocks, kernels, view
from zkrun.devices.cuda.queue import Queue
from zkrun.devices.cuda.units import evaluation_unit, inversion_unit, recurrence_unit
from zkrun.program.signature import Call

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.functions import Launch

__all__ = [
    "batch_invert",
    "evaluate",
    "kate_division",
    "scan_mul",
]

_ITEM = 32
# As in recurrence.cuh.
_TILE_THREADS, _TILE = 128, 1024
_GROUP_THREADS, _GROUP = 256, 1024
_OUTPUTS_THREADS, _OUTPUTS = 128, 1024
_POWERS = _TILE_THREADS + 1 + _GROUP_THREADS + 1 + _TILE // _TILE_THREADS + 1
# As in evaluate.cuh.
_EVALUATION_THREADS = 256
_LEAST_LOG_ROWS, _MOST_LOG_ROWS, _EVALUATION_TILES = 2, 6, 512
# As in batch_invert.cuh, and what is fastest on an H200: few runs leave the GPU idle, and many take
# many inversions.
_INVERSION_THREADS = 128
_RUNS, _SHORTEST_RUN, _LONGEST_RUN = 1 << 15, 4, 128


def scan_mul(call: Call, device: CudaDevice) -> Launch:
    run = _recurrence(call, "product")

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (z,), (a, first) = mutable, immutable
        run(queue, a, z, min(a.length, z.length), _address(first), 0)

    return launch


def kate_division(call: Call, device: CudaDevice) -> Launch:
    run = _recurrence(call, "horner")

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (q,), (p, x) = mutable, immutable
        run(queue, p, q, p.length, 0, _address(x))

    return launch


def _recurrence(call: Call, law: str) -> Callable[[Queue, Data, Data, int, int, int], None]:
    """The launches of one law: (queue, source, target, count, address of the first value, of x)."""
    found = kernels(recurrence_unit(call.curve))
    join_tiles, join_groups = found[f"join_tiles_{law}"], found[f"join_groups_{law}"]
    hand_down, hand_down_groups = found[f"hand_down_{law}"], found[f"hand_down_groups_{law}"]
    powers_of_x = found["recurrence_powers"]
    join_tiles.allow_shared(_TILE * _ITEM)

    def run(queue: Queue, source: Data, target: Data, count: int, first: int, x: int) -> None:
        tiles = blocks(target.length, _TILE)
        if not tiles:
            return
        groups = blocks(tiles, _GROUP)
        sizes = (tiles * _TILE_THREADS, tiles, groups, _POWERS)
        addresses = [queue.scratch(sum(sizes) * _ITEM)]
        for size in sizes[:-1]:
            addresses.append(addresses[-1] + size * _ITEM)
        payload = b"".join(
            (
                view(source),
                view(target),
                struct.pack("<8Q", *addresses[:3], first, x, addresses[3], count, tiles),
            )
        )
        stream = queue.handle
        if x:
            powers_of_x(stream, 3, _GROUP_THREADS, payload)
        join_tiles(stream, tiles, _TILE_THREADS, payload, _TILE * _ITEM)
        if groups > 1:
            join_groups(stream, groups, _GROUP_THREADS, payload)
        hand_down_groups(stream, groups, _GROUP_THREADS, payload)
        hand_down(stream, blocks(target.length, _OUTPUTS), _OUTPUTS_THREADS, payload)

    return run


def evaluate(call: Call, device: CudaDevice) -> Launch:
    found = kernels(evaluation_unit(call.curve))
    evaluate_tiles, sum_tiles = found["evaluate_tiles"], found["sum_tiles"]
    threads, powers = _EVALUATION_THREADS, _EVALUATION_THREADS + 1

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (y,), (a, x) = mutable, immutable
        rows = blocks(a.length, threads * _EVALUATION_TILES)
        log_rows = min(max((rows - 1).bit_length(), _LEAST_LOG_ROWS), _MOST_LOG_ROWS)
        tiles = max(1, blocks(a.length, threads << log_rows))
        place = queue.scratch((powers + tiles) * _ITEM)
        payload = view(a) + struct.pack(
            "<7Q",
            *(_address(x), place, place + powers * _ITEM, _address(y), log_rows, tiles, 0),
        )
        evaluate_tiles(queue.handle, tiles + 1, threads, payload)
        sum_tiles(queue.handle, 1, threads, payload)

    return launch


def batch_invert(call: Call, device: CudaDevice) -> Launch:
    invert_runs = kernels(inversion_unit(call.curve))["invert_runs"]

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (a,) = mutable
        if not a.length:
            return
        run = min(max(a.length // _RUNS, _SHORTEST_RUN), _LONGEST_RUN)
        stride = blocks(a.length, run)
        payload = view(a) + struct.pack("<2Q", queue.scratch(a.length * _ITEM), stride)
        invert_runs(queue.handle, blocks(stride, _INVERSION_THREADS), _INVERSION_THREADS, payload)

    return launch


def _address(scalar: Data) -> int:
    return scalar.address + scalar.offset * scalar.item
