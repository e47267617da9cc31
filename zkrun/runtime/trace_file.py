"""A trace as MessagePack: rows of plain lists, spans as columns of 64-bit integers."""

from __future__ import annotations

import sys
from array import array
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

import msgpack

from zkrun.errors import UsageError
from zkrun.runtime.trace import (
    MAX_TRACE,
    SCHEMA,
    DeviceUse,
    Failure,
    Flow,
    InstructionInfo,
    MemorySample,
    Spans,
    Trace,
    Track,
)

__all__ = ["pack", "unpack"]

_ROWS: dict[str, type[Any]] = {
    "tracks": Track,
    "instructions": InstructionInfo,
    "memory": MemorySample,
    "devices": DeviceUse,
    "flows": Flow,
}
_COLUMNS = tuple(column.name for column in fields(Spans))


def pack(trace: Trace) -> bytes:
    """The file of a trace."""
    raw = {name.name: getattr(trace, name.name) for name in fields(Trace)}
    raw["spans"] = {name: _column_bytes(getattr(trace.spans, name)) for name in _COLUMNS}
    payload: bytes = msgpack.packb(raw)  # a NamedTuple packs as the list of its fields
    return payload


def unpack(payload: bytes | bytearray, name: str) -> Trace:
    """A trace from its file, checked field by field. UsageError where it is not one."""
    if len(payload) > MAX_TRACE:
        raise UsageError(f"{name} is not a trace: it has more than {MAX_TRACE:,} bytes")
    try:
        raw = msgpack.unpackb(payload, max_ext_len=0)
        return _trace(raw)
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        reason = str(error) or type(error).__name__
        raise UsageError(f"{name} is not a trace of this version ({SCHEMA}): {reason}") from error


def _trace(raw: Any) -> Trace:
    if not isinstance(raw, dict):
        raise ValueError("it is not a map")
    if raw.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {str(raw.get('schema'))[:40]!r}")
    hints = get_type_hints(Trace)
    missing = [name for name in hints if name not in raw]
    unknown = [str(name)[:40] for name in raw if name not in hints]
    if missing or unknown:
        raise ValueError(f"missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        if name == "spans":
            values[name] = _spans(raw[name])
        elif name in _ROWS:
            values[name] = _rows(raw[name], _ROWS[name], name)
        elif name == "failure":
            values[name] = None if raw[name] is None else _rows([raw[name]], Failure, name)[0]
        else:
            _expect(raw[name], hint, name)
            values[name] = raw[name]
    trace = Trace(**values)
    _cross_check(trace)
    return trace


def _rows(raw: Any, cls: type[Any], where: str) -> list[Any]:
    checks = [(name, *_plain(hint)) for name, hint in get_type_hints(cls).items()]
    rows = []
    _expect(raw, list[Any], where)
    for index, row in enumerate(raw):
        if not isinstance(row, list) or len(row) != len(checks):
            raise ValueError(f"{where}[{index}] does not have {len(checks)} fields")
        for value, (name, types, choices) in zip(row, checks, strict=True):
            if not _fits(value, types, choices):
                raise ValueError(f"{where}[{index}].{name} is {str(value)[:40]!r}")
        rows.append(cls(*row))
    return rows


def _spans(raw: Any) -> Spans:
    if not isinstance(raw, dict) or tuple(raw) != _COLUMNS:
        raise ValueError("its spans are not columns")
    columns = [_column(raw[name], name) for name in _COLUMNS]
    if len({len(column) for column in columns}) != 1:
        raise ValueError("the columns of its spans differ in length")
    return Spans(*columns)


def _column_bytes(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = array("q", column)
        column.byteswap()
    return column.tobytes()


def _column(raw: Any, name: str) -> array[int]:
    if not isinstance(raw, bytes) or len(raw) % 8:
        raise ValueError(f"spans.{name} is not a column of 64-bit integers")
    column = array("q", raw)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _plain(hint: Any) -> tuple[tuple[type[Any], ...], tuple[Any, ...]]:
    """The exact classes that a hint allows, and the values where it is a Literal."""
    arguments = get_args(hint)
    if not arguments:
        return (hint,), ()
    if all(isinstance(argument, str) for argument in arguments):
        return (str,), arguments
    return arguments, ()


def _fits(value: Any, types: tuple[type[Any], ...], choices: tuple[Any, ...]) -> bool:
    """Whether it is of one of the types and one of the choices; no number is negative."""
    if type(value) not in types or (choices and value not in choices):
        return False
    return type(value) is not int or value >= 0


def _expect(value: Any, hint: Any, where: str) -> None:
    origin = get_origin(hint)
    if origin is list:
        inner = get_args(hint)[0]
        good = isinstance(value, list) and (
            inner is Any or all(_fits(item, (inner,), ()) for item in value)
        )
    elif origin is dict:
        good = isinstance(value, dict) and all(
            isinstance(key, str) and isinstance(item, str) for key, item in value.items()
        )
    else:
        good = _fits(value, *_plain(hint))
    if not good:
        raise ValueError(f"its {where} is {str(value)[:40]!r}")


def _cross_check(trace: Trace) -> None:
    """What the reports trust: indices point into their tables, times follow each other, and names
    that they show as they are can be printed."""
    tracks, instructions = len(trace.tracks), len(trace.instructions)
    if any(track.id != index for index, track in enumerate(trace.tracks)):
        raise ValueError("the ids of its tracks are not their indices")
    spans = trace.spans
    if len(spans) and not (
        min(spans.track) >= 0
        and max(spans.track) < tracks
        and min(spans.at) >= 0
        and max(spans.at) < instructions
        and min(spans.kind) >= 0
        and max(spans.kind) <= 1
    ):
        raise ValueError("a span names a track or an instruction that is not there")
    if min(spans.start, default=0) < 0:
        raise ValueError("a span starts before the run")
    if any(start > end for start, end in zip(spans.start, spans.end, strict=True)):
        raise ValueError("a span ends before it starts")
    for flow in trace.flows:
        if not (0 <= flow.record_track < tracks and 0 <= flow.wait_track < tracks):
            raise ValueError("a flow names a track that is not there")
    names = {track.device for track in trace.tracks} | {use.name for use in trace.devices}
    names |= {sample.device for sample in trace.memory}
    for info in trace.instructions:
        names |= {info.op, info.device, info.src or "", info.dst or ""}
    if not all(name.isprintable() for name in names):
        raise ValueError("the name of a device or an instruction cannot be printed")
