"""Which NVIDIA GPUs this machine has, for people and for the registry."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from zkrun.devices.account import bytes_text
from zkrun.devices.registry import DeviceInfo

__all__ = ["architecture_of", "gpus", "is_supported", "problem"]

_EXTENSION = "zkrun.devices.cuda._rows"
_LEAST = 80  # of architectures: before it, blocks have too little shared memory


def gpus() -> list[DeviceInfo]:
    """One entry a GPU that is supported; none without CuPy, a driver, or what queues kernels."""
    if find_spec("cupy") is None or find_spec(_EXTENSION) is None:
        return []
    try:
        from cupy.cuda import runtime

        count = runtime.getDeviceCount()
    except (ImportError, RuntimeError):  # no driver, or none that this CuPy can use
        return []
    return [_describe(index) for index in range(count) if is_supported(index)]


def is_supported(index: int) -> bool:
    """Whether the kernels run on a GPU of this machine."""
    return architecture_of(index) >= _LEAST


def architecture_of(index: int) -> int:
    """The compute capability of a GPU without its dot, as 80."""
    from cupy.cuda import Device

    return int(Device(index).compute_capability)


def problem() -> str | None:
    """Why there are none, or fewer than there could be, with the mend; None where nothing helps."""
    if find_spec("cupy") is None:
        return "CuPy is not installed: pip install 'zkrun[cuda13]' (or cuda12)"
    if find_spec(_EXTENSION) is None:
        return (
            "the extension that queues kernels is not installed; 'pip install .' builds it, and so "
            "does scripts/build_native in a source tree"
        )
    try:
        from cupy.cuda import runtime

        count = runtime.getDeviceCount()
    except ImportError as error:
        return f"CuPy cannot be loaded ({error}): pip install 'zkrun[cuda13]' (or cuda12)"
    except RuntimeError as error:
        if not Path("/proc/driver/nvidia").exists():
            return "no NVIDIA driver is loaded"
        return f"the NVIDIA driver cannot be used: {error}"
    for index in range(count):
        if not is_supported(index):
            has = f"gpu:{index} has compute capability {architecture_of(index) / 10}"
            return f"{has}, and {_LEAST / 10} is the least"
    return None


def _describe(index: int) -> DeviceInfo:
    from cupy.cuda import runtime

    properties = runtime.getDeviceProperties(index)
    before = runtime.getDevice()
    runtime.setDevice(index)
    try:
        free, total = runtime.memGetInfo()
    finally:
        runtime.setDevice(before)
    driver = runtime.driverGetVersion()
    details = {
        "compute capability": f"{properties['major']}.{properties['minor']}",
        "multiprocessors": str(properties["multiProcessorCount"]),
        "memory": f"{bytes_text(free)} free of {bytes_text(total)}",
        "CUDA driver": f"{driver // 1000}.{driver % 1000 // 10}",
    }
    title = properties["name"].decode(errors="replace")
    return DeviceInfo(f"gpu:{index}", "cuda", title, total, free, details)
