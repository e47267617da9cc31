#!/usr/bin/env python3
"""Measures a GPU from end to end and prints one table; scripts/bench_gpu calls it.

What it does with data that it holds (msm, ntt, functions), what the host pays for an instruction
(host), how fast data moves (transfers), and whole programs: one that streams an array through it
(streaming), and one over two GPUs (split). How far it is goes to the standard error. What cannot
be measured here is a dash in the table, with the reason below it. Sums are checked, and a wrong
one ends all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import command_line
from command_line import names, numbers
from gpu_table import Result, Section, render

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.registry import describe_devices, missing_devices
from zkrun.errors import ZkrunError

WHAT = ("msm", "ntt", "functions", "host", "transfers", "streaming", "split")
Measure = Callable[[int], Iterable[Result]]
"""What is measured at one size, which is given by its logarithm."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", help=f"of {', '.join(WHAT)}; all, unless given")
    parser.add_argument("--curves", type=names(CURVES), default=",".join(CURVES))
    parser.add_argument(
        "--logs", type=numbers(0, 27), default="16,18,20,22,24", help="log2 of the sizes"
    )
    arguments = parser.parse_args()
    for each in arguments.what:
        if each not in WHAT:
            parser.error(f"there is no {each!r} to measure: {', '.join(WHAT)}")
    curves = [CURVES[name] for name in arguments.curves]
    logs = arguments.logs
    gpus = [info for info in describe_devices() if info.kind == "cuda"]
    sections = []
    for what in arguments.what or WHAT:
        if gpus:
            sections += [measured(title, measure, logs) for title, measure in parts(what, curves)]
        else:
            why = " ".join(missing_devices()) or "there is no GPU here"
            sections.append(Section(what, missing=dict.fromkeys(logs, why)))
    print(*render(gpus[0].title if gpus else "no GPU", sections, logs), sep="\n")


def parts(what: str, curves: Sequence[Curve]) -> Iterator[tuple[str, Measure]]:
    """Sections of the table. Their modules need CuPy, so they are imported now."""
    if what == "msm":
        from gpu_msm_cases import multiplication_cases

        for curve in curves:
            yield f"multi-scalar multiplication, {curve.name}", partial(multiplication_cases, curve)
    elif what == "ntt":
        from gpu_ntt_cases import transform_cases

        for curve in curves:
            yield f"number theoretic transform, {curve.name}", partial(transform_cases, curve)
    elif what == "functions":
        from gpu_function_cases import function_cases

        for curve in curves:
            yield f"functions over arrays, {curve.name}", partial(function_cases, curve)
    elif what == "host":
        from gpu_host_cases import host_cases

        yield "the host's part of an asynchronous instruction", host_cases
    elif what == "transfers":
        from gpu_transfer_cases import transfer_cases

        yield "transfers of so many elements of 32 bytes", transfer_cases
    elif what == "streaming":
        from gpu_program_cases import streaming_cases

        yield "programs/stream_array: 128 columns of so many elements", streaming_cases
    else:
        from gpu_program_cases import splitting_cases

        yield "programs/split_msm: so many points of bn254, scalars on the CPU", splitting_cases


def measured(title: str, measure: Measure, logs: Sequence[int]) -> Section:
    section, start = Section(title), time.monotonic()
    for log in logs:
        try:
            for result in measure(log):
                section.results.append(result)
        except ZkrunError as error:
            section.missing[log] = str(error)
        took = time.monotonic() - start
        print(f"{title}: up to 2^{log} after {took:.1f} s", file=sys.stderr, flush=True)
    return section


if __name__ == "__main__":
    command_line.run(main)
