"""How much memory each device will need, along the order in which the analysis walks the program.

Bytes of values as the format lays them out. What a device takes on top (rounding of its allocator,
scratch of functions, staging of copies) is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zkrun.analysis.order import Place
from zkrun.analysis.values import Storage
from zkrun.program import types
from zkrun.program.document import Program

__all__ = ["DeviceForecast", "Forecast", "Ledger"]


@dataclass(frozen=True, slots=True)
class DeviceForecast:
    """Bytes of one device. `peak_at` is the path of the Allocate that reaches the pool's peak."""

    arena: int = 0  # reserved by the program's `memory`
    pool: int = 0  # peak of live allocations without an offset
    constants: int = 0
    inputs: int = 0
    peak_at: str | None = None

    @property
    def total(self) -> int:
        return self.arena + self.pool + self.constants + self.inputs

    def to_json(self) -> dict[str, Any]:
        return {
            "arena": self.arena,
            "pool": self.pool,
            "constants": self.constants,
            "inputs": self.inputs,
            "total": self.total,
            "peak_at": self.peak_at,
        }


Forecast = dict[str, DeviceForecast]
"""By device: the CPU and every other device that the program takes memory on."""


class Ledger:
    """Counts the live bytes of pools while the program is walked."""

    def __init__(self) -> None:
        self._live: dict[str, int] = {}
        self._peaks: dict[str, tuple[int, Place]] = {}

    def take(self, storage: Storage, place: Place) -> None:
        """Counts a new allocation of the pool."""
        device = storage.device
        live = self._live[device] = self._live.get(device, 0) + storage.nbytes
        if device not in self._peaks or live > self._peaks[device][0]:
            self._peaks[device] = (live, place)

    def give(self, storage: Storage) -> None:
        """Counts an allocation that went back to the pool."""
        self._live[storage.device] -= storage.nbytes

    def forecast(self, program: Program) -> Forecast:
        curve = program.curve_record
        constants: dict[str, int] = {}
        for constant in program.constants:
            nbytes = types.size(constant.typ, curve)
            constants[constant.device] = constants.get(constant.device, 0) + nbytes
        found: Forecast = {}
        for device in sorted({"cpu", *self._peaks, *program.memory, *constants}):
            peak, place = self._peaks.get(device, (0, None))
            found[device] = DeviceForecast(
                arena=program.memory.get(device, 0),
                pool=peak,
                constants=constants.get(device, 0),
                inputs=sum(types.size(entry.typ, curve) for entry in program.inputs)
                if device == "cpu"
                else 0,
                peak_at=place.path if place and peak else None,
            )
        return found
