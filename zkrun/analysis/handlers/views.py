"""Rotation, Slice, SetSliceMeta and SliceBuffer: views without copies.

A view of a view is one interval of the whole array again: an offset and a length, wrapping at the
end.
"""

from __future__ import annotations

from zkrun.analysis.machine import Machine
from zkrun.analysis.reporter import Refused
from zkrun.analysis.rules import operands
from zkrun.analysis.values import Value
from zkrun.program import types
from zkrun.program.instructions import Rotation, SetSliceMeta, Slice, SliceBuffer

__all__ = ["rotation", "set_slice_meta", "slice_", "slice_buffer"]

ARRAYS = (types.ScalarArray, types.PointArray)


def rotation(m: Machine, i: Rotation) -> None:
    src = m.value("/src", i.src, *ARRAYS)
    whole = src.storage.whole
    if src.length != whole:
        raise Refused(
            operands.PARTIAL_ROTATION,
            f"{m.report.variable(i.src)} is a view of {src.length} of {whole} elements; only a "
            "view of all of them can be rotated",
            "rotate the whole array and slice the result, or copy the part with Transfer",
            "/src",
        )
    offset = (src.offset - i.shift) % whole if whole else 0
    m.bind("/dst", i.dst, Value(src.storage, src.typ, offset, whole))


def slice_(m: Machine, i: Slice) -> None:
    src = m.value("/src", i.src, *ARRAYS)
    if not i.start <= i.end <= src.length:
        raise _outside(m, i.src, src, f"start {i.start} and end {i.end}", "end")
    part = src.part(i.start, i.end - i.start)
    part.typ = m.array(src.typ, part.length)
    m.bind("/dst", i.dst, part)


def set_slice_meta(m: Machine, i: SetSliceMeta) -> None:
    src = m.value("/src", i.src, *ARRAYS)
    whole = src.storage.whole
    if i.offset >= whole or i.len > whole:
        raise Refused(
            operands.OUT_OF_RANGE,
            f"offset {i.offset} and len {i.len} do not fit the whole array of "
            f"{m.report.variable(i.src)}, which has {whole} elements",
            "offset is below that length, len at most that length; a view may wrap at the end",
            "/offset" if i.offset >= whole else "/len",
        )
    view = Value(src.storage, m.array(src.typ, i.len), i.offset, i.len)
    m.bind("/dst", i.dst, view)


def slice_buffer(m: Machine, i: SliceBuffer) -> None:
    src = m.value("/src", i.src, types.GpuBuffer)
    if i.offset + i.len > src.length:
        raise _outside(m, i.src, src, f"offset {i.offset} and len {i.len}", "len")
    view = Value(src.storage, m.one(types.GpuBuffer(i.len)), src.offset + i.offset, i.len)
    m.bind("/dst", i.dst, view)


def _outside(m: Machine, id: int, src: Value, what: str, operand: str) -> Refused:
    name = m.report.variable(id)
    return Refused(
        operands.OUT_OF_RANGE, f"{what} do not fit {name}, a {src.typ}", operand=f"/{operand}"
    )
