"""The thread pool: coverage, nesting, several callers at once, exceptions, cancellation."""

import subprocess
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "zkrun/devices/cpu/native"


def test_the_pool_under_load(tmp_path: Path) -> None:
    program = tmp_path / "pool"
    subprocess.run(
        [
            "g++",
            "-std=c++17",
            "-O1",
            "-pthread",
            f"-I{SOURCES}",
            str(Path(__file__).with_name("pool.cpp")),
            str(SOURCES / "pool.cpp"),
            "-o",
            str(program),
        ],
        check=True,
        capture_output=True,
    )
    result = subprocess.run([program], capture_output=True, text=True, check=True, timeout=300)
    assert result.stdout == ""
