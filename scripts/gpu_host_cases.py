"""What the host has to do for an instruction on a GPU: what bench_gpu.py measures of it.

A program queues so many calls of a function on one stream, and what the thread of the program takes
for one of them is counted. A program that runs once queues each call by itself; one that repeats
(`--iterations`) replays graphs. What takes the GPU less than the host is queued in bursts, too:
there is far more on its way then than in other programs.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any, Literal

import gpu_limits
from gpu_table import Result

import zkrun
from zkrun.program.decode import decode
from zkrun.program.document import Program
from zkrun.runtime.trace import Trace

FUNCTIONS = ("poly_add", "poly_mul", "ntt", "batch_invert", "evaluate", "msm")
LOG = 16  # that of the arrays does not matter to the host
CALLS = 100
RUNS = 15
IN_BURSTS = ("poly_add", "poly_mul")
BURST, BURST_RUNS = 3000, 6


def host_cases(log: int, gpu: Literal["real", "virtual"] = "real") -> Iterator[Result]:
    """Microseconds of each function, queued once and replayed; and of an addition of CuPy's.

    Those that run once take turns: hosts slow down for a second, and that shall not hit one alone.
    """
    if log != LOG:
        return
    once = zkrun.Options(gpu=gpu)
    documents = {name: program(name, CALLS, 1 << log) for name in FUNCTIONS}
    analyses = {name: zkrun.validate(document) for name, document in documents.items()}
    singles: dict[str, list[float]] = {name: [] for name in FUNCTIONS}
    peer = list[float]()
    for _ in range(RUNS + 1):
        for name, document in documents.items():
            trace = zkrun.run(document, {}, once, analyses[name]).trace
            singles[name].append(microseconds(trace, name))
        if gpu == "real":
            peer.append(cupy_microseconds(1 << log))
    repeated = zkrun.Options(gpu=gpu, warmup=2, iterations=RUNS)
    for name, document in documents.items():
        replayed = microseconds(zkrun.run(document, {}, repeated, analyses[name]).trace, name)
        for how, taken in (
            ("queued once", statistics.median(singles[name][1:])),
            ("replayed", replayed),
        ):
            yield judged(f"{name}, {how}", taken)
    for name in IN_BURSTS:
        document = program(name, BURST, 1 << log)
        analysis = zkrun.validate(document)
        runs = (zkrun.run(document, {}, once, analysis) for _ in range(BURST_RUNS + 1))
        taken = statistics.median([microseconds(run.trace, name) for run in runs][1:])
        yield judged(f"{name}, a burst of {BURST}", taken)
    if peer:
        yield Result("cupy.add(a, b, c), to compare", log, statistics.median(peer[1:]), "µs")


def judged(row: str, taken: float) -> Result:
    """A cell that is held against what an instruction may take."""
    return Result(row, LOG, taken, "µs", gpu_limits.INSTRUCTION / taken)


def cupy_microseconds(n: int) -> float:
    """What the thread takes for CuPy to queue an addition of arrays of so many elements."""
    import cupy

    a, b, c = (cupy.ones((n, 4), cupy.uint64) for _ in range(3))
    cupy.cuda.Device().synchronize()
    start = time.perf_counter()
    for _ in range(CALLS):
        cupy.add(a, b, c)
    taken = time.perf_counter() - start
    cupy.cuda.Device().synchronize()
    return 1e6 * taken / CALLS


def microseconds(trace: Trace, name: str) -> float:
    """The time of the thread for one call of a function."""
    asked = {i for i, info in enumerate(trace.instructions) if info.function == name}
    threads = {track.id for track in trace.tracks if track.kind == "thread"}
    host = sum(
        span.end - span.start for span in trace.spans if span.at in asked and span.track in threads
    )
    return host / len(asked) / 1000


def program(name: str, calls: int, n: int) -> Program:
    """So many calls of a function on one stream of gpu:0, over arrays of n elements.

    Those that follow each other have other operands; the bases of `msm` are the same.
    """
    operands: dict[str, list[tuple[list[int], list[int]]]] = {
        "poly_add": [([3], [2, 2]), ([9], [2, 3])],
        "poly_mul": [([3], [2, 2]), ([9], [2, 3])],
        "ntt": [([2], []), ([3], [])],
        "batch_invert": [([2], []), ([3], [])],
        "evaluate": [([4], [2, 5]), ([10], [3, 5])],
        "msm": [([7], [6, 2]), ([11], [6, 3])],
    }
    array = {"kind": "ScalarArray", "len": n}
    scalar, point = {"kind": "Scalar"}, {"kind": "Point", "group": "g1"}
    typs = {2: array, 3: array, 9: array, 4: scalar, 5: scalar, 10: scalar, 7: point, 11: point}
    works = [
        {"op": "FuncCall", "func_id": 0, "arg_mut": mutable, "arg": [*immutable, 1]}
        for mutable, immutable in operands[name]
    ]
    fill = {"op": "FuncCall", "func_id": 1, "arg_mut": [2], "arg": [1]}
    copy = {"op": "Transfer", "src_device": "gpu:0", "dst_device": "gpu:0", "stream": 1}
    instructions: list[dict[str, Any]] = [
        {"op": "Allocate", "device": "gpu:0", "typ": {"kind": "Stream"}, "id": 1},
        *({"op": "Allocate", "device": "gpu:0", "typ": t, "id": id} for id, t in typs.items()),
        {"op": "LoadConstant", "src": 0, "dst": 6},
        {"op": "LoadConstant", "src": 1, "dst": 8},
        fill,
        {**copy, "src_id": 8, "dst_id": 5},
        {**copy, "src_id": 2, "dst_id": 3},
        {"op": "Record", "event": 0, "stream": 1},
        {"op": "Wait", "slave": "cpu", "event": 0},
        *(works[number % len(works)] for number in range(calls)),
        {"op": "Record", "event": 1, "stream": 1},
        {"op": "Wait", "slave": "cpu", "event": 1},
        {"op": "Return", "id": 8},
    ]
    points = {"kind": "PointArray", "len": n}
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": [{"name": name}, {"name": "fill", "params": {"value": "one_lagrange"}}],
        "constants": [
            {
                "name": "points",
                "typ": points,
                "device": "gpu:0",
                "data": {"values": [["0x1", "0x2"]] * n},
            },
            {
                "name": "x",
                "typ": {"kind": "Scalar"},
                "device": "gpu:0",
                "data": {"values": "0x7"},
            },
        ],
        "instructions": instructions,
    }
    return decode(json.dumps(document).encode())
