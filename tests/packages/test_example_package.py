"""An installed package adds a function and a device; see `example` beside this file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parent / "example"
START = "import sys; sys.argv[0] = 'zkrun'; from zkrun.cli.app import main; main()"
ARRAY = {"kind": "ScalarArray", "len": 3}
VALUES = [1, 2, 3]
BACKWARDS = ["0x3", "0x2", "0x1"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the example in it."""
    folder = tmp_path_factory.mktemp("packages")
    source = folder / "source"  # building writes beside the sources
    shutil.copytree(EXAMPLE, source)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*install, "--no-build-isolation", "--target", folder / "site", source], check=True
    )
    return folder / "site"


def zkrun(site: Path | None, *arguments: str, program: Any = None) -> Any:
    """The JSON that a command prints, in a process with the packages of `site`."""
    paths = [str(site)] if site else []
    paths += [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    done = subprocess.run(
        [sys.executable, "-P", "-c", START, *arguments],
        input=json.dumps(program),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def reversal(device: str) -> dict[str, Any]:
    """A program that reverses a constant on a device."""
    head = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": [{"name": "poly_reverse"}],
        "constants": [{"name": "a", "typ": ARRAY, "data": {"values": VALUES}}],
    }
    load = {"op": "LoadConstant", "src": 0, "dst": 0}
    if device == "cpu":
        allocate = {"op": "Allocate", "device": "cpu", "typ": ARRAY, "id": 1}
        call = {"op": "FuncCall", "func_id": 0, "arg_mut": [1], "arg": [0]}
        return {**head, "instructions": [load, allocate, call, {"op": "Return", "id": 1}]}
    copy = {"op": "Transfer", "src_device": "cpu", "dst_device": device, "src_id": 0, "dst_id": 2}
    instructions: list[dict[str, Any]] = [
        load,
        {"op": "Allocate", "device": device, "typ": {"kind": "Stream"}, "id": 1},
        {"op": "Allocate", "device": device, "typ": ARRAY, "id": 2},
        {"op": "Allocate", "device": device, "typ": ARRAY, "id": 3},
        {**copy, "stream": 1},
        {"op": "FuncCall", "func_id": 0, "arg_mut": [3], "arg": [2, 1]},
        {"op": "Return", "id": 3},
    ]
    return {**head, "instructions": instructions}


def test_without_the_package_the_function_is_unknown() -> None:
    code, answer = zkrun(None, "validate", "--json", "-", program=reversal("cpu"))
    assert code == 3
    assert "poly_reverse" in answer["diagnostics"][0]["message"]


@pytest.mark.parametrize("arguments", [("cpu",), ("gpu:0", "--gpu", "virtual"), ("gpu:9",)])
def test_the_function_runs_on_every_device(site: Path, arguments: tuple[str, ...]) -> None:
    device, *options = arguments
    code, answer = zkrun(site, "exec", "--json", *options, "-", program=reversal(device))
    assert code == 0
    assert answer["result"]["values"] == BACKWARDS


def test_its_own_check_is_heard(site: Path) -> None:
    program = reversal("cpu")
    program["instructions"][1]["typ"] = {"kind": "ScalarArray", "len": 4}
    code, answer = zkrun(site, "validate", "--json", "-", program=program)
    assert code == 3
    assert "equally long" in answer["diagnostics"][0]["message"]


def test_both_are_listed(site: Path) -> None:
    _, functions = zkrun(site, "functions", "--json")
    assert "poly_reverse" in {entry["name"] for entry in functions["functions"]}
    _, devices = zkrun(site, "devices", "--json")
    assert "gpu:9" in {entry["name"] for entry in devices["devices"]}
