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
    machine = search.machine
    failure = search.failure
    short: list[str] = []
    fitting: Search | None = None
    while fitting is None or fitting.best is None:
        assert failure is not None
        assert machine.memory[failure.device] is not None, "without a limit everything fits"
        short.append(failure.device)
        machine = machine.with_memory(failure.device, None)
        fitting = _tried(search, machine)
        failure = fitting.failure
    found = []
    last = search.failure
    for device in reversed(short):
        given = search.machine.memory[device] or 0
        least = max(given, fitting.least_bytes(device))
        enough = max(fitting.best.peak[device], least)
        while enough - least > max(enough // _CLOSE, 64):
            middle = isqrt(least * enough) if least * 2 < enough else (least + enough) // 2
            attempt = _tried(search, machine.with_memory(device, middle))
            if attempt.best is not None:
                enough = middle
            else:
                least, last = middle, attempt.failure
        machine = machine.with_memory(device, enough)
        unit = "byte is" if given == 1 else "bytes are"
        found.append(f"{device}: {given} {unit} too little; {enough} would do.")
    return ResourceLimit(" ".join((*reversed(found), _needs(last))))


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
        return "Inputs, constants and the scratch of kernels alone take more."
    where = f" at {failure.what.source}" if failure.what.source else ""
    label = f" ({failure.what.label})" if failure.what.label else ""
    operation = failure.what.operation
    name = operation.function if isinstance(operation, op.Call) else operation.name
    return f"With less, {name}{label}{where} has no room."
