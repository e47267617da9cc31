"""The kernels of ``native/`` as NVRTC compiles them. Needs neither CuPy nor a GPU.

A unit is one source with the kernels wanted of it, compiled for one architecture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from zkrun.algebra import curves_header

__all__ = ["Binary", "Unit", "build", "digest", "sources"]

OPTIONS = ("-std=c++17", "--ptxas-options=-v")
FOLDERS = (
    Path(__file__).parents[3] / "algebra" / "native",
    Path(__file__).parents[1] / "native",
)


@dataclass(frozen=True, slots=True)
class Unit:
    """Kernels to compile at once.

    ``kernels`` maps the names that Python uses to C++ name expressions, such as
    ``accumulate_buckets<zkrun::G1<zkrun::Bn254>>``, within the namespace ``zkrun``.
    """

    source: str
    kernels: tuple[tuple[str, str], ...]
    text: str = ""  # generated code that comes after the source


@dataclass(frozen=True, slots=True)
class Binary:
    """A compiled unit: machine code, the symbols of its kernels, and what ptxas said of it."""

    cubin: bytes
    symbols: Mapping[str, str]
    log: str


def build(unit: Unit, architecture: int, nvrtc: Any) -> Binary:
    """Compiles a unit for a compute capability without its dot, such as 90.

    ``nvrtc`` has the functions of the module ``cupy.cuda.nvrtc``. RuntimeError, with what the
    compiler says, where the source is wrong.
    """
    headers = sources()
    expressions = {name: f"zkrun::{kernel}" for name, kernel in unit.kernels}
    program = nvrtc.createProgram(
        f'#include "{unit.source}"\n{unit.text}',
        unit.source + ".cu",
        tuple(text.encode() for text in headers.values()),
        tuple(name.encode() for name in headers),
    )
    try:
        for expression in expressions.values():
            nvrtc.addNameExpression(program, expression)
        try:
            nvrtc.compileProgram(program, (*OPTIONS, f"-arch=sm_{architecture}"))
        except nvrtc.NVRTCError as error:
            log = nvrtc.getProgramLog(program)
            raise RuntimeError(f"{unit.source} does not compile:\n{log}") from error
        return Binary(
            cubin=nvrtc.getCUBIN(program),
            symbols={
                name: nvrtc.getLoweredName(program, expression)
                for name, expression in expressions.items()
            },
            log=nvrtc.getProgramLog(program),
        )
    finally:
        nvrtc.destroyProgram(program)


@cache
def sources() -> Mapping[str, str]:
    """Every source by the name that `#include` knows it by."""
    found = {"curves.hpp": curves_header.render()}
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.*h*")):
            if path.suffix in (".hpp", ".cuh"):
                found[path.name] = path.read_text(encoding="utf-8")
    return found


def digest(unit: Unit, architecture: int, version: tuple[int, int]) -> str:
    """Names all that a binary depends on: sources, options, architecture, version of NVRTC."""
    what = (_state(), architecture, version, unit.source, unit.kernels, unit.text)
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


@cache
def _state() -> str:
    return hashlib.sha256(repr((sorted(sources().items()), OPTIONS)).encode()).hexdigest()
