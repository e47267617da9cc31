"""Drawing scalars leaves neither the key nor what came of it on the stack."""

import subprocess
from pathlib import Path

import pytest
from compiled import compiled
from oracle import each_isa

from zkrun.devices.cpu.native_module import supported_isas


@each_isa
def test_the_stack_is_wiped(isa: str, tmp_path: Path) -> None:
    if isa not in supported_isas():
        pytest.skip(f"this processor cannot run the {isa} build")
    program = compiled("random_stack", isa, tmp_path, "-O3", "-pthread", "pool.cpp")
    result = subprocess.run([program], capture_output=True, text=True, check=True, timeout=100)
    wiped, as_it_was = map(int, result.stdout.split())
    assert wiped == 0
    assert as_it_was > 0, "the search does not find what is there"
