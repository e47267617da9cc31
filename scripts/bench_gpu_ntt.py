#!/usr/bin/env python3
"""Times transforms and the functions over arrays on a GPU, device-resident, and prints tables.

    scripts/bench_gpu_ntt.py [ntt] [shapes] [functions] [host] [--curves bn254,bls12_381]
                             [--logs 16,18,20,22,24] [--repeats 15]

ntt: forward transforms, medians in milliseconds. shapes: the same for many ways to cut them.
functions: each with the rate at which it moves bytes and multiplies. host: microseconds of Python
for one asynchronous instruction. Each time is that of several calls queued one after the other,
divided by their number, between two events; medians of --repeats such times.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cupy.cuda import runtime

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.base import Data
from zkrun.devices.cuda.compile import compile_all
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.functions import FACTORIES, Launch
from zkrun.devices.cuda.ntt import Plan, Shape, best_shape
from zkrun.devices.cuda.queue import Queue
from zkrun.devices.cuda.units import scalar_units
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.functions.transform import default_root
from zkrun.program.types import Scalar, ScalarArray, Typ

SHAPES: dict[int, list[tuple[tuple[int, ...], int, int]]] = {
    16: [((8, 8), h, t) for h in (2, 3) for t in (8, 9, 10)] + [((6, 5, 5), 2, 8)],
    18: [((9, 9), h, t) for h in (2, 3) for t in (9, 10, 11)] + [((6, 6, 6), 3, 9)],
    20: [((10, 10), h, t) for h in (2, 3) for t in (10, 11)]
    + [((7, 7, 6), h, t) for h in (2, 3) for t in (9, 10)],
    22: [((11, 11), h, 11) for h in (2, 3)]
    + [(p, h, t) for p in ((8, 7, 7), (7, 8, 7)) for h in (2, 3) for t in (9, 10, 11)],
    24: [((8, 8, 8), h, t) for h in (2, 3) for t in (8, 9, 10, 11)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Times the GPU's functions over arrays.")
    parser.add_argument("what", nargs="*", default=["ntt", "functions", "host"])
    parser.add_argument("--curves", default=",".join(CURVES))
    parser.add_argument("--logs", default="16,18,20,22,24")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    curves = [CURVES[name] for name in arguments.curves.split(",")]
    logs = [int(log) for log in arguments.logs.split(",")]
    gpu = CudaDevice("gpu:0", 0)
    name = runtime.getDeviceProperties(0)["name"].decode()
    major, minor = (runtime.getDeviceProperties(0)[part] for part in ("major", "minor"))
    compile_all([u for curve in curves for u in scalar_units(curve)], 10 * major + minor)
    print(f"{name}, medians of {arguments.repeats}, milliseconds")
    try:
        for curve in curves:
            for log in logs:
                if "ntt" in arguments.what:
                    shape = best_shape(log)
                    print(f"ntt {curve.name} 2^{log} {_ntt(gpu, curve, log, shape, arguments):.4f}")
                if "shapes" in arguments.what:
                    for passes, held, tile in SHAPES.get(log, []):
                        shape = Shape(passes, held, tile)
                        taken = _ntt(gpu, curve, log, shape, arguments)
                        print(f"shape {curve.name} 2^{log} {passes} {held} {tile} {taken:.4f}")
                sys.stdout.flush()
            if "functions" in arguments.what:
                for log in logs:
                    for line in _functions(gpu, curve, log, arguments):
                        print(f"{curve.name} 2^{log} {line}", flush=True)
        if "host" in arguments.what:
            _host(gpu, curves[0])
    finally:
        gpu.close()


def _place(gpu: CudaDevice, typ: Typ) -> Data:
    n = typ.len if isinstance(typ, ScalarArray) else 1
    block = gpu.allocate(32 * n, None)
    return Data(typ, block, block.address, 32, n, 0, n)


def _array(gpu: CudaDevice, n: int, curve: Curve) -> Data:
    """Elements that a transform has mixed."""
    a = _place(gpu, ScalarArray(n))
    few = b"".join((i * i + 3).to_bytes(32, "little") for i in range(min(n, 1024)))
    gpu.write(a, (few * -(-n // 1024))[: 32 * n])
    k = n.bit_length() - 1
    if n == 1 << k:
        plan = Plan(gpu, curve, k, _root(curve, k), 3, False)
        with gpu._queue() as queue:
            plan(queue, a, 0)
    return a


def _root(curve: Curve, k: int) -> int:
    field = curve.scalar
    return default_root(1 << k, field.modulus, field.root_of_unity, field.two_adicity)


def _time(gpu: CudaDevice, work: Callable[[], None], calls: int, repeats: int) -> float:
    """Milliseconds of one call."""
    stream, found = gpu.prepare().handle, list[float]()
    events = [runtime.eventCreateWithFlags(0) for _ in range(2)]
    for repeat in range(repeats + 2):
        runtime.eventRecord(events[0], stream)
        for _ in range(calls):
            work()
        runtime.eventRecord(events[1], stream)
        runtime.eventSynchronize(events[1])
        if repeat >= 2:
            found.append(float(runtime.eventElapsedTime(*events)) / calls)
    for event in events:
        runtime.eventDestroy(event)
    return statistics.median(found)


def _calls(log: int) -> int:
    return 20 if log <= 20 else 5


def _ntt(
    gpu: CudaDevice, curve: Curve, log: int, shape: Shape, arguments: argparse.Namespace
) -> float:
    a = _array(gpu, 1 << log, curve)
    before = set(gpu.pool._live)
    plan, queue = Plan(gpu, curve, log, _root(curve, log), 1, False, shape), gpu.prepare()
    taken = _time(gpu, lambda: plan(queue, a, 0), _calls(log), arguments.repeats)
    for address in set(gpu.pool._live) - before - {queue._scratch[0]}:
        gpu.pool.free(address, queue.handle)
    gpu.free(a.block)
    return taken


def _functions(
    gpu: CudaDevice, curve: Curve, log: int, arguments: argparse.Namespace
) -> Iterator[str]:
    n = 1 << log
    a, b, c, d = (_array(gpu, n, curve) for _ in range(4))
    x, y = (_place(gpu, Scalar()) for _ in range(2))
    for scalar in (x, y):
        gpu.write(scalar, (12345).to_bytes(32, "little"))
    powers = _array(gpu, 256, curve)
    expr = "y0 = (x0 + x1)*(x0 - x1) + x2*x2*x0"
    cases: tuple[tuple[str, str, dict[str, Any], list[Data], list[Data]], ...] = (
        ("poly_add", "poly_add", {}, [c], [a, b]),
        ("poly_mul", "poly_mul", {}, [c], [a, b]),
        ("poly_scale", "poly_scale", {}, [c], [a, x]),
        ("fused 4 mul", "fused_arith", {"expr": expr}, [d], [a, b, c]),
        ("distribute_powers", "distribute_powers", {}, [c], [powers]),
        ("fill", "fill", {"value": "one_lagrange"}, [c], []),
        ("evaluate", "evaluate", {}, [y], [a, x]),
        ("kate_division", "kate_division", {}, [c], [a, x]),
        ("scan_mul", "scan_mul", {}, [c], [a, x]),
        ("batch_invert", "batch_invert", {}, [b], []),
        ("permute", "permute", {"usable": n}, [c, d], [a, a]),
        ("ntt inverse", "ntt", {"inverse": True}, [a], []),
        ("ntt coset", "ntt", {"coset": 7}, [a], []),
    )
    for label, name, params, mutable, immutable in cases:
        call, problems = resolve_call(
            FunctionEntry(name, params), curve, [v.typ for v in mutable], [v.typ for v in immutable]
        )
        assert call is not None, problems
        launch, cost, queue = FACTORIES[name](call, gpu), call.signature.cost(call), gpu.prepare()

        work = partial(_launch, launch, queue, mutable, immutable)
        calls = 1 if name == "permute" else _calls(log)
        taken = _time(gpu, work, calls, arguments.repeats)
        yield (
            f"{label}: {taken:.4f} ms, {cost.bytes / taken / 1e9:.2f} TB/s, "
            f"{cost.multiplications / taken / 1e6:.1f} G mul/s"
        )
    for data in (a, b, c, d, x, y, powers):
        gpu.free(data.block)


def _launch(launch: Launch, queue: Queue, mutable: list[Data], immutable: list[Data]) -> None:
    launch(queue, mutable, immutable)
    queue.run_checks()


def _host(gpu: CudaDevice, curve: Curve) -> None:
    """What an instruction costs the thread that queues it."""
    stream = gpu.open_stream(lambda *span: None, lambda *failure: print(failure))
    a, b = (_array(gpu, 256, curve) for _ in range(2))
    call, problems = resolve_call(FunctionEntry("poly_add", {}), curve, [a.typ], [a.typ, a.typ])
    assert call is not None, problems
    function = gpu.bind(call)
    for label, work in (
        ("FuncCall", lambda: function([b], [a, a])),
        ("Transfer on the GPU", lambda: gpu.copy(b, a)),
    ):
        found = []
        for _ in range(20):
            start = time.perf_counter_ns()
            for at in range(200):
                stream.run(at, work)
            found.append((time.perf_counter_ns() - start) / 200e3)
            stream.synchronize()
        print(f"host {label}: {statistics.median(found):.2f} us")
    stream.close()


main()
