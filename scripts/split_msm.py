#!/usr/bin/env python3
"""A multi-scalar multiplication over several GPUs: built as a program, and measured.

    split_msm.py build      programs/split_msm: 1024 points of BN254 over gpu:0 and gpu:1
    split_msm.py measure    the same sum on one GPU and over two: times, and whether they are equal

Each GPU holds its part of the bases, as a constant that lies there before the run, gets its part
of the scalars and sums them, on a track of its name and by a thread of its own. The partial sums
come to the CPU, where a sum with the scalars 1, 1, … adds them up.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import command_line
import numpy
from command_line import number
from drafts import Draft, Json

import zkrun
from zkrun.algebra.curves import BN254
from zkrun.devices.cpu.native_module import native
from zkrun.errors import UsageError
from zkrun.report.summary import summarise
from zkrun.report.text import duration
from zkrun.runtime.trace import last_trace_path

ROOT = Path(__file__).resolve().parent.parent
FILE = "bases.bin"
DIFFERENT = 1 << 16  # bases; more than that repeat
LEAST = 1.8
POINT: Json = {"kind": "Point"}
SCALAR_BYTES, POINT_BYTES = 32, 64


def program(count: int, gpus: Sequence[str]) -> Draft:
    """The sum of `count` scalars times bases over these GPUs, each the same number of them."""
    draft = Draft("split_msm", "bn254")
    share = count // len(gpus)
    if share * len(gpus) != count:
        raise UsageError(f"{count} points do not divide among {len(gpus)} GPUs")
    scalars = draft.input("Host", "scalars", {"kind": "ScalarArray", "len": count})
    ones: Json = {"kind": "ScalarArray", "len": len(gpus)}
    weights = draft.constant("Host", "ones", ones, "cpu", {"values": [1] * len(gpus)})
    msm = draft.function("msm")
    partial, threads = [], []
    for i, gpu in enumerate(gpus):
        nbytes = share * POINT_BYTES
        data = {"file": FILE, "offset": i * nbytes, "nbytes": nbytes, "encoding": "montgomery"}
        typ: Json = {"kind": "PointArray", "len": share}
        bases = draft.constant("Host", f"bases of {gpu}", typ, gpu, data)
        here = draft.allocate("Host", f"sum from {gpu}", POINT, "cpu")
        with draft.fork("Host") as thread:
            queue = draft.queue(gpu, gpu)
            typ = {"kind": "ScalarArray", "len": share}
            there = draft.allocate(gpu, f"scalars of {gpu}", typ, gpu, share * SCALAR_BYTES)
            result = draft.allocate(gpu, f"sum of {gpu}", POINT, gpu, POINT_BYTES)
            part = draft.part(gpu, scalars, f"part {i}", i * share, (i + 1) * share)
            queue.transfer("cpu", gpu, part, there)
            queue.call(msm, [result], bases, there)
            queue.transfer(gpu, "cpu", result, here)
            queue.finish()
            for id_ in (result, there):
                draft.emit("Deallocate", gpu, id=id_)
        partial.append(here)
        threads.append(thread)
    for thread in threads:
        draft.emit("Join", "Host", thread=thread)
    typ = {"kind": "PointArray", "len": len(gpus)}
    array = draft.allocate("Host", "partial sums", typ, "cpu")
    total = draft.allocate("Host", "sum", POINT, "cpu")
    assemble = draft.function("assemble_points")
    draft.emit("FuncCall", "Host", func_id=assemble, arg_mut=[array], arg=partial)
    draft.emit("FuncCall", "Host", func_id=msm, arg_mut=[total], arg=[array, weights])
    for id_ in (array, *partial):
        draft.emit("Deallocate", "Host", id=id_)
    draft.emit("Return", "Host", id=total)
    return draft


def write_bases(folder: Path, count: int) -> None:
    """The file of the constants: G, 2 G, 3 G, …, of which the first 2^16 repeat."""
    module = native()
    group, context, radix = module.bn254.g1, module.Context(), BN254.base.montgomery_radix
    different = min(count, DIFFERENT)
    buffer = (ctypes.c_char * (different * POINT_BYTES))()
    start = ctypes.addressof(buffer)
    places = [module.View(start + i * POINT_BYTES, 1, 0, 1) for i in range(different)]
    buffer[:POINT_BYTES] = b"".join(
        (value * radix % BN254.q).to_bytes(POINT_BYTES // 2, "little") for value in BN254.g1
    )
    for i in range(1, different):
        group.add(context, places[i], places[i - 1], places[0])
    with (folder / FILE).open("wb") as file:
        for i in range(0, count, different):
            file.write(memoryview(buffer)[: min(different, count - i) * POINT_BYTES])


def random_scalars(count: int, seed: int) -> Any:
    """Scalars below 2^253 as a NumPy array of limbs."""
    source = numpy.random.default_rng(seed)
    limbs = source.integers(0, 1 << 64, size=(count, 4), dtype=numpy.uint64)
    limbs[:, 3] >>= numpy.uint64(3)
    return limbs


class Run(NamedTuple):
    """The sum over so many GPUs: the median of a run, the longest multiplication of one GPU, both
    in nanoseconds, and the point."""

    name: str
    wall: float
    msm: float
    value: Any


def runs(
    count: int, numbers: Iterable[int], iterations: int, gpu: Literal["real", "virtual"]
) -> Iterator[Run]:
    """The same sum over each of these numbers of GPUs."""
    given = {"scalars": random_scalars(count, 1)}
    options = zkrun.Options(gpu=gpu, warmup=3, iterations=iterations)
    with tempfile.TemporaryDirectory() as folder:
        write_bases(Path(folder), count)
        for number in numbers:
            names = [f"gpu:{i}" for i in range(number)]
            path = program(count, names).write(Path(folder))
            outcome = zkrun.run(zkrun.load(path), given, options)
            outcome.trace.save(last_trace_path())
            sums = [f for f in summarise(outcome.trace).functions if f.device in names]
            yield Run(
                ", ".join(names),
                statistics.median(outcome.trace.iterations),
                max(each.total for each in sums),
                outcome.result.values,
            )


def measure(count: int, gpus: int, iterations: int, gpu: Literal["real", "virtual"]) -> bool:
    """Prints the medians on one GPU and over all; whether they are equal and fast enough."""
    print(f"{count} points of BN254, scalars brought from the CPU")
    found = []
    for run in runs(count, (1, gpus), iterations, gpu):
        wall, msm = duration(run.wall), duration(run.msm)
        print(f"{run.name:<14}{wall:>10}, of which msm {msm}", flush=True)
        found.append(run)
    one, all_of_them = found
    faster, equal = one.wall / all_of_them.wall, one.value == all_of_them.value
    print(f"{faster:.2f} times one GPU (at least {LEAST}), {'equal' if equal else 'DIFFERENT'}")
    return equal and faster >= LEAST


def add_sizes(command: argparse.ArgumentParser, log: int) -> None:
    """The options for how many points and GPUs there are, 2^log and two unless given."""
    command.add_argument("--log", type=number(0, 30), default=log, help="2^this points")
    command.add_argument("--gpus", type=number(1, 64), default=2)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="write the program and its bases")
    add_sizes(command, 10)
    command.add_argument("--out", type=Path, default=ROOT / "programs" / "split_msm")
    command = commands.add_parser("measure", help="run it on one GPU and over several")
    add_sizes(command, 24)
    command.add_argument("--iterations", type=number(1, 1000), default=7)
    command.add_argument("--gpu", choices=("real", "virtual"), default="real")
    args = parser.parse_args()
    if args.command == "build":
        print(program(1 << args.log, [f"gpu:{i}" for i in range(args.gpus)]).write(args.out))
        write_bases(args.out, 1 << args.log)
        return 0
    return 0 if measure(1 << args.log, args.gpus, args.iterations, args.gpu) else 5


if __name__ == "__main__":
    command_line.run(main)
