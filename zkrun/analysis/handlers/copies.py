"""Transfer, GetScalarFromArray and Blind: instructions that move or make values."""

from __future__ import annotations

from zkrun.analysis.handlers.devices import stream_on
from zkrun.analysis.machine import Machine
from zkrun.analysis.reporter import Refused
from zkrun.analysis.rules import operands
from zkrun.analysis.values import Value, overlap
from zkrun.program import types
from zkrun.program.instructions import Blind, GetScalarFromArray, Transfer

__all__ = ["blind", "get_scalar_from_array", "transfer"]

MOVABLE = (
    types.Scalar,
    types.ScalarArray,
    types.Point,
    types.PointArray,
    types.GpuBuffer,
    types.Transcript,
)


def transfer(m: Machine, i: Transfer) -> None:
    src = m.value("/src_id", i.src_id, *MOVABLE)
    dst = m.value("/dst_id", i.dst_id, *MOVABLE)
    _lives_on(m, "/src_device", i.src_id, src, i.src_device)
    _lives_on(m, "/dst_device", i.dst_id, dst, i.dst_device)
    if src.typ is not dst.typ and src.typ != dst.typ:
        raise Refused(
            operands.TYPES_DIFFER,
            f"{m.report.variable(i.src_id)} is a {src.typ}, {m.report.variable(i.dst_id)} a "
            f"{dst.typ}",
            "Slice the longer one, or allocate memory of the same type",
            "/dst_id",
        )
    m.writable("/dst_id", i.dst_id, dst)
    if overlap(src, dst):
        raise Refused(
            operands.OVERLAP,
            f"{m.report.variable(i.src_id)} and {m.report.variable(i.dst_id)} share elements of "
            "one array",
            "Transfer by way of other memory",
            "/dst_id",
        )
    m.perform((src,), (dst,), _stream(m, i, src, dst))


def get_scalar_from_array(m: Machine, i: GetScalarFromArray) -> None:
    src = m.value("/src", i.src, types.ScalarArray)
    dst = m.value("/dst", i.dst, types.Scalar)
    if i.idx >= src.length:
        raise Refused(
            operands.OUT_OF_RANGE,
            f"idx {i.idx} is not below the length of {m.report.variable(i.src)}, a {src.typ}",
            operand="/idx",
        )
    m.writable("/dst", i.dst, dst)
    m.perform((src.part(i.idx, 1),), (dst,), _stream(m, i, src, dst))


def blind(m: Machine, i: Blind) -> None:
    dst = m.value("/dst", i.dst, types.ScalarArray)
    m.writable("/dst", i.dst, dst)
    if not i.start <= i.end <= dst.length:
        raise Refused(
            operands.OUT_OF_RANGE,
            f"start {i.start} and end {i.end} do not fit {m.report.variable(i.dst)}, a {dst.typ}",
            operand="/end",
        )
    m.perform((), (dst.part(i.start, i.end - i.start),))


def _lives_on(m: Machine, operand: str, id: int, value: Value, device: str) -> None:
    lives = value.storage.device
    if lives != device:
        raise Refused(
            operands.DEVICE_MISMATCH,
            f"{m.report.variable(id)} lives on {lives}, not on {device}",
            f'write "{lives}" here',
            operand,
        )


def _stream(m: Machine, i: Transfer | GetScalarFromArray, src: Value, dst: Value) -> Value | None:
    if i.stream is None:
        return None
    stream = m.stream("/stream", i.stream)
    stream_on(m, i.stream, stream, (src.storage.device, dst.storage.device), "two sides are")
    return stream
