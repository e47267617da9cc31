"""Kernels on disk: compiled once, in parallel, and found again; broken ones are replaced."""

import importlib
from pathlib import Path
from typing import Any

import gpu_values
import pytest

import zkrun
from zkrun.algebra.curves import BN254
from zkrun.devices.base import Function
from zkrun.devices.cuda.device import CudaDevice
from zkrun.devices.cuda.kernels import compile as compiler
from zkrun.devices.cuda.kernels.sources import Binary, Unit
from zkrun.devices.cuda.kernels.units import (
    all_units,
    elementwise_unit,
    msm_units,
    permutation_units,
)
from zkrun.devices.cuda.plans.permute import SHORT
from zkrun.program.signature import Call

pytestmark = pytest.mark.gpu
assert gpu_values.HAS_GPU

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
UNITS = (
    elementwise_unit(BN254),
    permutation_units(BN254, SHORT, in_buckets=False)[0],
    msm_units(BN254, "g1", keeps=False)[0],
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "_kept", {})
    return tmp_path / "zkrun" / "cuda"


def test_only_what_is_missing_is_compiled_and_told(folder: Path) -> None:
    told: list[str] = []
    assert compiler.compile_all((*UNITS, UNITS[0]), 90, told.append) == 3
    assert told[0] == "compiling kernels for sm_90: 0 of 3"
    assert [text.partition(" after ")[0].rpartition(": ")[2] for text in told[1:-1]] == [
        "1 of 3",
        "2 of 3",
        "3 of 3",
    ]
    assert told[-1] == ""
    told.clear()
    assert compiler.compile_all(UNITS, 90, told.append) == 0
    assert told == []
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {path.suffix for path in files} == {".msgpack"}
    assert compiler.compile_all(UNITS[:1], 80, told.append) == 1


def test_a_broken_binary_is_replaced(folder: Path) -> None:
    first = compiler.compile_unit(UNITS[0], 90)
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    for content in (b"", path.read_bytes()[:100], b"\x80", b"\xc0"):
        path.write_bytes(content)
        again = compiler.compile_unit(UNITS[0], 90)
        assert (again.cubin, again.symbols) == (first.cubin, first.symbols)
        assert len(path.read_bytes()) > len(first.cubin)


def test_a_folder_that_takes_nothing_keeps_nobody_from_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zkrun").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "_kept", {})
    assert compiler.compile_all(UNITS[:1], 90) == 1
    assert compiler.compile_all(UNITS[:1], 90) == 0
    assert compiler.compile_unit(UNITS[0], 90).cubin.startswith(b"\x7fELF")


def test_a_cold_run_compiles_what_it_uses_before_it_binds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    document = importlib.import_module("gpu_small_sizes").program(BN254, "g1", 64)
    built: list[str] = []
    late: list[str] = []
    told: list[str] = []
    build, bind = compiler.build, CudaDevice._bind

    def spy_build(unit: Unit, *more: Any) -> Binary:
        built.append(unit.source)
        return build(unit, *more)

    def spy_bind(self: CudaDevice, call: Call) -> Function:
        before = len(built)
        function = bind(self, call)
        late.extend(built[before:])
        return function

    compiler._load.cache_clear()
    monkeypatch.setattr(compiler, "build", spy_build)
    monkeypatch.setattr(CudaDevice, "_bind", spy_bind)
    result = zkrun.run(document, {}, zkrun.Options(notify=told.append)).result.values
    assert late == []
    assert 0 < len(built) < len(all_units())
    assert len(told) == len(built) + 2
    assert result == zkrun.run(document, {}, zkrun.Options(gpu="virtual")).result.values
    compiler._load.cache_clear()
