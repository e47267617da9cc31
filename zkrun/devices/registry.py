"""Which devices there are, and how a run opens those that its program names.

A kind of device is a folder here, or an installed package under the entry point `zkrun.devices`
that names a module or object of the same form:

- `open_device(name, settings) -> Device`
- `describe() -> list[DeviceInfo]`: the devices of this kind on this machine, none where there are
  none.
- `missing() -> str | None`, optional: why there are none, and what to install.
- `warm(notify) -> list[Warmed]`, optional: prepares ahead of time what runs would prepare when they
  first need it; `notify` is told how far it is.
- `workspace(calls) -> int`, optional: the most bytes that its kernels take beside operands for a
  run with these calls, of a GPU on one stream, whether or not there is such a device here. It says
  up to which size of the machine it holds: so many threads, so many multiprocessors.
- `buffer(call) -> int`, optional: the bytes of a buffer that a program can give a call to work in.

`cpu` and `disk` are opened by the folder of that name. `gpu:N` is opened by the `virtual` folder
where the run asks for virtual GPUs, and else by the first other kind that describes a device of
that name. Nothing falls back to the virtual one by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import zkrun.devices
from zkrun.devices.base import Device
from zkrun.errors import RunFailed, UsageError
from zkrun.program.signature import Call

__all__ = [
    "DeviceInfo",
    "Settings",
    "Warmed",
    "buffer",
    "close_devices",
    "describe_devices",
    "missing_devices",
    "open_devices",
    "warm_devices",
    "workspace",
]

_BUILT_IN = ("cpu", "disk", "virtual")


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One device of this machine, for `zkrun devices`. Sizes are bytes, None where unknown."""

    name: str
    kind: str
    title: str
    total: int | None = None
    available: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """What `warm` has done for devices of one architecture: all units of code, and the new ones."""

    devices: tuple[str, ...]
    architecture: str
    units: int
    compiled: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run asks of its devices.

    `limits`: the most bytes by device. `folder`: where the disk keeps its file (None: the system's
    folder for temporary files). `shuffle`: seed with which virtual GPUs choose among legal
    schedules. `notify`: told, from any thread, what takes long before a run, such as compiling,
    and with an empty text that it is over.
    """

    limits: Mapping[str, int] = field(default_factory=dict)
    folder: Path | None = None
    shuffle: int | None = None
    notify: Callable[[str], None] = lambda text: None


def open_devices(
    names: Iterable[str],
    *,
    gpu: Literal["real", "virtual"] = "real",
    limits: Mapping[str, int] | None = None,
    folder: Path | None = None,
    shuffle: int | None = None,
    notify: Callable[[str], None] = lambda text: None,
    before: Mapping[str, Device] | None = None,
) -> dict[str, Device]:
    """The devices of these names for one run; the caller closes each of them, whatever happens.

    `before` are those of a run of the same program that has succeeded: they start again where they
    can, and are closed where they cannot. Raises RunFailed, with nothing left open, where the
    machine lacks one.
    """
    settings = Settings(limits=limits or {}, folder=folder, shuffle=shuffle, notify=notify)
    opened: dict[str, Device] = _restarted(before or {})
    try:
        for name in dict.fromkeys(names):
            if name not in opened:
                opened[name] = _kind_of(name, gpu).open_device(name, settings)
    except BaseException:
        close_devices(opened)
        raise
    return {name: opened[name] for name in names}


def _restarted(devices: Mapping[str, Device]) -> dict[str, Device]:
    """Those that can start again; the others are closed, also where one fails."""
    again: dict[str, Device] = {}
    closing = dict(devices)
    try:
        for name in sorted(devices, key=_gpus_first):
            if devices[name].restart():
                again[name] = closing.pop(name)
    except BaseException:
        close_devices(devices)
        raise
    close_devices(closing)
    return again


def close_devices(devices: Mapping[str, Device]) -> None:
    """Closes all, GPUs first: work on their streams may still touch memory of the others."""
    with ExitStack() as stack:
        for name in sorted(devices, key=_gpus_first, reverse=True):
            stack.callback(devices[name].close)


def _gpus_first(name: str) -> bool:
    return not name.startswith("gpu:")


def describe_devices() -> list[DeviceInfo]:
    """All devices of this machine, the CPU first, the virtual GPU last."""
    kinds = [
        _folder("cpu"),
        *(kind for _, kind in _gpu_kinds()),
        _folder("disk"),
        _folder("virtual"),
    ]
    return [info for kind in kinds for info in kind.describe()]


def missing_devices() -> list[str]:
    """Why kinds of real GPUs have no device here, with the mend, where they know."""
    reasons = (getattr(kind, "missing", lambda: None)() for _, kind in _gpu_kinds())
    return [reason for reason in reasons if reason]


def workspace(device: str, calls: Sequence[Call], threads: int | None = None) -> int:
    """The most bytes that a run with these calls takes of a device's memory beside their operands.

    Of a GPU, of whichever kind it is, on one stream: scratch of the largest, tables of all. Of the
    CPU what the largest takes, with so many threads (32 unless given) or fewer; 0 of the disk.
    """
    if device == "cpu":
        return int(_folder("cpu").workspace(calls, threads))
    if not device.startswith("gpu:"):
        return 0
    return max((states(calls) for states in _stated("workspace")), default=0)


def buffer(device: str, call: Call) -> int:
    """The bytes of a buffer on a GPU that is large enough as workspace of a call; 0 elsewhere."""
    if not device.startswith("gpu:"):
        return 0
    return max((states(call) for states in _stated("buffer")), default=0)


@cache
def _stated(what: str) -> tuple[Callable[[Any], int], ...]:
    """How each kind of GPU says what memory calls take."""
    states = (getattr(kind, what, None) for _, kind in _gpu_kinds())
    return tuple(state for state in states if state is not None)


def warm_devices(notify: Callable[[str], None] = lambda text: None) -> list[Warmed]:
    """Prepares all real GPUs ahead of time. RunFailed where there are none that take it."""
    kinds = [kind for _, kind in _gpu_kinds()]
    able = [kind for kind in kinds if hasattr(kind, "warm") and kind.describe()]
    if not able:
        raise RunFailed(
            "there is no GPU whose kernels could be compiled ahead of time "
            f"(this machine has: {_there()}). {_reasons()}".rstrip()
        )
    return [warmed for kind in able for warmed in kind.warm(notify)]


def _there() -> str:
    return ", ".join(info.name for info in describe_devices() if info.kind != "virtual")


def _reasons() -> str:
    return "".join(f"{reason}. " for reason in missing_devices())


def _kind_of(name: str, gpu: str) -> Any:
    if name in ("cpu", "disk"):
        return _folder(name)
    if not name.startswith("gpu:"):
        raise UsageError(f"no device is called {name!r}")
    if gpu == "virtual":
        return _folder("virtual")
    for _, kind in _gpu_kinds():
        if any(info.name == name for info in kind.describe()):
            return kind
    raise RunFailed(
        f"{name}: this machine has no such device (it has: {_there()}). {_reasons()}"
        "To run every GPU of the program on the CPU instead, add --gpu virtual"
    )


def _gpu_kinds() -> Iterator[tuple[str, Any]]:
    """The kinds of real GPUs: folders here, then installed packages."""
    from importlib.metadata import entry_points  # here: most runs need none, and it takes time

    for module in pkgutil.iter_modules(zkrun.devices.__path__):
        if module.ispkg and module.name not in _BUILT_IN:
            yield module.name, _folder(module.name)
    for entry in entry_points(group="zkrun.devices"):
        try:
            yield entry.name, entry.load()
        except Exception as error:  # whatever a package raises, the user can only mend or remove it
            raise RunFailed(
                f"the installed device {entry.name!r} ({entry.value}) cannot be loaded: {error}"
            ) from error


def _folder(name: str) -> Any:
    return importlib.import_module(f"zkrun.devices.{name}")
