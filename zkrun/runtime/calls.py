"""FuncCall: a function bound to its device before the run, called there or queued on a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

from zkrun.devices.base import Value
from zkrun.program import instructions as op
from zkrun.runtime.linker import CallTypes, Linker
from zkrun.runtime.state import Step

__all__ = ["func_call"]


def func_call(linker: Linker, at: int, it: op.FuncCall, types: CallTypes) -> Step:
    """The step of a call. RunFailed where the device has no implementation of the function."""
    slots = linker.run.slots
    call, function = linker.function(it.func_id, types)
    linker.calls[at] = call
    mutable = _getter([linker.slot(variable) for variable in it.arg_mut])
    if types[0] == "cpu":
        immutable = _getter([linker.slot(variable) for variable in it.arg])

        def step() -> None:
            function(mutable(slots), immutable(slots))

        return step

    immutable = _getter([linker.slot(variable) for variable in it.arg[:-1]])
    if at in linker.chains:
        submit = linker.submitter(at, it.arg[-1])

        def step_chained() -> None:
            submit(function, mutable(slots), immutable(slots))

        return step_chained

    # Without a submitter, which costs a call more: nothing is done as often.
    queue = linker.slot(it.arg[-1])
    named = linker.named(at, function)

    def step_queued() -> None:
        slots[queue].run(at, named, mutable(slots), immutable(slots))

    return step_queued


def _getter(indices: Sequence[int]) -> Callable[[list[Value]], Sequence[Value]]:
    """What takes these items of a list, in the least time."""
    if len(indices) > 1:
        return itemgetter(*indices)
    return itemgetter(slice(indices[0], indices[0] + 1) if indices else slice(0))
