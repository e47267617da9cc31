"""The table of scripts/bench_gpu, and the cases of it that a virtual GPU can run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from scripts_of_programs import SCRIPTS, load_script, without_gpus

from zkrun.algebra.curves import BN254
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.types import Scalar, ScalarArray

A, S = ScalarArray(8), Scalar()
LOGS = [16, 18, 20, 22, 24]


def test_a_cell_has_its_share_and_a_mark_where_that_is_too_little() -> None:
    table = load_script("gpu_table")
    section = table.Section("functions")
    section.results += [
        table.Result("poly_add", 16, 0.0123456, "ms", 0.3, 0.9, judged=False),
        table.Result("poly_add", 22, 1234.5, "ms", 0.85, 0.9),
        table.Result("poly_add", 24, 12.34, "ms", 0.9, 0.9),
        table.Result("copy", 24, 4.175, "TB/s"),
    ]
    section.missing |= {18: "no time", 24: "no memory"}
    lines = "\n".join(table.render("one GPU", [section], LOGS)).splitlines()
    row = next(line for line in lines if "poly_add" in line)
    assert row.split() == [
        *("poly_add", "ms", "90%", "0.0123", "30%", "-", "[1]"),
        *("1234", "85%!", "12.3", "90%"),
    ]
    row = next(line for line in lines if "copy" in line)
    assert row.split() == ["copy", "TB/s", "-", "[1]", "4.17"]
    assert lines[-2:] == ["[1] no time", "[2] no memory"]
    assert max(map(len, lines)) <= 120


def test_prefixes_need_two_multiplications_an_element() -> None:
    limits = load_script("gpu_limits")
    for name, mutable, immutable, count in (
        ("scan_mul", [A], [A, S], 2 * 8 - 2),
        ("kate_division", [A], [A, S], 2 * 8 - 2),
        ("evaluate", [S], [A, S], 8),
        ("poly_mul", [A], [A, A], 8),
    ):
        call, problems = resolve_call(FunctionEntry(name, {}), BN254, mutable, immutable)
        assert call is not None, problems
        assert limits.needs(call).multiplications == count
        assert limits.needs(call).bytes == call.signature.cost(call).bytes


def test_a_permutation_needs_the_bytes_of_its_sort() -> None:
    call, problems = resolve_call(FunctionEntry("permute", {"usable": 5}), BN254, [A, A], [A, A])
    assert call is not None, problems
    assert load_script("gpu_limits").needs(call).bytes == 5 * 352


def test_transfers_and_host_on_a_virtual_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    transfers, host = load_script("gpu_transfer_cases"), load_script("gpu_host_cases")
    found = list(transfers.transfer_cases(4, "virtual"))
    assert [result.row for result in found] == [
        *("to the GPU, first", "to the GPU, again"),
        *("from the GPU, first", "from the GPU, again"),
    ]
    assert all(result.value > 0 and result.unit == "GB/s" for result in found)
    monkeypatch.setattr(host, "LOG", 4)
    monkeypatch.setattr(host, "CALLS", 3)
    monkeypatch.setattr(host, "RUNS", 2)
    monkeypatch.setattr(host, "BURST", 5)
    monkeypatch.setattr(host, "BURST_RUNS", 1)
    assert list(host.host_cases(5, "virtual")) == []
    rows = [result.row for result in host.host_cases(4, "virtual")]
    assert rows[:2] == ["poly_add, queued once", "poly_add, replayed"]
    assert rows[-1] == "poly_mul, a burst of 5"
    assert len(rows) == 2 * len(host.FUNCTIONS) + len(host.IN_BURSTS)


def bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "bench_gpu.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=without_gpus(folder),
    )


def test_without_a_gpu_there_are_dashes_and_a_reason(tmp_path: Path) -> None:
    done = bench("ntt", "split", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "no GPU"
    assert sum(line.count("- [1]") for line in lines) == 2 * len(LOGS)
    assert lines[-1].startswith("[1] ")


def test_what_there_is_not_is_refused(tmp_path: Path) -> None:
    done = bench("sorting", folder=tmp_path)
    assert done.returncode == 2
    assert "there is no 'sorting' to measure: msm, ntt" in done.stderr
