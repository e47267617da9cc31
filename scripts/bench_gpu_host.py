#!/usr/bin/env python3
"""What the host has to do with a GPU: the time of an instruction, and the rate of transfers.

    scripts/bench_gpu_host.py [--calls 100] [--runs 15] [--gpu real|virtual]

A program queues so many calls on one stream, of functions that take the GPU next to no time. `host`
is what the thread of the program takes for one of them, `wall` the time of the whole run divided by
their number; medians in microseconds. A program that runs once queues each call by itself; one that
repeats (`--iterations`) replays graphs.

Transfers are of arrays in memory that the program has written, so that its pages are there: the
first time, when they are not locked yet, and again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import zkrun
from zkrun.program.decode import decode
from zkrun.program.document import Program
from zkrun.runtime.trace import Trace

N = 1 << 8
ARRAY = {"kind": "ScalarArray", "len": N}
FUNCTIONS = ("poly_add", "poly_mul", "ntt", "batch_invert", "evaluate", "msm")
MOST = {"msm": 40}  # calls: the driver holds a thread up that is a thousand launches ahead


def program(name: str, calls: int) -> Program:
    """So many calls of a function on one stream of gpu:0."""
    operands: dict[str, tuple[list[int], list[int]]] = {
        "poly_add": ([3], [2, 2]),
        "poly_mul": ([3], [2, 2]),
        "ntt": ([2], []),
        "batch_invert": ([2], []),
        "evaluate": ([4], [2, 5]),
        "msm": ([7], [6, 2]),
    }
    mutable, immutable = operands[name]
    typs = {
        2: ARRAY,
        3: ARRAY,
        4: {"kind": "Scalar"},
        5: {"kind": "Scalar"},
        7: {"kind": "Point", "group": "g1"},
    }
    call = {"op": "FuncCall", "func_id": 0, "arg_mut": mutable, "arg": [*immutable, 1]}
    fill = {"op": "FuncCall", "func_id": 1, "arg_mut": [2], "arg": [1]}
    wait = [{"op": "Record", "event": 0, "stream": 1}, {"op": "Wait", "slave": "cpu", "event": 0}]
    instructions: list[dict[str, Any]] = [
        {"op": "Allocate", "device": "gpu:0", "typ": {"kind": "Stream"}, "id": 1},
        *({"op": "Allocate", "device": "gpu:0", "typ": t, "id": id} for id, t in typs.items()),
        {"op": "LoadConstant", "src": 0, "dst": 6},
        {"op": "LoadConstant", "src": 1, "dst": 8},
        fill,
        {
            "op": "Transfer",
            "src_device": "gpu:0",
            "dst_device": "gpu:0",
            "src_id": 8,
            "dst_id": 5,
            "stream": 1,
        },
        {
            "op": "Transfer",
            "src_device": "gpu:0",
            "dst_device": "gpu:0",
            "src_id": 2,
            "dst_id": 3,
            "stream": 1,
        },
        *wait,
        *[call] * calls,
        {"op": "Record", "event": 1, "stream": 1},
        {"op": "Wait", "slave": "cpu", "event": 1},
        {"op": "Return", "id": 8},
    ]
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": [{"name": name}, {"name": "fill", "params": {"value": "one_lagrange"}}],
        "constants": [
            {
                "name": "points",
                "typ": {"kind": "PointArray", "len": N},
                "device": "gpu:0",
                "data": {"values": [["0x1", "0x2"]] * N},
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


def microseconds(trace: Trace, name: str, calls: int) -> tuple[float, float]:
    """(host, wall) of one call."""
    asked = {i for i, info in enumerate(trace.instructions) if info.function == name}
    threads = {track.id for track in trace.tracks if track.kind == "thread"}
    host = sum(
        span.end - span.start for span in trace.spans if span.at in asked and span.track in threads
    )
    return host / calls / 1000, trace.wall / calls / 1000


def print_transfers(gpu: str, runs: int) -> None:
    """GB/s to the GPU and back: the first time, and the median of those that follow."""
    print(f"{'GB/s':16}{'to the GPU':>24}{'from the GPU':>24}")
    for log in (10, 16, 20, 25):
        repeats = 6
        document = moves(1 << log, repeats)
        analysis = zkrun.validate(document)
        options = zkrun.Options(gpu="virtual" if gpu == "virtual" else "real")
        rates: dict[str, list[list[float]]] = {"gpu:0": [], "cpu": []}
        for _ in range(max(1, runs // 5)):
            trace = zkrun.run(document, {}, options, analysis).trace
            streams = {track.id for track in trace.tracks if track.kind == "stream"}
            taken: dict[str, list[float]] = {"gpu:0": [], "cpu": []}
            for span in trace.spans:
                info = trace.instructions[span.at]
                if span.track in streams and info.dst is not None:
                    taken[info.dst].append(info.bytes / max(1, span.end - span.start))
            for device, values in taken.items():
                rates[device].append(values)
        texts = []
        for values in rates.values():
            first = statistics.median(run[0] for run in values)
            again = statistics.median(rate for run in values for rate in run[1:])
            texts.append(f"{first:12.2f}, again {again:.1f}")
        print(f"{32 << log:>13} B  " + "".join(f"{text:>24}" for text in texts), flush=True)


def moves(n: int, repeats: int) -> Program:
    """An array goes to gpu:0 and back, so many times."""
    array = {"kind": "ScalarArray", "len": n}
    there = {"op": "Transfer", "src_device": "cpu", "dst_device": "gpu:0", "stream": 1}
    back = {"op": "Transfer", "src_device": "gpu:0", "dst_device": "cpu", "stream": 1}
    instructions: list[dict[str, Any]] = [
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
    instructions.insert(0, {"op": "LoadConstant", "src": 0, "dst": 5})
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": [{"name": "fill", "params": {"value": "one_lagrange"}}],
        "constants": [{"name": "x", "typ": {"kind": "Scalar"}, "data": {"values": "0x7"}}],
        "instructions": instructions,
    }
    return decode(json.dumps(document).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description="Times the host's part of work on a GPU.")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--gpu", choices=("real", "virtual"), default="real")
    arguments = parser.parse_args()
    runs = arguments.runs
    print(f"{'µs a call':16}{'host':>9}{'wall':>9}{'host, replayed':>17}{'wall, replayed':>17}")
    for name in FUNCTIONS:
        calls = min(arguments.calls, MOST.get(name, arguments.calls))
        document = program(name, calls)
        analysis = zkrun.validate(document)
        single = zkrun.Options(gpu=arguments.gpu)
        singles = [
            microseconds(zkrun.run(document, {}, single, analysis).trace, name, calls)
            for _ in range(runs + 1)
        ][1:]
        repeated = zkrun.Options(gpu=arguments.gpu, warmup=2, iterations=runs)
        replayed = microseconds(zkrun.run(document, {}, repeated, analysis).trace, name, calls)
        host, wall = (statistics.median(column) for column in zip(*singles, strict=True))
        print(f"{name:16}{host:9.2f}{wall:9.2f}{replayed[0]:17.2f}{replayed[1]:17.2f}", flush=True)
    print()
    print_transfers(arguments.gpu, runs)


if __name__ == "__main__":
    main()
