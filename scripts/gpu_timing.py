"""Values on a GPU, and how long calls take there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cupy.cuda import runtime

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.functions.launch import Launch
from zkrun.devices.cuda.functions.ntt import Plan
from zkrun.devices.cuda.functions.table import FACTORIES
from zkrun.devices.cuda.streams.queue import Queue
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.functions.transform import default_root
from zkrun.program.signature import Call
from zkrun.program.types import Scalar, ScalarArray, Typ, length

REPEATS = 11


def place(gpu: CudaDevice, typ: Typ, item: int = 32) -> Data:
    n = length(typ)
    block = gpu.allocate(item * n, None)
    return Data(typ, block, block.address, item, n, 0, n)


def elements(gpu: CudaDevice, n: int, curve: Curve) -> Data:
    """Elements that a transform has mixed, where n is a power of two."""
    a = place(gpu, ScalarArray(n))
    few = b"".join((i * i + 3).to_bytes(32, "little") for i in range(min(n, 1024)))
    gpu.write(a, (few * -(-n // 1024))[: 32 * n])
    k = n.bit_length() - 1
    if n == 1 << k:
        field = curve.scalar
        root = default_root(n, field.modulus, field.root_of_unity, field.two_adicity)
        plan = Plan(gpu, curve, k, root, 3, False)
        with gpu._queue() as queue:
            plan(queue, a, 0)
    return a


def scalar(gpu: CudaDevice, value: int = 12345) -> Data:
    data = place(gpu, Scalar())
    gpu.write(data, value.to_bytes(32, "little"))
    return data


def resolved(
    curve: Curve,
    name: str,
    params: dict[str, Any],
    mutable: Sequence[Data],
    immutable: Sequence[Data],
) -> Call:
    call, problems = resolve_call(
        FunctionEntry(name, params), curve, [v.typ for v in mutable], [v.typ for v in immutable]
    )
    assert call is not None, problems
    return call


def bound(
    gpu: CudaDevice, call: Call, mutable: Sequence[Data], immutable: Sequence[Data]
) -> Callable[[Queue], None]:
    """What queues a call."""
    launch: Launch = FACTORIES[call.signature.name](call, gpu)
    return partial(_launch, launch, mutable, immutable)


def _launch(
    launch: Launch, mutable: Sequence[Data], immutable: Sequence[Data], queue: Queue
) -> None:
    launch(queue, mutable, immutable)
    if queue.checks:
        runtime.streamSynchronize(queue.handle)
        queue.run_checks()


def calls_at_once(log: int) -> int:
    """So many that they take a millisecond or so: what keeps memory and multipliers busy for
    longer was seen to slow down by some 5 % on an H200."""
    return 20 if log <= 22 else 4


def milliseconds(queue: Queue, work: Callable[[Queue], object], calls: int) -> float:
    """Of one call, of `calls` queued one after the other between two events; the median.

    One before them keeps the GPU busy until they are queued.
    """
    found = list[float]()
    events = [runtime.eventCreateWithFlags(0) for _ in range(2)]
    for _ in range(REPEATS + 1):
        work(queue)
        runtime.eventRecord(events[0], queue.handle)
        for _ in range(calls):
            work(queue)
        runtime.eventRecord(events[1], queue.handle)
        runtime.eventSynchronize(events[1])
        found.append(float(runtime.eventElapsedTime(*events)) / calls)
    for event in events:
        runtime.eventDestroy(event)
    return statistics.median(found[1:])


def wall_milliseconds(queues: Sequence[Queue], work: Callable[[], None]) -> float:
    """Of work on several streams, from the first launch until all is done; the median."""
    found = list[float]()
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        work()
        for queue in queues:
            runtime.streamSynchronize(queue.handle)
        found.append(1e3 * (time.perf_counter() - start))
    return statistics.median(found[1:])
