"""How scripts end that are asked for what cannot be: in one line, and with an exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from scripts_of_programs import SCRIPTS, without_gpus


def ended(command: str, folder: Path) -> tuple[int, str]:
    """The exit code of a script and the last line that it wrote to the standard error."""
    name, *arguments = command.split()
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=without_gpus(folder),
        cwd=folder,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "command",
    [
        "split_msm measure --log 4",
        "stream_array measure --log-column 4 --columns 2",
        "plonkish_budgets --k 4 --iterations 1",
        "gpu_small_sizes --sizes 1",
    ],
)
def test_without_a_gpu(command: str, tmp_path: Path) -> None:
    code, line = ended(command, tmp_path)
    assert code == 4
    assert line.startswith(f"{command.split()[0]}: gpu:0: this machine has no such device")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("split_msm measure --log 31", "argument --log: 31 is not between 0 and 30"),
        ("split_msm measure --log x", "argument --log: 'x' is not a whole number"),
        ("split_msm build --log 3 --gpus 16 --out out", "8 points do not divide among 16 GPUs"),
        ("stream_array build --columns 0x1 --out out", "'0x1' is not a whole number"),
        ("plonkish build --k 3 --out out", "plonkish: --k is between 4 and 26"),
        ("plonkish_budgets --k 1 --gpu virtual", "plonkish_budgets: --k is between 4 and 26"),
        ("plonkish_budgets --shares 1,-1", "argument --shares: invalid ratios value: '1,-1'"),
        ("bench_gpu --curves bn254,bls", "'bls' is none of bn254, bls12_381"),
        ("bench_gpu --logs 16,,18", "argument --logs: '' is not a whole number"),
        ("bench_ntt --isas none", "argument --isas: 'none' is none of"),
        ("gpu_small_sizes --sizes 0", "argument --sizes: 0 is not between 1 and"),
        ("bench_validate many", "argument counts: 'many' is not a whole number"),
        ("eip4844 blob absent --output blob.bin", "eip4844: absent: No such file or directory"),
        ("stream_array build --out /dev/null/x", "stream_array: /dev/null/x: Not a directory"),
    ],
)
def test_what_cannot_be(command: str, says: str, tmp_path: Path) -> None:
    code, line = ended(command, tmp_path)
    assert code == 2
    assert says in line
    assert not list(tmp_path.glob("**/*.*")), "something was written"


def test_all_that_needs_a_gpu_ends_without_one(tmp_path: Path) -> None:
    """With the package that is installed, not the tree, which has no extensions."""
    done = subprocess.run(
        [SCRIPTS / "test_gpu", "--quick"],
        capture_output=True,
        text=True,
        check=False,
        env={**without_gpus(tmp_path), "PYTHON": sys.executable},
    )
    assert done.returncode == 4
    assert done.stderr.startswith("error: there is no GPU whose kernels could be compiled")
