"""Picks the build of the CPU extension that suits this processor.

The extension exists three times, from the same sources: ``portable`` (any processor), ``adx`` (BMI2
and ADX) and ``ifma`` (AVX-512 with 52-bit multiply-add). The best one that the processor and the
installation have is used. ``ZKRUN_CPU`` names one instead, and ``ZKRUN_THREADS`` the number of
threads, where the default is the number of CPUs this process may run on.
"""

import functools
import importlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType

from zkrun.errors import RunFailed, UsageError

ISAS = ("portable", "adx", "ifma")
"""Slowest first."""

_REQUIRED_FLAGS = {
    "portable": frozenset[str](),
    "adx": frozenset({"bmi2", "adx"}),
    "ifma": frozenset({"bmi2", "adx", "avx512f", "avx512dq", "avx512vl", "avx512bw", "avx512ifma"}),
}
MOST_THREADS = 1024
"""Of a parallel loop."""


@functools.cache
def native() -> ModuleType:
    """The extension module to use in this process, its threads set."""
    module = load(_forced_isa() or _best_isa())
    threads = _forced_threads()
    if threads is not None:
        module.set_threads(threads)
    return module


def load(isa: str) -> ModuleType:
    """The extension module of one of ``ISAS``; RunFailed where it cannot run or is absent."""
    missing = _REQUIRED_FLAGS[isa] - cpu_flags()
    if missing:
        raise RunFailed(
            f"the {isa} build of the CPU extension needs {', '.join(sorted(missing))}, "
            f"which this processor lacks; it can run: {', '.join(supported_isas())}"
        )
    name = _module_name(isa)
    if importlib.util.find_spec(name) is None:
        raise RunFailed(
            f"the {isa} build of the CPU extension is not installed; "
            "'pip install .' builds it, and so does scripts/build_native in a source tree"
        )
    return importlib.import_module(name)


def supported_isas() -> tuple[str, ...]:
    """What this processor can run, slowest first."""
    flags = cpu_flags()
    return tuple(isa for isa in ISAS if _REQUIRED_FLAGS[isa] <= flags)


@functools.cache
def cpu_flags() -> frozenset[str]:
    """The instruction-set flags of this processor, as /proc/cpuinfo names them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def _best_isa() -> str:
    for isa in reversed(supported_isas()):
        if importlib.util.find_spec(_module_name(isa)) is not None:
            return isa
    return "portable"


def _forced_isa() -> str | None:
    isa = os.environ.get("ZKRUN_CPU")
    if not isa:
        return None
    if isa not in ISAS:
        raise UsageError(f"ZKRUN_CPU is {isa!r}; it must be one of {', '.join(ISAS)}")
    return isa


def _forced_threads() -> int | None:
    text = os.environ.get("ZKRUN_THREADS")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_THREADS):
        raise UsageError(f"ZKRUN_THREADS is {text!r}; it must be a number from 1 to {MOST_THREADS}")
    return int(text)


def _module_name(isa: str) -> str:
    return f"zkrun.devices.cpu._native_{isa}"
