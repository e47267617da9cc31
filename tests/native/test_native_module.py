"""The choice of a build of the extension."""

import os
import subprocess
import sys

import pytest

from zkrun.devices.cpu import native_module
from zkrun.devices.cpu.native_module import ISAS, load, supported_isas
from zkrun.errors import RunFailed, UsageError


def in_a_new_process(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


PRINT_ISA = "from zkrun.devices.cpu.native_module import native; print(native().isa)"


@pytest.mark.parametrize("isa", ISAS)
def test_each_build_says_what_it_is(isa: str) -> None:
    if isa not in supported_isas():
        pytest.skip(f"this processor cannot run the {isa} build")
    assert load(isa).isa == isa
    assert in_a_new_process(PRINT_ISA, ZKRUN_CPU=isa) == isa


def test_the_best_build_is_chosen() -> None:
    assert in_a_new_process(PRINT_ISA, ZKRUN_CPU="") == supported_isas()[-1]


def test_an_unknown_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZKRUN_CPU", "avx1024")
    native_module.native.cache_clear()
    with pytest.raises(UsageError, match=r"'avx1024'.*portable, adx, ifma"):
        native_module.native()
    native_module.native.cache_clear()


def test_a_build_this_processor_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_module, "cpu_flags", lambda: frozenset({"bmi2", "avx2"}))
    assert supported_isas() == ("portable",)
    with pytest.raises(RunFailed, match=r"adx build .* needs adx, .* it can run: portable"):
        load("adx")


def test_a_build_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_module, "_module_name", lambda isa: f"zkrun._absent_{isa}")
    with pytest.raises(RunFailed, match=r"portable build .* is not installed"):
        load("portable")


def test_the_number_of_threads_comes_from_the_environment() -> None:
    code = "from zkrun.devices.cpu.native_module import native; print(native().threads())"
    assert in_a_new_process(code, ZKRUN_THREADS="3") == "3"
    assert in_a_new_process(code, ZKRUN_THREADS="") == str(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "99999", "²", "9" * 5000])
def test_a_senseless_number_of_threads_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("ZKRUN_THREADS", text)
    native_module.native.cache_clear()
    with pytest.raises(UsageError, match=r"ZKRUN_THREADS"):
        native_module.native()
    native_module.native.cache_clear()


def test_calls_work_after_a_fork() -> None:
    """A forked child has none of its parent's threads, and makes its own."""
    code = """
import os, warnings
import numpy as np
from zkrun.devices.cpu.native_module import native
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks among threads
module = native()
module.set_threads(3)
array = np.zeros((100000, 4), dtype=np.uint64)
def fill():
    view = module.View(array.ctypes.data, len(array), 0, len(array))
    module.bn254.fill(module.Context(), view, 1)
fill()
array[:] = 0
child = os.fork()
fill()
if child == 0:
    os._exit(0 if array.any(axis=1).all() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("done")
"""
    assert in_a_new_process(code) == "done"
