#!/usr/bin/env python3
"""What the engine itself costs: 100,000 instructions that do nothing, against an empty loop.

Prints microseconds an instruction (best and median of seven runs), for each kind and for a mix.
The loop of the engine, its time stamps and the instructions' own work are all in it.
"""

from __future__ import annotations

import json
import statistics
from time import perf_counter, perf_counter_ns
from typing import Any

import command_line

import zkrun
from zkrun.program.decode import decode
from zkrun.program.document import Program

COUNT = 100_000
RUNS = 7

SLICE = [
    {"op": "Slice", "src": 0, "dst": 1, "start": 1, "end": 3},
    {"op": "RemoveRegister", "id": 1},
]
COPY = [{"op": "CopyRegister", "src": 0, "dst": 1}, {"op": "RemoveRegister", "id": 1}]
ROTATION = [{"op": "Rotation", "src": 0, "dst": 1, "shift": 1}, {"op": "RemoveRegister", "id": 1}]
MIXES = {
    "Slice, RemoveRegister": SLICE,
    "CopyRegister, RemoveRegister": COPY,
    "Rotation, RemoveRegister": ROTATION,
    "all of them": SLICE + COPY + ROTATION,
}


def program(mix: list[dict[str, Any]]) -> Program:
    """COUNT instructions of a mix, between an input and the Return of it."""
    body = (mix * (COUNT // len(mix) + 1))[: COUNT // len(mix) * len(mix)]
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "inputs": [{"name": "a", "typ": {"kind": "ScalarArray", "len": 4}}],
        "instructions": [
            {"op": "LoadInput", "src": 0, "dst": 0},
            *body,
            {"op": "Return", "id": 0},
        ],
    }
    return decode(json.dumps(document).encode())


def empty_loop() -> float:
    """Microseconds an iteration of a loop that does nothing."""
    start = perf_counter_ns()
    for _ in range(COUNT):
        pass
    return (perf_counter_ns() - start) / COUNT / 1000


def main() -> None:
    print(f"{'empty loop':32}{min(empty_loop() for _ in range(RUNS)):8.3f} µs an iteration")
    for name, mix in MIXES.items():
        document = program(mix)
        start = perf_counter()
        analysis = zkrun.validate(document)
        validated = perf_counter() - start
        options = zkrun.Options(warmup=1, iterations=RUNS)
        start = perf_counter()
        outcome = zkrun.run(document, {"a": [1, 2, 3, 4]}, options, analysis)
        whole = (perf_counter() - start) / (RUNS + 1)
        each = [wall / COUNT / 1000 for wall in outcome.trace.iterations]
        print(
            f"{name:32}{min(each):8.3f} µs an instruction, median {statistics.median(each):.3f}"
            f" (with linking and the trace {whole * 1e6 / COUNT:.2f}, validating"
            f" {validated * 1e6 / COUNT:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    command_line.run(main)
