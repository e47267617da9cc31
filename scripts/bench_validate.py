#!/usr/bin/env python3
"""How long the analysis takes: programs of 100,000 and 1,000,000 instructions on 8 tracks.

    scripts/bench_validate.py [INSTRUCTIONS ...]

Four threads, each with a stream of a GPU, repeat a small round: allocate, fill, slice, copy to the
GPU, transform there, copy back, wait, free. The memory on the GPU is of the pool and of the arena
in turn, and each thread waits in each round for the one before it, so that all tracks know of each
other. The time to decode the document stands beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from typing import Any

import command_line
from command_line import number

from zkrun.analysis import analyse
from zkrun.program.decode import decode

THREADS = 4
LENGTH = 1024

_ARRAY = {"kind": "ScalarArray", "len": LENGTH}
_FILL, _NTT, _ADD = range(3)


def round_(
    base: int, stream: int, event: int, place: dict[str, int], before: int | None
) -> list[dict[str, Any]]:
    """One round of a thread: ids from `base`, and two events of its own.

    It starts after the event `before` of another thread, where there is one.
    """
    start = [] if before is None else [{"op": "Wait", "slave": "cpu", "event": before}]
    host, gpu, rotated, part, scalar = range(base, base + 5)

    def call(function: int, mutable: list[int], immutable: list[int]) -> dict[str, Any]:
        return {"op": "FuncCall", "func_id": function, "arg_mut": mutable, "arg": immutable}

    def transfer(source: int, target: int, devices: tuple[str, str]) -> dict[str, Any]:
        return {
            "op": "Transfer",
            "src_device": devices[0],
            "dst_device": devices[1],
            "stream": stream,
            "src_id": source,
            "dst_id": target,
        }

    return [
        *start,
        {"op": "Allocate", "device": "cpu", "typ": _ARRAY, "id": host},
        call(_FILL, [host], []),
        {"op": "Rotation", "src": host, "dst": rotated, "shift": 3},
        {"op": "Slice", "src": rotated, "dst": part, "start": 1, "end": 9},
        {"op": "Allocate", "device": "cpu", "typ": {"kind": "Scalar"}, "id": scalar},
        {"op": "GetScalarFromArray", "src": part, "dst": scalar, "idx": 7},
        {"op": "Blind", "dst": part, "start": 2, "end": 5},
        {"op": "Allocate", "device": "gpu:0", "typ": _ARRAY, "id": gpu, **place},
        transfer(rotated, gpu, ("cpu", "gpu:0")),
        call(_NTT, [gpu], [stream]),
        call(_ADD, [gpu], [gpu, gpu, stream]),
        transfer(gpu, host, ("gpu:0", "cpu")),
        {"op": "Record", "stream": stream, "event": event},
        {"op": "Deallocate", "id": gpu, "stream": stream},
        {"op": "Wait", "slave": "cpu", "event": event},
        {"op": "RemoveRegister", "id": part},
        {"op": "RemoveRegister", "id": rotated},
        {"op": "Deallocate", "id": scalar},
        {"op": "Deallocate", "id": host},
        {"op": "Record", "event": event + 1},
    ]


def program(count: int) -> dict[str, Any]:
    """A valid program of about `count` instructions."""
    rounds = count // THREADS // 21
    instructions: list[dict[str, Any]] = [
        {"op": "Allocate", "device": "cpu", "typ": _ARRAY, "id": 1},
        {"op": "FuncCall", "func_id": _FILL, "arg_mut": [1], "arg": []},
    ]
    for thread in range(THREADS):
        stream = 2 + thread
        stream_typ = {"kind": "Stream"}
        body = [{"op": "Allocate", "device": "gpu:0", "typ": stream_typ, "id": stream}]
        for index in range(rounds):
            event = 2 * (thread * rounds + index)
            place = {"offset": 32 * LENGTH * thread} if index % 2 else {}
            before = event + 1 - 2 * rounds if thread else None
            body += round_(100 + 10 * thread, stream, event, place, before)
        body.append({"op": "Deallocate", "id": stream})
        instructions.append({"op": "Fork", "new_thread": thread, "instructions": body})
    instructions += [{"op": "Join", "thread": thread} for thread in range(THREADS)]
    instructions.append({"op": "Return", "id": 1})
    return {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": [
            {"name": "fill", "params": {"value": "zero"}},
            {"name": "ntt"},
            {"name": "poly_add"},
        ],
        "memory": {"gpu:0": 32 * LENGTH * THREADS},
        "instructions": instructions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("counts", nargs="*", type=number(1, 1 << 30), default=[100_000, 1_000_000])
    for count in parser.parse_args().counts:
        document = json.dumps(program(count)).encode()
        started = time.process_time()
        decoded = decode(document, None)
        read = time.process_time()
        analysis = analyse(decoded)
        done = time.process_time()
        if analysis.diagnostics:
            sys.exit(f"the program should be valid: {analysis.diagnostics[0]}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(
            f"{count:9,} instructions: decoded in {read - started:6.2f} s, "
            f"analysed in {done - read:6.2f} s; at most {peak:,.0f} MiB"
        )


if __name__ == "__main__":
    command_line.run(main)
