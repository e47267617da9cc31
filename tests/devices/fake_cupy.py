"""The model of the driver in the place of CuPy, with the modules that use it imported anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from fake_driver import CUDARuntimeError, Driver

__all__ = ["installed"]


@contextmanager
def installed(gpus: int = 1) -> Iterator[Driver]:
    """In place of CuPy; the device's modules are imported anew, and the others are put back."""
    import zkrun.devices

    driver = Driver(gpus)
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_replaced(name)}
    package = zkrun.devices.__dict__.pop("cuda", None)
    sys.modules.update(_modules(driver))
    try:
        yield driver
    finally:
        for name in [name for name in sys.modules if _is_replaced(name)]:
            del sys.modules[name]
        sys.modules.update(before)
        zkrun.devices.__dict__.pop("cuda", None)
        if package is not None:
            zkrun.devices.cuda = package


def _is_replaced(name: str) -> bool:
    """Not the extension: a process loads it once."""
    parts = ("cupy.", "cupy_backends.", "zkrun.devices.cuda.")
    return f"{name}.".startswith(parts) and name != "zkrun.devices.cuda._rows"


def _modules(driver: Driver) -> dict[str, ModuleType]:
    cuda = ("runtime", "driver", "nvrtc", "nvtx", "function")
    names = ("cupy", "cupy.cuda", *(f"cupy.cuda.{name}" for name in cuda))
    modules: dict[str, Any] = {name: ModuleType(name) for name in names}
    for name in cuda:
        setattr(modules["cupy.cuda"], name, modules[f"cupy.cuda.{name}"])
    modules["cupy"].cuda = modules["cupy.cuda"]
    modules["cupy.cuda.function"].Function = modules["cupy.cuda.function"].Module = object
    modules["cupy.cuda.driver"].CUDADriverError = type("CUDADriverError", (RuntimeError,), {})
    modules["cupy.cuda.nvtx"].available = False
    runtime = modules["cupy.cuda.runtime"]
    runtime.CUDARuntimeError = CUDARuntimeError
    runtime.streamCaptureModeRelaxed = 2
    runtime.streamNonBlocking = 1
    runtime.cudaMemPoolAttrReleaseThreshold = runtime.cudaMemPoolReuseAllowInternalDependencies = 0
    for name in dir(driver):
        if name[0] != "_" and name != name.lower():

            def call(*arguments: Any, name: str = name) -> Any:
                return driver.call(name, *arguments)

            setattr(runtime, name, call)
    return modules
