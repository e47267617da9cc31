"""What a program is compiled for: devices, the memory of each, and how fast everything is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from zkrun.analysis.rates import Rates
from zkrun.compiler.rates import DEFAULT_RATES
from zkrun.compiler.type3.chunk import gpu as is_gpu
from zkrun.program.signature import Call

__all__ = ["Machine", "Memory"]

Memory: TypeAlias = Mapping[str, int | None]
"""The devices that a program may use, and the most bytes of each; None for no limit."""

_LEAST_BUFFER = 1 << 16
"""Bytes from which on what a call needs to work in has a place in the plan."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a program is compiled for.

    `memory` names the CPU and each GPU that the program may use; with `disk` what fits nowhere else
    goes there. `gpu`: whether GPUs are real, or virtual ones, whose kernels take no memory there.
    With the rates comes how many threads the CPU has, for which its kernels take memory.
    """

    memory: Memory = field(default_factory=lambda: {"cpu": None})
    disk: bool = False
    rates: Rates = DEFAULT_RATES
    gpu: Literal["real", "virtual"] = "real"

    @property
    def devices(self) -> tuple[str, ...]:
        """GPUs first, by name, then the CPU."""
        return tuple(sorted(self.memory, key=lambda device: (not is_gpu(device), device)))

    @property
    def computing(self) -> tuple[str, ...]:
        """The devices that do the large work: the GPUs, or the CPU where there is none."""
        return tuple(filter(is_gpu, self.devices)) or ("cpu",)

    @property
    def tight(self) -> frozenset[str]:
        """The devices that have a limit and where to put what has no room."""
        limited = (device for device, most in self.memory.items() if most is not None)
        return frozenset(device for device in limited if is_gpu(device) or self.disk)

    def workspace(self, device: str, *calls: Call) -> int:
        """The memory that a device takes for calls beside their operands."""
        from zkrun.devices.registry import workspace  # here: nothing else asks devices anything

        if is_gpu(device) and self.gpu == "virtual":
            return 0
        return workspace(device, calls, self.rates.threads)

    def buffer(self, call: Call) -> int:
        """The bytes that a call on a GPU needs to work in; 0 where they are not worth a plan."""
        from zkrun.devices.registry import buffer

        nbytes = buffer("gpu:0", call) if self.gpu == "real" else 0
        return nbytes if nbytes >= _LEAST_BUFFER else 0

    def with_memory(self, device: str, nbytes: int | None) -> Machine:
        """The same machine with so much on one device."""
        return replace(self, memory={**self.memory, device: nbytes})

    def without(self, devices: Collection[str]) -> Machine:
        """The same machine without some devices."""
        kept = {name: most for name, most in self.memory.items() if name not in devices}
        return replace(self, memory=kept)
