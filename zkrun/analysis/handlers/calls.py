"""FuncCall: the operands of a call against its signature, its device and its stream."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from zkrun.analysis.calls import Plan
from zkrun.analysis.handlers.devices import is_gpu, stream_on
from zkrun.analysis.handlers.memory import no_entry
from zkrun.analysis.machine import Machine
from zkrun.analysis.reporter import Refused, Skipped
from zkrun.analysis.rules import operands
from zkrun.analysis.values import Storage, Value, overlap
from zkrun.program import types
from zkrun.program.instructions import FuncCall

__all__ = ["func_call"]

_FEW = 16  # operands of which each pair may be looked at

_NAMES = tuple((f"/arg_mut/{index}", f"/arg/{index}") for index in range(32))


def _operand(index: int, immutable: bool) -> str:
    if index < len(_NAMES):
        return _NAMES[index][immutable]
    return f"/{'arg' if immutable else 'arg_mut'}/{index}"


def func_call(m: Machine, i: FuncCall) -> None:
    if i.func_id >= len(m.calls.entries):
        raise no_entry("functions", i.func_id, len(m.calls.entries), "/func_id")
    written = [m.value(_operand(index, False), id) for index, id in enumerate(i.arg_mut)]
    read = [m.value(_operand(index, True), id) for index, id in enumerate(i.arg)]
    stream = read.pop() if read and read[-1].typ.__class__ is types.Stream else None
    plan = m.calls.plan(i.func_id, written, read)
    if plan is None:
        raise Skipped  # the entry of the table has been reported
    if plan.problems:
        for problem in plan.problems[1:]:
            m.report.add(operands.CALL_DOES_NOT_FIT, problem, place=m.place, operand="/arg")
        raise Refused(operands.CALL_DOES_NOT_FIT, plan.problems[0])
    values = written + read
    _devices(m, i, plan, values, stream)
    for index, value in enumerate(written):
        if value.storage.read_only:
            m.writable(_operand(index, False), i.arg_mut[index], value)
    _overlaps(m, i, plan, values)
    m.perform(
        [values[at] if n is None else values[at].part(0, n) for at, n in plan.reads],
        [values[at] if n is None else values[at].part(0, n) for at, n in plan.writes],
        stream,
    )


def _devices(
    m: Machine, i: FuncCall, plan: Plan, values: Sequence[Value], stream: Value | None
) -> None:
    """A call runs where its arguments live; on a GPU it is queued on a stream of that GPU."""
    if values:
        device = values[0].storage.device
        for at, value in enumerate(values):
            if value.storage.device != device:
                first, other = _name(m, i, 0), _name(m, i, at)
                raise Refused(
                    operands.CALL_DEVICE,
                    f"{first} lives on {device}, {other} on {value.storage.device}",
                    "Transfer one of them: all arguments live on one device",
                )
    else:
        device = stream.storage.device if stream else "cpu"
    if device == "disk":
        raise Refused(
            operands.CALL_DEVICE,
            "nothing is computed on the disk, where the arguments live",
            "Transfer them to the CPU or a GPU",
        )
    on_gpu = is_gpu(device)
    if ("gpu" if on_gpu else device) not in plan.signature.devices:
        raise Refused(
            operands.CALL_DEVICE,
            f"{plan.signature.name} does not run on {device}, where its arguments live",
            f"it runs on {' and '.join(plan.signature.devices)}",
        )
    if stream is not None:
        operand = _operand(len(i.arg) - 1, True)
        stream_on(m, i.arg[-1], stream, (device,), "arguments live", operand)
    elif on_gpu:
        raise Refused(
            operands.WRONG_STREAM,
            f"a call on {device} needs a stream of that GPU as the last of `arg`",
            f'Allocate a Stream on "{device}"',
            "/arg",
        )


def _overlaps(m: Machine, i: FuncCall, plan: Plan, values: Sequence[Value]) -> None:
    """What is written overlaps no other operand; element-wise, it may be exactly an input."""
    mutable = len(i.arg_mut)
    if len(values) <= _FEW:
        _overlaps_among(m, i, plan, values, range(len(values)))
        return
    by_storage: dict[Storage, list[int]] = {}
    for at, value in enumerate(values):
        by_storage.setdefault(value.storage, []).append(at)
    for ats in by_storage.values():
        written = bisect_left(ats, mutable)
        m.effort.spend(written * len(ats) if len(ats) > _FEW else 0)
        _overlaps_among(m, i, plan, values, ats)


def _overlaps_among(
    m: Machine, i: FuncCall, plan: Plan, values: Sequence[Value], ats: Sequence[int]
) -> None:
    """The same for some of the operands, in order."""
    mutable = len(i.arg_mut)
    for index, at in enumerate(ats):
        if at >= mutable:
            return
        value = values[at]
        storage = value.storage
        for other_at in ats[index + 1 :]:
            other = values[other_at]
            if other.storage is not storage or not overlap(value, other):
                continue
            if (
                plan.signature.elementwise
                and other_at >= mutable
                and (value.offset, value.length) == (other.offset, other.length)
            ):
                continue
            mend = "write to other memory"
            if plan.signature.elementwise:
                mend += ", or exactly an input (the same elements in the same order)"
            raise Refused(
                operands.OVERLAP,
                f"{plan.signature.name} writes {_name(m, i, at)}, which shares elements with "
                f"{_name(m, i, other_at)}",
                mend,
                _operand(at, False),
            )


def _name(m: Machine, i: FuncCall, at: int) -> str:
    """The variable of an operand, the mutable ones first."""
    return m.report.variable([*i.arg_mut, *i.arg][at])
