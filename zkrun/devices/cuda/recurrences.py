"""Running products, polynomials at a point, inverses: recurrence.cuh and batch_invert.cuh."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from zkrun.devices.base import Data
from zkrun.devices.cuda.launch import Values, blocks, kernels, view
from zkrun.devices.cuda.queue import Queue
from zkrun.devices.cuda.units import inversion_unit, recurrence_unit
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
_TILE_THREADS, _TILE, _JOINING, _POWERS = 128, 1024, 1024, 48
_EVALUATION = 256
_EVALUATION_BLOCKS = 1056
# As in batch_invert.cuh.
_FAN_IN, _THREADS, _TOP = 8, 256, 4096
_TOP_THREADS = 512


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
    join_tiles, join_all = found[f"join_tiles_{law}"], found[f"join_all_{law}"]
    hand_down, prepare = found[f"hand_down_{law}"], found["recurrence_powers"]
    for kernel in (join_tiles, hand_down):
        kernel.allow_shared(_TILE * _ITEM)

    def run(queue: Queue, source: Data, target: Data, count: int, first: int, x: int) -> None:
        tiles = blocks(target.length, _TILE)
        if not tiles:
            return
        joined = max(0, (blocks(tiles, _JOINING) - 1).bit_length())
        before = queue.scratch((tiles * (_TILE_THREADS + 1) + _POWERS + _TILE_THREADS) * _ITEM)
        sums = before + tiles * _TILE_THREADS * _ITEM
        powers = sums + tiles * _ITEM
        if x:
            prepare(queue.handle, 1, 2 * _TILE_THREADS, struct.pack("<2Q", x, powers))
        payload = b"".join(
            (
                view(source),
                view(target),
                struct.pack("<8Q", before, sums, first, x, powers, count, tiles, joined),
            )
        )
        join_tiles(queue.handle, tiles, _TILE_THREADS, payload, _TILE * _ITEM)
        join_all(queue.handle, 1, _JOINING, payload)
        hand_down(queue.handle, tiles, _TILE_THREADS, payload, _TILE * _ITEM)

    return run


def evaluate(call: Call, device: CudaDevice) -> Launch:
    found = kernels(recurrence_unit(call.curve))
    table, tiles, total = (found[n] for n in ("evaluation_table", "evaluate_tiles", "sum_tiles"))

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (y,), (a, x) = mutable, immutable
        rows = max(4, blocks(a.length, _EVALUATION * _EVALUATION_BLOCKS))
        grid = blocks(a.length, _EVALUATION * rows)
        entries = _EVALUATION + 1 + grid
        powers = queue.scratch((entries + grid) * _ITEM)
        payload = view(a) + struct.pack(
            "<7Q", _address(x), powers, powers + entries * _ITEM, _address(y), rows, grid, 0
        )
        table(queue.handle, blocks(entries, 128), 128, payload)
        tiles(queue.handle, grid, _EVALUATION, payload)
        total(queue.handle, 1, _EVALUATION, payload)

    return launch


def batch_invert(call: Call, device: CudaDevice) -> Launch:
    found = kernels(inversion_unit(call.curve))
    multiply, invert, top = (found[n] for n in ("multiply_groups", "invert_groups", "invert_top"))

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (a,) = mutable
        if not a.length:
            return
        sizes = [a.length]
        while sizes[-1] > _TOP:
            sizes.append(blocks(sizes[-1], _FAN_IN))
        place = queue.scratch(sum(sizes[1:]) * _ITEM) if len(sizes) > 1 else 0
        lower, levels = view(a), []
        for size in sizes[1:]:
            levels.append((size, lower + struct.pack("<2Q", place, size)))
            lower = struct.pack("<4Q", place, size, 0, size)
            place += size * _ITEM
        for size, payload in levels:
            multiply(queue.handle, blocks(size, _THREADS), _THREADS, payload)
        top(queue.handle, 1, _TOP_THREADS, lower + bytes(16))
        for size, payload in reversed(levels):
            invert(queue.handle, blocks(size, _THREADS), _THREADS, payload)

    return launch


def _address(scalar: Data) -> int:
    return scalar.address + scalar.offset * scalar.item
