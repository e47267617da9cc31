"""What each instruction does with memory, from the values that its variables have when it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from zkrun.devices.base import Data, Value
from zkrun.devices.host import part
from zkrun.program import instructions as op
from zkrun.program.signature import Call, arguments_of
from zkrun.program.types import GpuBuffer
from zkrun.runtime.linker import Linker

__all__ = ["Touch", "leaves", "touches"]


class Touch(NamedTuple):
    """A value, Data or a transcript, that is read or written."""

    value: Value
    reads: bool
    writes: bool


def touches(linker: Linker, at: int, it: Any) -> Callable[[], list[Touch]]:
    """For the instruction at a position: a function that says what it will touch."""
    slots = linker.run.slots
    match it:
        case op.Transfer():
            src, dst = linker.slot(it.src_id), linker.slot(it.dst_id)
            return lambda: [Touch(slots[src], True, False), Touch(slots[dst], False, True)]
        case op.GetScalarFromArray(idx=index):
            src, dst = linker.slot(it.src), linker.slot(it.dst)
            return lambda: [
                Touch(part(slots[src], index, 1), True, False),
                Touch(slots[dst], False, True),
            ]
        case op.Blind(start=start, end=end):
            dst = linker.slot(it.dst)
            return lambda: [Touch(part(slots[dst], start, end - start), False, True)]
        case op.Print():
            shown = [linker.slot(it.id)]
        case op.AssertEq():
            shown = [linker.slot(it.value), linker.slot(it.expected)]
        case op.FuncCall():
            return _call(linker, it, linker.calls[at])
        case _:
            return list
    return lambda: [Touch(leaf, True, False) for slot in shown for leaf in leaves(slots[slot])]


def _call(linker: Linker, it: op.FuncCall, call: Call) -> Callable[[], list[Touch]]:
    slots = linker.run.slots
    arguments = [argument for many in arguments_of(call) for argument in many]
    variables = [*it.arg_mut[: len(call.mutable)], *it.arg[: len(call.immutable)]]
    extents = call.signature.touched(call) if call.signature.touched else None
    plan = []
    for index, (variable, argument) in enumerate(zip(variables, arguments, strict=True)):
        typ = (*call.mutable, *call.immutable)[index]
        reads = argument.effect != "writes" and not (
            argument.effect == "updates" and isinstance(typ, GpuBuffer)
        )
        extent = extents[index] if extents else None
        plan.append((linker.slot(variable), extent, reads, index < len(call.mutable)))
    if call.workspace:
        plan.append((linker.slot(it.arg_mut[-1]), None, False, True))

    def touched() -> list[Touch]:
        return [
            Touch(_first(slots[slot], extent), reads, writes)
            for slot, extent, reads, writes in plan
        ]

    return touched


def _first(value: Value, extent: int | None) -> Value:
    if extent is None or not isinstance(value, Data) or extent >= value.length:
        return value
    return part(value, 0, extent)


def leaves(value: Value) -> Iterator[Value]:
    """The values of a tuple that are no tuples; the value itself where it is none."""
    if isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value
