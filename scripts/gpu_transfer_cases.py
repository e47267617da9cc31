"""How fast arrays move to a GPU and back: what bench_gpu.py measures of it.

They lie in memory that the program has written, so that its pages are there: the first time, when
they are not locked for the GPU yet, and again.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from typing import Any, Literal

from gpu_table import Result

import zkrun
from zkrun.program.decode import decode
from zkrun.program.document import Program

REPEATS, RUNS = 6, 3
WAYS = {"gpu:0": "to the GPU", "cpu": "from the GPU"}


def transfer_cases(log: int, gpu: Literal["real", "virtual"] = "real") -> Iterator[Result]:
    """GB/s to the GPU and back: the first time, and the median of those that follow."""
    document = program(1 << log, REPEATS)
    analysis = zkrun.validate(document)
    rates: dict[str, list[list[float]]] = {device: [] for device in WAYS}
    for _ in range(RUNS):
        trace = zkrun.run(document, {}, zkrun.Options(gpu=gpu), analysis).trace
        streams = {track.id for track in trace.tracks if track.kind == "stream"}
        taken: dict[str, list[float]] = {device: [] for device in WAYS}
        for span in trace.spans:
            info = trace.instructions[span.at]
            if span.track in streams and info.dst is not None:
                taken[info.dst].append(info.bytes / max(1, span.end - span.start))
        for device, values in taken.items():
            rates[device].append(values)
    for device, way in WAYS.items():
        first = statistics.median(run[0] for run in rates[device])
        again = statistics.median(rate for run in rates[device] for rate in run[1:])
        yield Result(f"{way}, first", log, first, "GB/s")
        yield Result(f"{way}, again", log, again, "GB/s")


def program(n: int, repeats: int) -> Program:
    """An array of n elements goes to gpu:0 and back, so many times."""
    array = {"kind": "ScalarArray", "len": n}
    there = {"op": "Transfer", "src_device": "cpu", "dst_device": "gpu:0", "stream": 1}
    back = {"op": "Transfer", "src_device": "gpu:0", "dst_device": "cpu", "stream": 1}
    instructions: list[dict[str, Any]] = [
        {"op": "LoadConstant", "src": 0, "dst": 5},
        {"op": "Allocate", "device": "gpu:0", "typ": {"kind": "Stream"}, "id": 1},
        {"op": "Allocate", "device": "cpu", "typ": array, "id": 2},
        {"op": "Allocate", "device": "cpu", "typ": array, "id": 4},
        {"op": "Allocate", "device": "gpu:0", "typ": array, "id": 3},
        {"op": "FuncCall", "func_id": 0, "arg_mut": [2], "arg": []},
        {"op": "FuncCall", "func_id": 0, "arg_mut": [4], "arg": []},
        *[{**there, "src_id": 2, "dst_id": 3}, {**back, "src_id": 3, "dst_id": 4}] * repeats,
        {"op": "Record", "event": 1, "stream": 1},
        {"op": "Wait", "slave": "cpu", "event": 1},
        {"op": "Return", "id": 5},
    ]
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": [{"name": "fill", "params": {"value": "one_lagrange"}}],
        "constants": [{"name": "x", "typ": {"kind": "Scalar"}, "data": {"values": "0x7"}}],
        "instructions": instructions,
    }
    return decode(json.dumps(document).encode())
