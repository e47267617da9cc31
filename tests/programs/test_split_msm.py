"""The program that splits a multi-scalar multiplication over GPUs, against py_ecc."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType

import pytest
from py_ecc.bn128 import G1, multiply
from scripts_of_programs import SCRIPTS, load_script, real_gpus

import zkrun
from zkrun.algebra.curves import BN254
from zkrun.errors import UsageError
from zkrun.program.document import Program

R = BN254.r
PROGRAM = SCRIPTS.parent / "programs" / "split_msm" / "program.json"
VIRTUAL = zkrun.Options(gpu="virtual")
REAL = zkrun.Options(gpu="real", iterations=3)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("split_msm")


def build(script: ModuleType, folder: Path, count: int, gpus: int) -> Program:
    path = script.program(count, [f"gpu:{i}" for i in range(gpus)]).write(folder)
    script.write_bases(folder, count)
    return zkrun.load(path)


def expected(scalars: list[int]) -> list[str] | None:
    """The sum with the bases G, 2 G, 3 G, …"""
    factor = sum(i * scalar for i, scalar in enumerate(scalars, 1)) % R
    if not factor:
        return None
    x, y = multiply(G1, factor)
    return [hex(int(x)), hex(int(y))]


def vectors(count: int) -> list[list[int]]:
    source = random.Random(count)
    some = [source.randrange(R) for _ in range(count)]
    edges = [(0, 1, R - 1)[i % 3] for i in range(count)]
    half = count // 2
    opposite = some[:half] + [0] * (count - half)  # the partial sums of two GPUs are P and -P
    there = sum(i * scalar for i, scalar in enumerate(opposite, 1))
    opposite[half] = -there * pow(half + 1, -1, R) % R
    return [some, edges, [0] * count, opposite]


@pytest.mark.parametrize(("count", "gpus"), [(2, 2), (64, 1), (64, 2), (63, 3), (300, 2)])
def test_equal_to_py_ecc(script: ModuleType, tmp_path: Path, count: int, gpus: int) -> None:
    program = build(script, tmp_path, count, gpus)
    assert not zkrun.validate(program).diagnostics
    for scalars in vectors(count):
        outcome = zkrun.run(program, {"scalars": scalars}, VIRTUAL)
        assert outcome.result.values == expected(scalars)


@pytest.mark.gpu
@pytest.mark.parametrize("count", [64, 300, 1 << 12])
def test_equal_to_py_ecc_on_two_real_gpus(script: ModuleType, tmp_path: Path, count: int) -> None:
    if real_gpus() < 2:
        pytest.skip("needs two NVIDIA GPUs and CuPy")
    program = build(script, tmp_path, count, 2)
    for scalars in vectors(count):
        outcome = zkrun.run(program, {"scalars": scalars}, REAL)
        assert outcome.result.values == expected(scalars)


@pytest.mark.gpu
def test_two_real_gpus_one_and_the_cpu_give_the_same(script: ModuleType, tmp_path: Path) -> None:
    if real_gpus() < 2:
        pytest.skip("needs two NVIDIA GPUs and CuPy")
    count = 1 << 17
    given = {"scalars": script.random_scalars(count, 5)}
    over_two = build(script, tmp_path / "two", count, 2)
    on_one = build(script, tmp_path / "one", count, 1)
    found = [
        zkrun.run(over_two, given, REAL).result,
        zkrun.run(on_one, given, REAL).result,
        zkrun.run(over_two, given, VIRTUAL).result,
    ]
    assert found[0] == found[1] == found[2]


def test_any_legal_schedule_and_the_sanitizer(script: ModuleType, tmp_path: Path) -> None:
    program, scalars = build(script, tmp_path, 16, 2), list(range(16))
    watched = zkrun.Options(gpu="virtual", sanitize=True)
    assert zkrun.run(program, {"scalars": scalars}, watched).result.values == expected(scalars)
    for seed in range(5):
        shuffled = zkrun.Options(gpu="virtual", shuffle=seed)
        outcome = zkrun.run(program, {"scalars": scalars}, shuffled)
        assert outcome.result.values == expected(scalars)


def test_the_program_that_is_kept_is_the_one_that_is_built(
    script: ModuleType, tmp_path: Path
) -> None:
    built = script.program(1 << 10, ["gpu:0", "gpu:1"]).write(tmp_path)
    assert built.read_bytes() == PROGRAM.read_bytes()


def test_points_that_do_not_divide_are_refused(script: ModuleType) -> None:
    with pytest.raises(UsageError, match="3 points do not divide among 2 GPUs"):
        script.program(3, ["gpu:0", "gpu:1"])
