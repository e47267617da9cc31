"""Every CUDA kernel compiles, for each architecture, and stays in registers where it should.

A spill, or memory of a thread's own (a stack frame: local arrays, values passed by address), costs
time wherever it is not meant. Where it is, the source says so in a line of its own, and why:

    // Stack frame of merge_heads<G2<*>>: why
    // Spills in fold_points<G2<Bls12381>>: why

where * stands for anything. A line that no architecture needs any more is an error too. No block
takes more shared memory than every GPU that is supported has for one.
No GPU is needed: NVRTC comes from PyPI.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from types import ModuleType

import nvrtc
import pytest
from fake_cupy import installed

from zkrun.algebra.curves import CURVES
from zkrun.devices.cuda.kernels.field_units import field_unit, group_unit
from zkrun.devices.cuda.kernels.fused_unit import fused_unit
from zkrun.devices.cuda.kernels.sources import Unit, build, sources
from zkrun.devices.cuda.kernels.units import all_units
from zkrun.program.functions.expr import parse

ARCHITECTURES = (80, 90, 100)
FOR_TOOLS = 90
"""The one that tools of tests and benches are compiled for."""

FRAME, SPILL = "Stack frame of", "Spills in"
ANNOUNCED = re.compile(rf"^ *// ({FRAME}|{SPILL}) (\S.*?): \S", re.MULTILINE)
ENTRY = re.compile(r"Compiling entry function '(\w+)'")
PROPERTIES = re.compile(
    r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
)

SHARED = re.compile(r"(\d+) bytes smem")
MOST_SHARED = 99 << 10
"""Bytes of shared memory of a block where there is least, on sm_86, sm_89 and sm_120."""

EXPRESSIONS = (
    "y0 = x0 * x1 + x2",
    "y0 = " + " + ".join(f"x0 * (x2 + {i}) * {i + 100}" for i in range(30)),
)


def generated() -> list[Unit]:
    """Kernels of `fused_arith`: one expression of few products, and one of many."""
    return [
        fused_unit(parse(text, curve.r), curve, (False, True, False), 1)
        for curve in CURVES.values()
        for text in EXPRESSIONS
    ]


def tools() -> list[Unit]:
    """What only tests and benches launch."""
    fields = [field_unit(curve, kind) for curve in CURVES.values() for kind in ("scalar", "base")]
    groups = [group_unit(curve, group) for curve in CURVES.values() for group in ("g1", "g2")]
    return [*fields, *groups]


def units() -> list[Unit]:
    return [*all_units(), *tools(), *generated()]


def kernels_of(*units: Unit) -> list[str]:
    """Their kernels as they are announced: `merge_heads<G2<Bls12381>>`."""
    return [kernel.replace("zkrun::", "") for unit in units for _, kernel in unit.kernels]


def title(unit: Unit) -> str:
    return kernels_of(unit)[0]


def findings(log: str) -> set[tuple[str, str]]:
    """(what, symbol of the kernel) of all that ptxas names; what a kernel calls counts for it."""
    found = set[tuple[str, str]]()
    kernel = ""
    for line in log.splitlines():
        if entry := ENTRY.search(line):
            kernel = entry[1]
        elif properties := PROPERTIES.search(line):
            frame, *spills = map(int, properties.groups())
            found |= {(FRAME, kernel)} if frame else set()
            found |= {(SPILL, kernel)} if any(spills) else set()
    return found


def shared_bytes(log: str) -> dict[str, int]:
    """The shared memory that each kernel has by itself, by its symbol."""
    found: dict[str, int] = {}
    for line in log.splitlines():
        if entry := ENTRY.search(line):
            found[kernel := entry[1]] = 0
        elif shared := SHARED.search(line):
            found[kernel] = int(shared[1])
    return found


@cache
def asked() -> dict[str, int]:
    """The most shared memory that launches ask for beside that, by the kernel's name."""
    with installed():
        from zkrun.devices.cuda.functions import msm, ntt, recurrences
        from zkrun.devices.cuda.plans import permute as permute_plan

        sort = max(tiles.sort_shared for tiles in (permute_plan.SHORT, permute_plan.LONG))
        return {
            "ntt_pass": ntt._SHARED,
            "recur": recurrences._RING,
            "partition_digits": 4 * msm.STAGING_WORDS,
            "sort_partitions": 4 * msm.STAGING_WORDS,
            "fill_buckets": 4 * permute_plan.MOST_BUCKETS,
            "sort_by_keys": sort,
            "sort_by_integers": sort,
        }


@cache
def announcements() -> set[tuple[str, str]]:
    """What the sources announce: (what, pattern of kernels)."""
    return {found for text in sources().values() for found in ANNOUNCED.findall(text)}


@pytest.mark.parametrize("unit", units(), ids=title)
def test_a_kernel_compiles_and_stays_in_registers(unit: Unit) -> None:
    needed = set[tuple[str, str]]()
    for architecture in (FOR_TOOLS,) if unit in tools() else ARCHITECTURES:
        binary = build(unit, architecture, as_module())
        symbols = [binary.symbols[name] for name, _ in unit.kernels]
        names = dict(zip(symbols, kernels_of(unit), strict=True))
        log = findings(binary.log)
        assert len(ENTRY.findall(binary.log)) == len(unit.kernels), "ptxas says nothing"
        assert binary.cubin.startswith(b"\x7fELF")
        needed |= {(what, names[symbol]) for what, symbol in log}
        for symbol, nbytes in shared_bytes(binary.log).items():
            name = names[symbol].partition("<")[0]
            assert nbytes + asked().get(name, 0) <= MOST_SHARED, name
    announced = {
        (what, kernel)
        for what, pattern in announcements()
        for kernel in kernels_of(unit)
        if fnmatchcase(kernel, pattern)
    }
    assert needed - announced == set(), "the source does not announce it"
    assert announced - needed == set(), "announced, and not so any more"


def test_what_is_asked_for_is_asked_by_kernels() -> None:
    assert asked().keys() <= {kernel.partition("<")[0] for kernel in kernels_of(*units())}


def test_announcements_name_kernels() -> None:
    kernels = kernels_of(*units())
    for _, pattern in announcements():
        assert any(fnmatchcase(kernel, pattern) for kernel in kernels), pattern


def test_what_a_kernel_calls_counts_for_it() -> None:
    clean = "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
    log = (
        "ptxas info : Compiling entry function 'first' for 'sm_90'\n"
        f"ptxas info : Function properties for first\n{clean}"
        "ptxas info : Compiling entry function 'second' for 'sm_90'\n"
        f"ptxas info : Function properties for second\n{clean}"
        "ptxas info : Function properties for helper\n"
        "    32 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads\n"
    )
    assert findings(log) == {(FRAME, "second"), (SPILL, "second")}


def test_an_error_of_the_source_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"permute.cuh does not compile:[\s\S]*no_such_name"):
        build(Unit("permute.cuh", (), "int broken = no_such_name;"), 90, as_module())


def as_module() -> ModuleType:
    return nvrtc
