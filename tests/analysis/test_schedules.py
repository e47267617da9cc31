"""A program that passes never fails, hangs or differs, whatever its schedule.

Every sample program and generated ones run a hundred times on virtual GPUs that shuffle what the
order leaves open, every second time under the eyes of the sanitizer.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from correct_programs import program
from sample_programs import SAMPLES, files_of_points
from test_sanitizer import INPUTS

from zkrun.algebra.curves import CURVES
from zkrun.analysis import analyse
from zkrun.program import types
from zkrun.program.decode import decode
from zkrun.runtime.engine import run
from zkrun.runtime.options import Options

SCHEDULES = 100
AT_ONCE = 8
"""A virtual GPU that shuffles sleeps more than it computes."""

GENERATED = 24


def results(raw: dict[str, Any], inputs: dict[str, Any], folder: Path | None = None) -> set[str]:
    """The results of a program in all schedules."""
    decoded = decode(json.dumps(raw).encode(), folder)
    analysis = analyse(decoded, operands=True)
    assert analysis.valid

    def result(shuffle: int) -> str:
        options = Options(
            gpu="virtual", sanitize=shuffle % 2 == 1, shuffle=shuffle, seed=1, timeout=60
        )
        return str(run(decoded, inputs, options, analysis).result.values)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return set(pool.map(result, range(SCHEDULES)))


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_give_one_result(name: str, tmp_path: Path) -> None:
    raw = files_of_points(SAMPLES[name], tmp_path)
    modulus, random = CURVES[raw["curve"]].r, Random(name)
    inputs: dict[str, Any] = {}
    for entry in decode(json.dumps(raw).encode(), tmp_path).inputs:
        numbers = [random.randrange(modulus) for _ in range(types.length(entry.typ))]
        inputs[entry.name] = numbers[0] if isinstance(entry.typ, types.Scalar) else numbers
    assert len(results(raw, inputs, tmp_path)) == 1


@pytest.mark.parametrize("seed", range(GENERATED))
def test_generated_programs_give_one_result(seed: int) -> None:
    raw = program(Random(seed), threads=4, streams=4, least=20)
    assert len(results(raw, INPUTS)) == 1
