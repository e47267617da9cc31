"""FuncCall: a function bound to its device before the run, called there or queued on a stream."""

from __future__ import annotations

from functools import partial

from zkrun.program import instructions as op
from zkrun.runtime.linker import CallTypes, Linker
from zkrun.runtime.state import Step

__all__ = ["func_call"]


def func_call(linker: Linker, at: int, it: op.FuncCall, types: CallTypes) -> Step:
    """The step of a call. RunFailed where the device has no implementation of the function."""
    slots = linker.run.slots
    call, function = linker.function(it.func_id, types)
    linker.calls[at] = call
    mutable = [linker.slot(variable) for variable in it.arg_mut]
    immutable = [linker.slot(variable) for variable in it.arg]
    if types[0] == "cpu":

        def step() -> None:
            function([slots[i] for i in mutable], [slots[i] for i in immutable])

        return step

    immutable.pop()
    submit = linker.submitter(at, it.arg[-1])

    def step_queued() -> None:
        outs, ins = [slots[i] for i in mutable], [slots[i] for i in immutable]
        submit(partial(function, outs, ins), outs + ins)

    return step_queued
