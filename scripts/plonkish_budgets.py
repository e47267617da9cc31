#!/usr/bin/env python3
"""How much longer the proof of plonkish.py takes with less memory on the GPU.

    plonkish_budgets.py [--k 18] [--shares 1,0.5,0.25,0.125] [--iterations 15] [--gpu real|virtual]

compiles the proof without a limit, and for each share of the peak of that; runs all of them, with
the same seed; and prints the budgets, the peaks that the runs measured, and the median times of a
proof as multiples of the first. It fails if a proof differs or a peak is above its budget.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import command_line
from command_line import number
from plonkish import build
from plonkish_circuit import Circuit

import zkrun
from zkrun.compiler.compile import Machine, compile_graph
from zkrun.compiler.type2.codec import load_graph
from zkrun.compiler.type2.graph import Graph
from zkrun.errors import Mismatch, ResourceLimit
from zkrun.report.text import duration, size

SEED = 1
WARMUP = 2  # runs that make graphs of what repeats, and lock the memory that copies use


class Run(NamedTuple):
    """A compiled proof that has run: bytes of the GPU, nanoseconds of a proof, and the proof."""

    planned: int
    peak: int
    time: float
    proof: str


def run(graph: Graph, inputs: dict[str, Path], most: int | None, options: zkrun.Options) -> Run:
    """Compiles the proof for so many bytes of the GPU, and runs it."""
    compiled = compile_graph(graph, Machine({"gpu:0": most, "cpu": None}, gpu=options.gpu))
    compiled.program.folder = graph.folder
    outcome = zkrun.run(compiled.program, inputs, options)
    (peak,) = (device.peak for device in outcome.trace.devices if device.name == "gpu:0")
    time = statistics.median(outcome.trace.iterations)
    return Run(compiled.peak["gpu:0"], peak, time, str(outcome.result.values))


def ratios(text: str) -> list[float]:
    """Positive numbers between commas."""
    found = [float(part) for part in text.split(",")]
    if not all(0 < one < math.inf for one in found):
        raise ValueError
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--k", type=int, default=18, help="2^k rows (default 18)")
    parser.add_argument(
        "--shares", type=ratios, default="1,0.5,0.25,0.125", help="of the peak without a limit"
    )
    parser.add_argument(
        "--iterations", type=number(1, 1000), default=15, help="proofs that are timed"
    )
    parser.add_argument("--gpu", choices=("real", "virtual"), default="real")
    arguments = parser.parse_args()
    options = zkrun.Options(
        gpu=arguments.gpu, seed=SEED, warmup=WARMUP, iterations=arguments.iterations
    )
    with tempfile.TemporaryDirectory() as name:
        path, files = build(Circuit("bn254", arguments.k), Path(name), SEED)
        graph = load_graph(path)
        inputs = {file.stem: file for file in files}
        free = run(graph, inputs, None, options)
        print(f"{'memory':>8}{'budget':>12}{'peak':>12}{'a proof':>12}{'times':>8}")
        print(f"{'no limit':>8}{'':12}{size(free.peak):>12}{duration(free.time):>12}", flush=True)
        for share in arguments.shares:
            budget = int(share * free.planned)
            one = run(graph, inputs, budget, options)
            print(
                f"{share:>8.1%}{size(budget):>12}{size(one.peak):>12}{duration(one.time):>12}"
                f"{one.time / free.time:8.2f}",
                flush=True,
            )
            if one.proof != free.proof:
                raise Mismatch("another proof than without a limit")
            if one.peak > budget:
                raise ResourceLimit(f"{one.peak} bytes were held, and {budget} may be")


if __name__ == "__main__":
    command_line.run(main)
