"""The program that streams an array through a GPU's share of memory, against big integers."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from scripts_of_programs import SCRIPTS, environment, load_script, real_gpus

import zkrun
from zkrun.algebra.curves import BN254

R = BN254.r
PROGRAM = SCRIPTS.parent / "programs" / "stream_array" / "program.json"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("stream_array")


def root(n: int) -> int:
    return pow(5, (R - 1) // n, R)


def expected(values: list[int], n: int) -> list[int]:
    """The coefficients of the quotient of p² by X^n − 1, where p has these values on the domain."""
    w = pow(root(n), -1, R)
    scale = pow(n, -1, R)
    p = [scale * sum(v * pow(w, i * j, R) for j, v in enumerate(values)) % R for i in range(n)]
    square = [0] * (2 * n)
    for i, a in enumerate(p):
        for j, b in enumerate(p):
            square[i + j] += a * b
    return [value % R for value in square[n:]]  # X^n − 1 goes no further times into what is below


def check(script: ModuleType, folder: Path, columns: int, places: int, gpu: str) -> None:
    """Runs the program on columns of 16 elements, all of which the result shows."""
    n, source = 16, random.Random(columns)
    values = [source.randrange(R) for _ in range(n * columns)]
    path = script.program(4, columns, places).write(folder)
    options = zkrun.Options(gpu=gpu)
    outcome = zkrun.run(zkrun.load(path), {"columns": values}, options)
    for i, shown in enumerate(outcome.result.values):
        assert [int(v, 16) for v in shown] == expected(values[i * n : (i + 1) * n], n)


@pytest.mark.parametrize(("columns", "places"), [(1, 3), (2, 1), (7, 2), (9, 3), (4, 8)])
def test_equal_to_big_integers(
    script: ModuleType, tmp_path: Path, columns: int, places: int
) -> None:
    check(script, tmp_path, columns, places, "virtual")


@pytest.mark.gpu
def test_equal_to_big_integers_on_a_real_gpu(script: ModuleType, tmp_path: Path) -> None:
    if not real_gpus():
        pytest.skip("needs an NVIDIA GPU and CuPy")
    check(script, tmp_path, 9, 3, "real")


@pytest.mark.gpu
def test_large_columns_equal_on_the_cpu_and_on_a_real_gpu(
    script: ModuleType, tmp_path: Path
) -> None:
    if not real_gpus():
        pytest.skip("needs an NVIDIA GPU and CuPy")
    program = zkrun.load(script.program(17, 10, 3).write(tmp_path))
    given = {"columns": script.values(17, 10, 3)}
    real = zkrun.run(program, given, zkrun.Options(gpu="real", iterations=4))
    assert real.result == zkrun.run(program, given, zkrun.Options(gpu="virtual")).result


@pytest.mark.parametrize(
    "tracks", [("ToGpu", "Gpu", "FromGpu"), ("ToGpu",), ("Gpu",), ("FromGpu",)]
)
@pytest.mark.parametrize(("columns", "places"), [(1, 3), (8, 3)])
def test_nothing_is_wrong_with_it(
    script: ModuleType, tmp_path: Path, tracks: tuple[str, ...], columns: int, places: int
) -> None:
    path = script.program(4, columns, places, tracks).write(tmp_path)
    assert not zkrun.validate(zkrun.load(path)).diagnostics


def test_the_array_is_larger_than_the_share_of_the_gpu(script: ModuleType, tmp_path: Path) -> None:
    document = json.loads(PROGRAM.read_text())
    (array,) = (entry["typ"]["len"] * 32 for entry in document["inputs"])
    assert document["memory"]["gpu:0"] * 3 == array
    built = script.program(10, 12, 3).write(tmp_path)
    assert built.read_bytes() == PROGRAM.read_bytes()


def test_any_legal_schedule_and_the_sanitizer(script: ModuleType, tmp_path: Path) -> None:
    program = zkrun.load(script.program(4, 8, 3).write(tmp_path))
    given = {"columns": list(range(128))}
    plain = zkrun.run(program, given, zkrun.Options(gpu="virtual")).result
    watched = zkrun.Options(gpu="virtual", sanitize=True)
    assert zkrun.run(program, given, watched).result == plain
    for seed in range(5):
        shuffled = zkrun.Options(gpu="virtual", shuffle=seed)
        assert zkrun.run(program, given, shuffled).result == plain


def test_measure_compares_the_tracks_with_the_whole(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "stream_array.py"), "measure", "--gpu", "virtual"]
    sizes = ["--log-column", "4", "--columns", "6", "--places", "3", "--iterations", "1"]
    done = subprocess.run(
        command + sizes, capture_output=True, text=True, check=False, env=environment(tmp_path)
    )
    assert done.returncode in (0, 5), done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "6 columns of 2^4: 3.00 KiB by way of 2.00 KiB"
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        "ToGpu",
        "Gpu",
        "FromGpu",
        "all together",
    ]
    assert lines[5].endswith(" times the slowest track alone (at most 1.1)")


@pytest.mark.parametrize("size", ["--places 0", "--columns -1", "--log-column -1"])
def test_sizes_that_make_no_program(tmp_path: Path, size: str) -> None:
    command = [sys.executable, str(SCRIPTS / "stream_array.py"), "build", *size.split()]
    command += ["--out", str(tmp_path / "out")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment(tmp_path)
    )
    assert done.returncode == 2
    assert f"argument {': '.join(size.split())} is not between" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
