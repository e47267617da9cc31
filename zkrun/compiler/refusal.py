"""Why a graph cannot run in the memory there is, and in how much it could."""

from __future__ import annotations

from math import isqrt

from zkrun.compiler.machine import Machine
from zkrun.compiler.search import Search
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type3.residence import DoesNotFit
from zkrun.errors import ResourceLimit

__all__ = ["refusal"]

_WAYS = ((1, None), (4, 1.25), (8, 8))
"""Those of the ways of `compile.py` that are tried here."""

_CLOSE = 16
"""What is said to do is at most one part in so many above what does not."""


def refusal(search: Search) -> ResourceLimit:
    """What to tell of a search that found nothing: for each device that has too little, what would
    do, once the others have that."""
    machine, fitting = search.machine, search
    short: list[str] = []
    while fitting.best is None:
        assert fitting.failure is not None
        device = fitting.failure.device
        assert machine.memory[device] is not None, "without a limit everything fits"
        short.append(device)
        machine = machine.with_memory(device, None)
        fitting = _tried(search, machine)
    found = []
    last = search.failure
    for device in reversed(short):  # each with what those behind it in `short` will have
        given = search.machine.memory[device] or 0
        fitting, failure = _bounded(fitting, device, given)
        last = failure or last
        enough = fitting.machine.memory[device] or 0
        if enough > given:
            unit = "byte is" if given == 1 else "bytes are"
            found.append(f"{device}: {given} {unit} too little; {enough} would do.")
    return ResourceLimit(" ".join((*reversed(found), _needs(last))))


def _bounded(fitting: Search, device: str, given: int) -> tuple[Search, DoesNotFit | None]:
    """A search that fits with a limit for one more device, little more than the least and no less
    than is given; and why it does not with less, where that was tried."""
    assert fitting.best is not None
    failure = None
    least = max(given, fitting.least_bytes(device), 1)
    enough = max(fitting.best.peak[device], least)
    found = _tried(fitting, fitting.machine.with_memory(device, enough))
    while found.best is None:  # what is held without a limit is cut in other ways with one
        failure, least = found.failure, enough
        enough *= 2
        found = _tried(fitting, fitting.machine.with_memory(device, enough))
    while enough - least > max(enough // _CLOSE, 64):
        middle = isqrt(least * enough) if least * 2 < enough else (least + enough) // 2
        attempt = _tried(fitting, fitting.machine.with_memory(device, middle))
        if attempt.best is not None:
            enough, found = middle, attempt
        else:
            least, failure = middle, attempt.failure
    return found, failure


def _tried(search: Search, machine: Machine) -> Search:
    """The search for another machine, up to the first way that fits."""
    found = search.on(machine)
    for way in _WAYS:
        found.attempt(*way)
        if found.best is not None or found.is_hopeless:
            break
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
