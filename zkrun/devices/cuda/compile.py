"""Compiles the kernels of ``native/`` with NVRTC, for one architecture, and keeps them on disk.

A unit is one source with the kernels wanted of it. Its binary is found again by a digest of all
sources, the options, the architecture, the version of NVRTC and the kernels' names, so that nothing
stale is ever loaded. Compiling needs no GPU, loading does.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import cupy
import msgpack
from cupy.cuda import nvrtc
from cupy.cuda.function import Function, Module

from zkrun.algebra import curves_header

OPTIONS = ("-std=c++17", "--ptxas-options=-v")
FOLDERS = (
    Path(__file__).parents[2] / "algebra" / "native",
    Path(__file__).parent / "native",
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


def load(unit: Unit) -> Mapping[str, Function]:
    """The kernels of a unit on the current device, compiled if need be."""
    return _load(unit, cupy.cuda.Device().id)


@cache
def _load(unit: Unit, device: int) -> Mapping[str, Function]:
    binary = compile_unit(unit, int(cupy.cuda.Device(device).compute_capability))
    module = Module()
    module.load(binary.cubin)
    return MappingProxyType(
        {name: module.get_function(symbol) for name, symbol in binary.symbols.items()}
    )


def compile_all(
    units: Sequence[Unit],
    architecture: int,
    done: Callable[[Unit], None] = lambda unit: None,
    workers: int | None = None,
) -> list[Binary]:
    """Compiles units ahead of time, in parallel, and calls ``done`` after each.

    ``architecture`` is the compute capability without its dot, such as 90.
    """

    def one(unit: Unit) -> Binary:
        binary = compile_unit(unit, architecture)
        done(unit)
        return binary

    with ThreadPoolExecutor(workers or len(os.sched_getaffinity(0))) as executor:
        return list(executor.map(one, units))


def compile_unit(unit: Unit, architecture: int) -> Binary:
    """The unit's binary, from the disk where it is there already."""
    path = cache_folder() / f"sm_{architecture}" / f"{_digest(unit, architecture)}.msgpack"
    try:
        return Binary(**msgpack.unpackb(path.read_bytes()))
    except FileNotFoundError:
        binary = _compile(unit, architecture)
        _write(path, binary)
        return binary


def cache_folder() -> Path:
    """``zkrun/cuda`` in the user's folder for caches, which may be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "zkrun" / "cuda"


@cache
def _sources() -> Mapping[str, str]:
    """Every source by the name that `#include` knows it by."""
    sources = {"curves.hpp": curves_header.render()}
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.*h*")):
            if path.suffix in (".hpp", ".cuh"):
                sources[path.name] = path.read_text(encoding="utf-8")
    return sources


def _digest(unit: Unit, architecture: int) -> str:
    what = (
        sorted(_sources().items()),
        OPTIONS,
        architecture,
        nvrtc.getVersion(),
        unit.source,
        unit.kernels,
        unit.text,
    )
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def _compile(unit: Unit, architecture: int) -> Binary:
    sources = _sources()
    expressions = {name: f"zkrun::{kernel}" for name, kernel in unit.kernels}
    program = nvrtc.createProgram(
        f'#include "{unit.source}"\n{unit.text}',
        unit.source + ".cu",
        tuple(text.encode() for text in sources.values()),
        tuple(name.encode() for name in sources),
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


def _write(path: Path, binary: Binary) -> None:
    """Whole or not at all: another process may be writing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = msgpack.packb(
        {"cubin": binary.cubin, "symbols": dict(binary.symbols), "log": binary.log}
    )
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
