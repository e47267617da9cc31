"""What the tests of the command line share: `zkrun` as a process, in a folder of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "report"))
from traces import commitment

PROGRAMS = Path(__file__).parent / "programs"
START = "import sys; sys.argv[0] = 'zkrun'; from zkrun.cli.app import main; main()"

Zkrun = Callable[..., "subprocess.CompletedProcess[bytes]"]
Shell = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the programs of these tests, and a saved trace."""
    home = tmp_path / "work"
    shutil.copytree(PROGRAMS, home)
    commitment().save(home / "commitment.msgpack")
    return home


@pytest.fixture
def zkrun(folder: Path, tmp_path: Path) -> Zkrun:
    """Runs `zkrun ARGUMENTS` in the folder, with an environment that says nothing about output."""

    def run(
        *arguments: str, stdin: bytes = b"", code: str = START, **environment: str
    ) -> "subprocess.CompletedProcess[bytes]":
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-P", "-W", "error", "-c", code, *arguments],
            input=stdin,
            capture_output=True,
            cwd=folder,
            env={
                **kept,
                "HOME": str(tmp_path),
                "TERM": "dumb",
                "LC_ALL": "C.UTF-8",
                "COLUMNS": "100",
                **environment,
            },
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def shell(folder: Path, tmp_path: Path) -> Shell:
    """Runs a line of bash in the folder, in which `zkrun` is the command."""
    known = 'set -o pipefail; zkrun() { "$PYTHON" -P -c "$START" "$@"; }; '

    def run(line: str, code: str = START) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["bash", "-c", known + line],
            cwd=folder,
            env={**os.environ, "HOME": str(tmp_path), "PYTHON": sys.executable, "START": code},
            capture_output=True,
            timeout=120,
            check=False,
        )

    return run
