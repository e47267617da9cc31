"""Running products, polynomials at a point, inverses: recurrence.cuh, evaluate.cuh and
batch_invert.cuh."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zkrun.devices.base import Data
from zkrun.devices.cuda.launch import Values, address_of, blocks, kernels, view
from zkrun.devices.cuda.queue import Queue
from zkrun.devices.cuda.rows import Argument, Given, Step, Steps
from zkrun.devices.cuda.units import evaluation_unit, inversion_unit, recurrence_unit
from zkrun.program.signature import Call
from zkrun.program.types import length

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
    run = _recurrence(call, "product", min(length(call.immutable[0]), length(call.mutable[0])))

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (z,), (a, first) = mutable, immutable
        run(queue, a, z, address_of(first), 0)

    return launch


def kate_division(call: Call, device: CudaDevice) -> Launch:
    run = _recurrence(call, "horner", length(call.immutable[0]))

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (q,), (p, x) = mutable, immutable
        run(queue, p, q, 0, address_of(x))

    return launch


def _recurrence(call: Call, law: str, count: int) -> Callable[[Queue, Data, Data, int, int], None]:
    """What queues one law over `count` elements: (queue, source, target, address of the first
    value, of x)."""
    found = kernels(recurrence_unit(call.curve))
    join_tiles, join_groups = found[f"join_tiles_{law}"], found[f"join_groups_{law}"]
    hand_down, hand_down_groups = found[f"hand_down_{law}"], found[f"hand_down_groups_{law}"]
    join_tiles.allow_shared(_TILE * _ITEM)
    n = length(call.mutable[0])
    tiles, outputs = blocks(n, _TILE), blocks(n, _OUTPUTS)
    groups = blocks(tiles, _GROUP)
    # In the scratch memory: elements before each thread, of tiles, of groups, powers of x.
    sizes = (tiles * _TILE_THREADS, tiles, groups, _POWERS)
    places = [_ITEM * sum(sizes[:i]) for i in range(5)]
    views, scratch, first, x = [Given(0), Given(1)], 2, Given(3, 0), Given(4, 0)
    before, of_tiles, of_groups, powers = (Given(scratch, place) for place in places[:4])
    job: Argument = [*views, before, of_tiles, of_groups, first, x, powers, count, tiles]
    steps = list[Step]()
    if law == "horner":
        steps.append(found["recurrence_powers"].step(3, _GROUP_THREADS, job))
    steps.append(join_tiles.step(tiles, _TILE_THREADS, job, shared=_TILE * _ITEM))
    if groups > 1:
        steps.append(join_groups.step(groups, _GROUP_THREADS, job))
    steps.append(hand_down_groups.step(groups, _GROUP_THREADS, job))
    steps.append(hand_down.step(outputs, _OUTPUTS_THREADS, job))
    in_order = Steps(steps if n else [], 5)

    def run(queue: Queue, source: Data, target: Data, first: int, x: int) -> None:
        if n:
            values = (view(source), view(target), queue.scratch(places[4]), first, x)
            in_order.queue_on(queue, values)

    return run


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

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        (y,), (a, x) = mutable, immutable
        scratch, arrivals = queue.scratch(powers + sums), queue.counter()
        steps.queue_on(queue, (view(a), address_of(x), address_of(y), scratch, arrivals))

    return launch


def batch_invert(call: Call, device: CudaDevice) -> Launch:
    invert_runs = kernels(inversion_unit(call.curve))["invert_runs"]
    n = length(call.mutable[0])
    stride = blocks(n, min(max(n // _RUNS, _SHORTEST_RUN), _LONGEST_RUN))
    grid, threads = blocks(stride, _INVERSION_THREADS), _INVERSION_THREADS
    steps = Steps([invert_runs.step(grid, threads, [Given(0), Given(1, 0), stride])], 2)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        if n:
            steps.queue_on(queue, (view(mutable[0]), queue.scratch(n * _ITEM)))

    return launch
