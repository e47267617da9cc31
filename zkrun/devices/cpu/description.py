"""What `zkrun devices` says of the CPU."""

from __future__ import annotations

import os
import re
from pathlib import Path

from zkrun.devices.account import bytes_text
from zkrun.devices.cpu.native_module import native, supported_isas
from zkrun.devices.cpu.pool import available_memory
from zkrun.devices.registry import DeviceInfo
from zkrun.errors import ZkrunError

__all__ = ["cpu_model", "describe_cpu"]


def describe_cpu() -> DeviceInfo:
    """Model, memory, and the kernels that this process uses."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = available_memory()
    details = {"kernels this processor can run": ", ".join(supported_isas())}
    try:
        module = native()
        details["kernels in use"] = module.isa
        details["threads"] = str(module.threads())
    except ZkrunError as error:
        details["kernels in use"] = f"none: {error}"
    details["memory"] = bytes_text(total)
    if available is not None:
        details["memory available"] = bytes_text(available)
    return DeviceInfo("cpu", "cpu", cpu_model(), total, available, details)


def cpu_model() -> str:
    """The name of this machine's processor, as the system knows it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else "unknown processor"
