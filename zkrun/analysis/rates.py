"""How fast a machine is, and the least time that a program can take on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zkrun.analysis.cost import Field, Task, critical_path
from zkrun.errors import UsageError
from zkrun.program.diagnostic import pointer
from zkrun.program.explain import did_you_mean, found

__all__ = ["SCHEMA", "Estimate", "Rates", "estimate"]

SCHEMA = "zkrun-machine/1"

_MOST_THREADS = 1 << 12


@dataclass(frozen=True, slots=True)
class Rates:
    """Multiplications by (device, field) and bytes by device or link, a second.

    Keys name a device or its kind: `gpu` stands for every `gpu:N` without an entry of its own. A
    link is "cpu->gpu:0". What is not listed counts as taking no time. `threads` are those of the
    CPU, where they are known: its kernels take memory for each.
    """

    name: str = ""
    multiplications: Mapping[tuple[str, Field], float] = field(default_factory=dict)
    bytes: Mapping[str, float] = field(default_factory=dict)
    links: Mapping[str, float] = field(default_factory=dict)
    threads: int | None = None

    @classmethod
    def from_json(cls, raw: Any) -> Rates:
        """A machine from its description; UsageError, which says where, for what is none.

        `{"schema": "zkrun-machine/1", "name": text, "devices": {DEVICE: {"scalar": x, "base": x,
        "bytes": x}}, "links": {"DEVICE->DEVICE": x}, "threads": n}`, all of them optional but the
        schema.
        """
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            raise UsageError(f'a machine is described by a map with "schema": "{SCHEMA}"')
        _known_keys(raw, ("schema", "name", "devices", "links", "threads"), ())
        multiplications: dict[tuple[str, Field], float] = {}
        traffic: dict[str, float] = {}
        for device, rates in _map(raw, "devices").items():
            at = ("devices", device)
            _known_keys(_map(raw["devices"], device, at), ("scalar", "base", "bytes"), at)
            for key in rates:
                rate = _rate(rates[key], (*at, key))
                if key == "bytes":
                    traffic[device] = rate
                else:
                    multiplications[device, key] = rate
        links = {link: _rate(rate, ("links", link)) for link, rate in _map(raw, "links").items()}
        return cls(str(raw.get("name", "")), multiplications, traffic, links, _threads(raw))

    def to_json(self) -> dict[str, Any]:
        devices: dict[str, dict[str, float]] = {}
        for (device, kind), rate in self.multiplications.items():
            devices.setdefault(device, {})[kind] = rate
        for device, rate in self.bytes.items():
            devices.setdefault(device, {})["bytes"] = rate
        return {
            "schema": SCHEMA,
            "name": self.name,
            "devices": devices,
            "links": dict(self.links),
            **({} if self.threads is None else {"threads": self.threads}),
        }

    def seconds(self, task: Task) -> float:
        """How long a task takes where it has its device or link for itself."""
        if task.link:
            return _over(task.bytes, self.link(*task.link))
        computing = _over(task.multiplications, self.multiplication(task.device, task.field))
        return max(computing, _over(task.bytes, self.traffic(task.device)))

    def multiplication(self, device: str, kind: Field) -> float | None:
        found = self.multiplications.get((device, kind))
        return self.multiplications.get((_kind(device), kind)) if found is None else found

    def traffic(self, device: str) -> float | None:
        found = self.bytes.get(device)
        return self.bytes.get(_kind(device)) if found is None else found

    def link(self, source: str, target: str) -> float | None:
        names = [(source, target), (_kind(source), target), (source, _kind(target))]
        for one, other in [*names, (_kind(source), _kind(target))]:
            if (rate := self.links.get(f"{one}->{other}")) is not None:
                return rate
        return None


@dataclass(frozen=True, slots=True)
class Estimate:
    """No run on the machine takes fewer `seconds`: the longest of the critical path and of what
    each device and link has to do. `unknown` are those that the machine's description lacks."""

    seconds: float
    path_seconds: float
    path: tuple[int, ...]  # tasks by index
    busy: Mapping[str, float]  # by device or link, seconds
    unknown: tuple[str, ...]


def estimate(tasks: Sequence[Task], rates: Rates) -> Estimate:
    """The least time of a program on a machine."""
    path_seconds, path = critical_path(tasks, rates.seconds)
    busy: dict[str, float] = {}
    unknown: dict[str, None] = {}
    for task in tasks:
        name = "->".join(task.link) if task.link else task.device
        busy[name] = busy.get(name, 0.0) + rates.seconds(task)
        if task.link:
            if task.bytes and rates.link(*task.link) is None:
                unknown[name] = None
        elif task.multiplications and rates.multiplication(task.device, task.field) is None:
            unknown[f"{name} ({task.field} field)"] = None
    most = max([path_seconds, *busy.values()])
    return Estimate(most, path_seconds, tuple(path), busy, tuple(unknown))


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _over(amount: int, rate: float | None) -> float:
    return amount / rate if rate else 0.0


def _known_keys(raw: dict[str, Any], known: tuple[str, ...], path: tuple[str, ...]) -> None:
    for key in raw:
        if key not in known:
            mend = did_you_mean(key, known) or f"{', '.join(known[:-1])} and {known[-1]} are known"
            name = found(key).removeprefix("the text ")
            raise UsageError(f"unknown key {name} at {pointer((*path, key))} ({mend})")


def _map(raw: dict[str, Any], key: str, path: tuple[str, ...] = ()) -> dict[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"a map belongs at {pointer(path or (key,))}, not {found(value)}")
    return value


def _threads(raw: dict[str, Any]) -> int | None:
    value = raw.get("threads")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_THREADS:
        raise UsageError(
            f"{found(value)} at /threads is no number of threads: write 1 to {_MOST_THREADS}"
        )
    return value


def _rate(value: Any, path: tuple[str, ...]) -> float:
    """A rate that times can be computed with: of tiny ones they would grow past all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < 1e30:
        raise UsageError(
            f"{found(value)} at {pointer(path)} is no rate: write how many field multiplications "
            "or bytes a second, at least 1, such as 2e9"
        )
    return float(value)
