#!/usr/bin/env python3
"""An array larger than the GPU's share of it: built as a program, and measured.

    stream_array.py build      programs/stream_array, small enough for any machine
    stream_array.py measure    runs it at a size that keeps a large GPU busy, and each track alone

The array holds columns of a proof, each the values of a polynomial p on a domain. They go to the
GPU one by one (track ToGpu), which finds the coefficients of the quotient of p² by X^n − 1 (track
Gpu), and these come back (track FromGpu). Each track has a stream. With p² = q·X^n + r, the squares
on the domain give q + r, those on its coset g^n·q + r, and their difference gives q: four
transforms. The GPU holds a few columns only, in its arena: `memory` of the program says how many
bytes. A column is brought as soon as the one that had its place has left.

`measure` runs the program with all tracks and with each track alone, and prints how much longer all
of them together take than the slowest alone. The first runs, which take memory and get its pages
locked for the GPU, are not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import command_line
import numpy
from command_line import number
from drafts import Draft, Json

import zkrun
from zkrun.algebra.curves import BN254
from zkrun.report.text import duration, rate, size
from zkrun.runtime.trace import last_trace_path

ROOT = Path(__file__).resolve().parent.parent
TRACKS = ("ToGpu", "Gpu", "FromGpu")
TOGETHER = "all together"
COSET = 7
ELEMENT = 32  # bytes
MOST = 1.1
LOG_COLUMN, COLUMNS, PLACES, ITERATIONS = 20, 128, 5, 5  # of `measure`, unless told otherwise
SHOWN = 16  # elements of each column in the result


def program(log_column: int, columns: int, places: int, tracks: Sequence[str] = TRACKS) -> Draft:
    """The program for `columns` columns of 2^log_column elements, `places` of them on the GPU and
    one to work in.

    Its result is a tuple: of each column SHOWN elements, of one column after the other from places
    further on. Without the track FromGpu they are those of the input.
    """
    n = 1 << log_column
    column: Json = {"kind": "ScalarArray", "len": n}
    array: Json = {"kind": "ScalarArray", "len": n * columns}
    draft = Draft("stream_array", "bn254")
    source = draft.input("Host", "columns", array)
    target = None
    if "FromGpu" in tracks:
        target = draft.allocate("Host", "quotients", array, "cpu")
    queues = {track: draft.queue(track, "gpu:0") for track in TRACKS if track in tracks}
    to_gpu, gpu, from_gpu = (queues.get(track) for track in TRACKS)
    slots = [
        draft.allocate("Host", f"place {i}", column, "gpu:0", n * ELEMENT) for i in range(places)
    ]
    work = draft.allocate("Host", "squares", column, "gpu:0", n * ELEMENT)
    difference = f"y0 = (x0 - x1) * {pow(pow(COSET, n, BN254.r) - 1, -1, BN254.r)}"
    if to_gpu is None:
        for queue in queues.values():  # there is one
            for slot in slots:
                queue.call(draft.function("fill", value="one_lagrange"), [slot])
    left: list[int] = []
    for i in range(columns):
        slot, start, arrived, computed = slots[i % places], i * n, None, None
        if to_gpu is not None:
            if i >= places and from_gpu is not None:
                to_gpu.wait(left[i - places])
            part = draft.part("ToGpu", source, f"column {i}", start, start + n)
            to_gpu.transfer("cpu", "gpu:0", part, slot)
            arrived = to_gpu.record()
        if gpu is not None:
            if arrived is not None:
                gpu.wait(arrived)
            square = draft.function("fused_arith", expr="y0 = x0^2")
            gpu.call(square, [work], slot)
            for one in (work, slot):
                gpu.call(draft.function("ntt", inverse=True), [one])
            gpu.call(draft.function("ntt", coset=COSET), [slot])
            gpu.call(square, [slot], slot)
            gpu.call(draft.function("ntt", coset=COSET, inverse=True), [slot])
            gpu.call(draft.function("fused_arith", expr=difference), [slot], slot, work)
            computed = gpu.record()
        if from_gpu is not None and target is not None:
            if computed is not None:
                from_gpu.wait(computed)
            part = draft.part("FromGpu", target, f"quotient {i}", start, start + n)
            from_gpu.transfer("gpu:0", "cpu", slot, part)
            left.append(from_gpu.record())
    for queue in queues.values():
        queue.finish()
    for slot in (work, *reversed(slots)):
        draft.emit("Deallocate", "Host", id=slot)
    shown = []
    for i in range(columns):
        start = i * n + i * 5 * SHOWN % n
        end = start + min(SHOWN, n)
        array_id = source if target is None else target
        shown.append(draft.part("Host", array_id, f"of column {i}", start, end))
    result = draft.variable("of all columns")
    draft.emit("AssembleTuple", "Host", vars=shown, dst=result)
    draft.emit("Return", "Host", id=result)
    return draft


def values(log_column: int, columns: int, seed: int) -> Any:
    """Random columns as a NumPy array of limbs: 2^16 different elements, from another place in each
    2^16."""
    source = numpy.random.default_rng(seed)
    few = source.integers(0, 1 << 60, size=(1 << 16, ELEMENT // 8), dtype=numpy.uint64)
    total = columns << log_column
    index = numpy.arange(total, dtype=numpy.uint32)
    return few[(index + 31 * (index >> 16)) & 0xFFFF]


def walls(
    log_column: int, columns: int, places: int, iterations: int, gpu: Literal["real", "virtual"]
) -> Iterator[tuple[str, float]]:
    """The median nanoseconds of each track alone, and of TOGETHER."""
    given = {"columns": values(log_column, columns, 1)}
    options = zkrun.Options(gpu=gpu, warmup=2, iterations=iterations)
    for name, tracks in {**{track: (track,) for track in TRACKS}, TOGETHER: TRACKS}.items():
        with tempfile.TemporaryDirectory() as folder:
            path = program(log_column, columns, places, tracks).write(Path(folder))
            trace = zkrun.run(zkrun.load(path), given, options).trace
        if name == TOGETHER:
            trace.save(last_trace_path())
        yield name, statistics.median(trace.iterations)


def against_slowest(found: Mapping[str, float]) -> float:
    """How many times the slowest track alone all of them take."""
    return found[TOGETHER] / max(found[track] for track in TRACKS)


def measure(
    log_column: int, columns: int, places: int, iterations: int, gpu: Literal["real", "virtual"]
) -> bool:
    """Prints the medians, of each track alone and of all together; whether they overlap well."""
    nbytes = columns * ELEMENT << log_column
    share = (places + 1) * ELEMENT << log_column
    sizes = f"{size(nbytes)} by way of {size(share)}"
    print(f"{columns} columns of 2^{log_column}: {sizes}")
    found: dict[str, float] = {}
    for name, wall in walls(log_column, columns, places, iterations, gpu):
        print(f"{name:<14}{duration(wall):>10}{rate(nbytes / wall * 1e9, 'B'):>14}", flush=True)
        found[name] = wall
    ratio = against_slowest(found)
    print(f"{ratio:.3f} times the slowest track alone (at most {MOST})")
    return ratio <= MOST


def add_sizes(command: argparse.ArgumentParser, log_column: int, columns: int, places: int) -> None:
    """The options for the sizes of the program, with what they are unless given."""
    text = "2^this elements a column"
    command.add_argument("--log-column", type=number(0, 28), default=log_column, help=text)
    command.add_argument("--columns", type=number(0, 1 << 16), default=columns)
    text = "columns that the GPU holds"
    command.add_argument("--places", type=number(1, 1 << 16), default=places, help=text)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="write the program")
    add_sizes(command, 10, 12, 3)
    command.add_argument("--out", type=Path, default=ROOT / "programs" / "stream_array")
    command = commands.add_parser("measure", help="run it, and each track alone")
    add_sizes(command, LOG_COLUMN, COLUMNS, PLACES)
    command.add_argument("--iterations", type=number(1, 1000), default=ITERATIONS)
    command.add_argument("--gpu", choices=("real", "virtual"), default="real")
    args = parser.parse_args()
    if args.command == "build":
        print(program(args.log_column, args.columns, args.places).write(args.out))
        return 0
    sizes = args.log_column, args.columns, args.places
    return 0 if measure(*sizes, args.iterations, args.gpu) else 5


if __name__ == "__main__":
    command_line.run(main)
