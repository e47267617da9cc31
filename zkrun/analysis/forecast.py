"""How much memory each device will need, whatever legal order the program runs in.

Bytes of values as the format lays them out. What a device takes on top (rounding of its allocator,
scratch of functions, staging of copies) is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkrun.analysis.peak import Change, Peak, find_peak, queues_can_tie
from zkrun.analysis.rules import memory
from zkrun.program import types
from zkrun.program.diagnostic import Related, pointer
from zkrun.program.document import Program

if TYPE_CHECKING:
    from zkrun.analysis.clocks import Node, Order
    from zkrun.analysis.order import Place
    from zkrun.analysis.reporter import Reporter
    from zkrun.analysis.values import Storage

__all__ = ["DeviceForecast", "Forecast", "Ledger", "check_limits"]

_SHOWN = 8  # of the allocations that are alive at a peak


@dataclass(frozen=True, slots=True)
class DeviceForecast:
    """Bytes of one device.

    `pool` is the most that allocations without an offset hold at once in any legal order; where it
    is not `exact`, no order needs more, and perhaps all need less. `alive` are the paths of the
    Allocates that make it up. `frontier` is an order that reaches it: the last allocation or free
    of each thread and stream that has happened by then.
    """

    arena: int = 0  # reserved by the program's `memory`
    pool: int = 0
    constants: int = 0
    inputs: int = 0
    exact: bool = True
    alive: tuple[str, ...] = ()
    frontier: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return self.arena + self.pool + self.constants + self.inputs

    @property
    def peak_at(self) -> str | None:
        """The path of the last Allocate before the peak."""
        return self.alive[-1] if self.alive else None

    def to_json(self) -> dict[str, Any]:
        return {
            "arena": self.arena,
            "pool": self.pool,
            "constants": self.constants,
            "inputs": self.inputs,
            "total": self.total,
            "exact": self.exact,
            "peak_at": self.peak_at,
            "alive": list(self.alive),
            "frontier": list(self.frontier),
        }


Forecast = dict[str, DeviceForecast]
"""By device: the CPU and every other device that the program takes memory on."""


class Ledger:
    """Notes what is taken from pools and given back while the program is walked."""

    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = {}

    def take(self, storage: Storage, place: Place, node: Node) -> None:
        """Notes a new allocation of the pool."""
        if storage.nbytes:
            changes = self.changes.setdefault(storage.device, [])
            changes.append(Change(node, storage.nbytes, place, place))

    def give(self, storage: Storage, place: Place, node: Node) -> None:
        """Notes an allocation that went back to the pool."""
        if storage.nbytes:
            assert storage.born is not None
            changes = self.changes[storage.device]
            changes.append(Change(node, -storage.nbytes, place, storage.born))

    def forecast(self, program: Program, order: Order) -> Forecast:
        exact = not queues_can_tie(order)
        curve = program.curve_record
        constants: dict[str, int] = {}
        for constant in program.constants:
            nbytes = types.size(constant.typ, curve)
            constants[constant.device] = constants.get(constant.device, 0) + nbytes
        inputs = sum(types.size(entry.typ, curve) for entry in program.inputs)
        found: Forecast = {}
        for device in sorted({"cpu", *self.changes, *program.memory, *constants}):
            peak = find_peak(self.changes[device]) if device in self.changes else Peak()
            found[device] = DeviceForecast(
                arena=program.memory.get(device, 0),
                pool=peak.nbytes,
                constants=constants.get(device, 0),
                inputs=inputs if device == "cpu" else 0,
                exact=peak.exact and exact,
                alive=tuple(place.path for place in peak.alive),
                frontier=tuple(place.path for place in peak.frontier),
            )
        return found


def check_limits(forecast: Forecast, limits: Mapping[str, int], report: Reporter) -> None:
    """Reports devices that may need more bytes than they are allowed."""
    for device, need in forecast.items():
        limit = limits.get(device)
        if limit is None or need.total <= limit:
            continue
        parts = {
            "its arena": need.arena,
            "constants": need.constants,
            "inputs": need.inputs,
            "allocations": need.pool,
        }
        held = ", ".join(f"{nbytes} for {name}" for name, nbytes in parts.items() if nbytes)
        others = need.alive[:-1]
        mend = "free memory before more is taken, in an order that Join or Wait establish"
        if need.arena > limit:
            mend = f"shrink `memory`: the arena alone takes {need.arena} bytes"
        hidden = len(others) - _SHOWN
        more = f" ({hidden} more than are shown)" if hidden > 0 else ""
        bound = "" if need.exact else "; the program is too large to say whether it can be as much"
        report.add(
            memory.OVER_LIMIT,
            f"{device} may hold {need.total} bytes at once, its limit is {limit}: {held}"
            f"{more}{bound}",
            path=need.peak_at or (pointer(("memory", device)) if need.arena else ""),
            help=mend,
            related=tuple(Related(at, "is alive then as well") for at in others[:_SHOWN]),
        )
