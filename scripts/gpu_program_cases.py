"""Whole programs: what bench_gpu.py measures of an array that streams through a GPU, and of a sum
over two GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import split_msm
import stream_array
from gpu_table import Result

from zkrun.devices.registry import describe_devices
from zkrun.errors import RunFailed

SPLIT = (22, 24)


def streaming_cases(log: int, gpu: Literal["real", "virtual"] = "real") -> Iterator[Result]:
    """Each track alone, and all together against the slowest of them."""
    if log != stream_array.LOG_COLUMN:
        return
    sizes = log, stream_array.COLUMNS, stream_array.PLACES, stream_array.ITERATIONS
    walls = dict(stream_array.walls(*sizes, gpu))
    for track, wall in walls.items():
        yield Result(track, log, wall / 1e6)
    ratio = stream_array.against_slowest(walls)
    yield Result("against the slowest track", log, ratio, "times", stream_array.MOST / ratio)


def splitting_cases(log: int) -> Iterator[Result]:
    """On one GPU and over two; a result that differs ends all."""
    if log not in SPLIT:
        return
    there = sum(info.kind == "cuda" for info in describe_devices())
    if there < 2:
        raise RunFailed(f"a sum over two GPUs needs two; there is {there}")
    one, two = split_msm.runs(1 << log, (1, 2), 7, "real")
    if one.value != two.value:
        raise SystemExit(f"split_msm: 2^{log} points over two GPUs: WRONG")
    for run in (one, two):
        yield Result(run.name, log, run.wall / 1e6)
    faster = one.wall / two.wall
    yield Result("as fast as one GPU", log, faster, "times", faster / split_msm.LEAST)
