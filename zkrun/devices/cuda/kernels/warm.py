"""Compiles all kernels ahead of time, so that no program waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable

from cupy.cuda import runtime

from zkrun.devices.cuda.description import architecture_of, is_supported
from zkrun.devices.cuda.kernels.compile import compile_all
from zkrun.devices.cuda.kernels.units import all_units
from zkrun.devices.registry import Warmed

__all__ = ["compile_for_gpus"]


def compile_for_gpus(notify: Callable[[str], None]) -> list[Warmed]:
    """One entry for each architecture that this machine's GPUs have."""
    devices: dict[int, list[str]] = {}
    for index in range(runtime.getDeviceCount()):
        if is_supported(index):
            devices.setdefault(architecture_of(index), []).append(f"gpu:{index}")
    return [_compile(architecture, names, notify) for architecture, names in devices.items()]


def _compile(architecture: int, names: list[str], notify: Callable[[str], None]) -> Warmed:
    units, start = all_units(), time.monotonic()
    compiled = compile_all(units, architecture, notify)
    return Warmed(
        devices=tuple(names),
        architecture=f"sm_{architecture}",
        units=len(units),
        compiled=compiled,
        seconds=round(time.monotonic() - start, 3),
    )
