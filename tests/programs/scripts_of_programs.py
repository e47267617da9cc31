"""The scripts that generate programs, as modules."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

from zkrun.devices.registry import describe_devices

__all__ = ["SCRIPTS", "environment", "load_script", "real_gpus", "without_gpus"]

SCRIPTS = Path(__file__).parents[2] / "scripts"


def load_script(name: str) -> ModuleType:
    """A script of `scripts/`, which finds what it shares with the others."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


def environment(state: Path) -> dict[str, str]:
    """That of a process which keeps its traces in a folder."""
    return {**os.environ, "XDG_STATE_HOME": str(state)}


def without_gpus(state: Path) -> dict[str, str]:
    """The same of one that finds no real GPU, also where there is one."""
    return {**environment(state), "CUDA_VISIBLE_DEVICES": ""}


def real_gpus() -> int:
    """How many real GPUs there are."""
    return sum(info.name.startswith("gpu:") and info.kind == "cuda" for info in describe_devices())
