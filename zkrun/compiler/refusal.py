"""Why a graph cannot run in the memory there is, and in how much it could.

Of a device from which values can leave, that is exactly the least: what a tight plan needs. Without
a disk nothing can leave the CPU; then what would do is found by trying, and is close to the least.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import isqrt
from typing import TypeAlias

from zkrun.compiler.machine import Machine
from zkrun.compiler.search import SHARE_OF_WHOLE_SUMS, SHARES, SHARES_OF_SUMS, Search
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type3.residence import DoesNotFit
from zkrun.errors import ResourceLimit

__all__ = ["refusal"]

Ways: TypeAlias = tuple[tuple[float, float | None], ...]
"""Shares of memory for a vertex and for a multi-scalar multiplication: see `Search.attempt`."""

_WAYS_OF_LARGE = ((1, None), (4, SHARE_OF_WHOLE_SUMS), (8, 8))
_WAYS = ((1, None), (1.5, SHARE_OF_WHOLE_SUMS), *_WAYS_OF_LARGE[1:])
"""Those of the ways of `compile.py` that are tried to come close: what fits mostly does in one."""

_ALL_WAYS: Ways = tuple(
    dict.fromkeys(
        (
            *_WAYS,
            *((SHARES[-1], share) for share in SHARES_OF_SUMS),
            *((share, SHARE_OF_WHOLE_SUMS) for share in SHARES),
        )
    )
)
"""Those that are tried near the least, too, unless the graph is cut into very many pieces."""

_MANY = 2000
"""Vertices from which on that would take longer than it is worth."""

_CLOSE, _BELOW, _CLOSEST = 16, 4, 256
"""What is found by trying is at most one part in `_CLOSE` above what does not do, and so many times
as far below does not either: with less memory other things are cut, which may take less. Then it is
brought to one part in `_CLOSEST`.
"""


def refusal(search: Search, large: bool) -> ResourceLimit:
    """What to tell of a search that found nothing: for each device that has too little, what would
    do, once the others have that."""
    machine, fitting = search.machine, search
    ways = _WAYS_OF_LARGE if large else _WAYS
    short: list[str] = []
    while fitting.best is None:
        assert fitting.failure is not None
        device = fitting.failure.device
        assert machine.memory[device] is not None, "without a limit everything fits"
        short.append(device)
        machine = machine.with_memory(device, None)
        fitting = _tried(search, machine, ways)
    last, exact = search.failure, set()
    for device in reversed(short):  # each with what those behind it in `short` will have
        given = search.machine.memory[device] or 0
        least = _least(fitting, device, given)
        if least is not None:
            exact.add(device)
            fitting, last = least
            continue
        before = fitting.machine.memory
        fitting, failure = _bounded(fitting, device, given, ways)
        if not large:
            fitting, failure = _closer(fitting, failure, device, given, ways)
        last = failure or last
        exact -= {one for one, most in fitting.machine.memory.items() if most != before[one]}
    return ResourceLimit(" ".join((*_enough(search.machine, fitting.machine, exact), _needs(last))))


def _enough(given: Machine, found: Machine, exact: Collection[str]) -> Iterator[str]:
    """By device with too little what would do, once the others have that."""
    for device, most in given.memory.items():
        enough = found.memory[device]
        if most is not None and enough is not None and enough > most:
            unit = "byte is" if most == 1 else "bytes are"
            less = ", and nothing less" if device in exact else ""
            yield f"{device}: {most} {unit} too little; {enough} would do{less}."


def _least(fitting: Search, device: str, given: int) -> tuple[Search, DoesNotFit] | None:
    """A search that fits with the least for one more device, and what does not with less; None
    where nothing can leave it, or where what leaves has too little room on the CPU."""
    limited = fitting.on(fitting.machine.with_memory(device, given))
    need = limited.least_need(device)
    if need is None:
        return None
    found = fitting.on(fitting.machine.with_memory(device, max(given, need.nbytes)))
    found.attempt_tight()
    return None if found.best is None else (found, DoesNotFit(device, need.nbytes, need.vertex))


def _bounded(
    fitting: Search, device: str, given: int, ways: Ways
) -> tuple[Search, DoesNotFit | None]:
    """A search that fits with a limit for one more device, little more than the least and no less
    than is given; and why it does not with less, where that was tried. Others may get more, too."""
    assert fitting.best is not None
    failure = None
    least = max(given, fitting.least_bytes(device), 1)
    enough = max(fitting.best.peak[device], least)
    machine = fitting.machine.with_memory(device, enough)
    found = _tried(fitting, machine, ways)
    while found.best is None:  # what is held without a limit is cut in other ways with one
        assert found.failure is not None
        short = found.failure.device  # another one, where what leaves this one takes more there
        if short == device:
            failure, least = found.failure, enough
        machine = machine.with_memory(short, 2 * (machine.memory[short] or 1))
        enough = machine.memory[device] or 0
        found = _tried(fitting, machine, ways)
    return _bisected(found, failure, device, least, ways, _CLOSE)


def _closer(
    fitting: Search, failure: DoesNotFit | None, device: str, given: int, ways: Ways
) -> tuple[Search, DoesNotFit | None]:
    """The same with less, as close to the least as comes of trying."""
    assert fitting.best is not None
    if len(fitting.best.graph.vertices) < _MANY:
        fitting, failure = _lowered(fitting, device, given, failure)
    enough = fitting.machine.memory[device] or 0
    least = max(given, fitting.least_bytes(device), enough - enough // _CLOSE)
    return _bisected(fitting, failure, device, least, ways, _CLOSEST)


def _bisected(
    found: Search,
    failure: DoesNotFit | None,
    device: str,
    least: int,
    ways: Ways,
    close: int,
) -> tuple[Search, DoesNotFit | None]:
    """The same with less, down to one part in `close` above what does not do or is the `least`."""
    enough = found.machine.memory[device] or 0
    while enough - least > max(enough // close, 64):
        middle = isqrt(least * enough) if least * 2 < enough else (least + enough) // 2
        attempt = _tried(found, found.machine.with_memory(device, middle), ways)
        if attempt.best is not None:
            enough, found = middle, attempt
        else:
            least, failure = middle, attempt.failure or failure
    return found, failure


def _lowered(
    fitting: Search, device: str, given: int, failure: DoesNotFit | None
) -> tuple[Search, DoesNotFit | None]:
    """The same with less, as long as there is a way a little below."""
    least = max(given, fitting.least_bytes(device))
    found: Search | None = fitting
    while found is not None:
        fitting, found = found, None
        enough = fitting.machine.memory[device] or 0
        for part in range(1, _BELOW + 1):
            less = enough - part * max(enough // _CLOSE, 64)
            if less <= least:
                break
            attempt = _tried(fitting, fitting.machine.with_memory(device, less), _ALL_WAYS)
            if attempt.best is not None:
                found = attempt
                break
            failure = attempt.failure or failure
    return fitting, failure


def _tried(search: Search, machine: Machine, ways: Ways) -> Search:
    """The search for another machine, up to the first way that fits."""
    found = search.on(machine)
    for way in ways:
        found.attempt(*way)
        if found.best is not None or found.is_hopeless:
            return found
    found.attempt_tight()
    return found


def _needs(failure: DoesNotFit | None) -> str:
    """Which vertex has no room."""
    if failure is None or failure.what is None:
        return "Inputs and constants, which nothing takes, are more."
    operation = failure.what.operation
    label = failure.what.label
    match operation:
        case op.Input(entry=name) | op.Constant(entry=name):
            what = f"the {operation.name} {name}"
        case op.Call(function=name):
            what = f"{name} ({label})" if label else name
        case _:
            what = f"{operation.name} ({label})" if label else operation.name
    where = f" at {failure.what.source}" if failure.what.source else ""
    return f"With less, {what}{where} has no room."
