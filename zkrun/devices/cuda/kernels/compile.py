"""Binaries of kernels: found on disk or compiled by NVRTC, and loaded.

A binary is found again by a digest of all that it depends on, so that nothing stale is ever loaded.
Compiling needs no GPU, loading does.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import MappingProxyType

import cupy
import msgpack
from cupy.cuda import nvrtc
from cupy.cuda.function import Function, Module

from zkrun.devices.cuda.description import architecture_of
from zkrun.devices.cuda.kernels.sources import Binary, Unit, build, digest

__all__ = ["cache_folder", "compile_all", "compile_unit", "load"]


def load(unit: Unit) -> Mapping[str, Function]:
    """The kernels of a unit on the current device, compiled if need be."""
    return _load(unit, cupy.cuda.Device().id)


@cache
def _load(unit: Unit, device: int) -> Mapping[str, Function]:
    binary = compile_unit(unit, architecture_of(device))
    module = Module()
    module.load(binary.cubin)
    return MappingProxyType(
        {name: module.get_function(symbol) for name, symbol in binary.symbols.items()}
    )


def compile_all(
    units: Sequence[Unit],
    architecture: int,
    notify: Callable[[str], None] = lambda text: None,
    workers: int | None = None,
) -> int:
    """Compiles, in parallel, the units that are not on disk yet; returns how many those were.

    ``architecture`` is the compute capability without its dot, such as 90. ``notify`` is told
    before the first and after each, from any thread, and with an empty text when all is done.
    """
    missing = [unit for unit in dict.fromkeys(units) if not _is_there(unit, architecture)]
    if not missing:
        return 0
    start, finished = time.monotonic(), list[Unit]()
    notify(f"compiling kernels for sm_{architecture}: 0 of {len(missing)}")

    def one(unit: Unit) -> None:
        compile_unit(unit, architecture)
        finished.append(unit)
        notify(
            f"compiling kernels for sm_{architecture}: {len(finished)} of {len(missing)} "
            f"after {time.monotonic() - start:.1f} s, {_title(unit)}"
        )

    with ThreadPoolExecutor(workers or len(os.sched_getaffinity(0))) as executor:
        try:
            for future in [executor.submit(one, unit) for unit in missing]:
                future.result()
        except BaseException:  # Ctrl-C, too: what has not begun is not begun any more
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    notify("")
    return len(missing)


def compile_unit(unit: Unit, architecture: int) -> Binary:
    """The unit's binary, from the disk where it is there already."""
    path = _path(unit, architecture)
    if path in _kept:
        return _kept[path]
    try:
        return Binary(**msgpack.unpackb(path.read_bytes()))
    except (OSError, ValueError, TypeError):  # not there, or not whole
        binary = build(unit, architecture, nvrtc)
    try:
        _write(path, binary)
    except OSError:  # a full disk, or a home that takes no files: for this process only, then
        _kept[path] = binary
    return binary


_kept: dict[Path, Binary] = {}


def cache_folder() -> Path:
    """``zkrun/cuda`` in the user's folder for caches, which may be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "zkrun" / "cuda"


def _path(unit: Unit, architecture: int) -> Path:
    name = f"{digest(unit, architecture, nvrtc.getVersion())}.msgpack"
    return cache_folder() / f"sm_{architecture}" / name


def _is_there(unit: Unit, architecture: int) -> bool:
    path = _path(unit, architecture)
    return path in _kept or path.exists()


def _title(unit: Unit) -> str:
    """What a unit holds, for people: `sum_blocks<G1<Bn254>>`."""
    first = unit.kernels[0][1].replace("zkrun::", "")
    return first if len(unit.kernels) == 1 else f"{first} and {len(unit.kernels) - 1} more"


def _write(path: Path, binary: Binary) -> None:
    """Whole or not at all: another process may be writing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = msgpack.packb(
        {"cubin": binary.cubin, "symbols": dict(binary.symbols), "log": binary.log}
    )
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink()
            raise
