"""The memory of a GPU that calls take beside their operands, known without one: for plans of it.

Kernels take their scratch from their stream, which keeps the largest that any of them needed. This
is what the launches in `ntt.py`, `msm.py`, `permute.py`, `recurrences.py` and `fused.py` ask for,
on a GPU with at most `MULTIPROCESSORS`. Tables are made once for all calls that are alike.
"""

from __future__ import annotations

from collections.abc import Iterable

from zkrun.devices.cuda import ntt_plan as transforms
from zkrun.devices.cuda.msm_plan import (
    choose_window_bits,
    may_keep_multiples,
    most_scratch,
    multiples_bytes,
    vectors_per_pass,
)
from zkrun.program.signature import Call
from zkrun.program.types import length

__all__ = ["FIXED", "MULTIPROCESSORS", "scratch_bytes", "table_bytes", "workspace_bytes"]

MULTIPROCESSORS = 160
FIXED = 1 << 16
"""Bytes that a run takes once: words for the failures of some thirty streams and their graphs."""

_ITEM = 32
_GRANULE = 256  # bytes that memory of a GPU comes by


def workspace_bytes(calls: Iterable[Call]) -> int:
    """At most so many bytes beside the arena for a run with these calls, all on one stream.

    A further stream takes the most scratch of any call on it.
    """
    scratch, tables = 0, dict[object, int]()
    for call in calls:
        size = scratch_bytes(call)
        scratch = max(scratch, -(-size // _GRANULE) * _GRANULE)
        tables |= table_bytes(call)
    return FIXED + sum(tables.values()) + scratch


def table_bytes(call: Call) -> dict[object, int]:
    """The memory of what a call needs that was prepared, by a key that equal tables share."""
    params = call.params
    match call.signature.name:
        case "ntt":
            k = length(call.mutable[0]).bit_length() - 1
            which = (call.curve.name, k, params.inverse, params.coset, params.root, params.tables)
            nbytes = transforms.table_bytes(k, params.coset != 1, params.inverse, params.tables)
            return {("ntt", which): nbytes}
        case "scalar_pow":
            nbytes = params.exp.bit_length() // 8 + _GRANULE
            return {("scalar_pow", call.curve.name, params.exp): nbytes}
        case _:
            return {}


def scratch_bytes(call: Call) -> int:
    """At most so many bytes of scratch for a call."""
    n = max((length(typ) for typ in (*call.mutable, *call.immutable)), default=0)
    match call.signature.name:
        case "ntt":
            return n * _ITEM
        case "permute":
            return 4 * n * _ITEM + 16 * n + 64
        case "batch_invert":
            return n * _ITEM
        case "scan_mul" | "kate_division" | "evaluate":
            return n * _ITEM // 4 + (1 << 18)
        case "fused_arith":
            return 32 * (len(call.mutable) + len(call.immutable)) + 64
        case "msm":
            return _msm(call)
        case _:
            return 0


def _msm(call: Call) -> int:
    vectors = len(call.mutable)
    group = call.immutable[0].group  # type: ignore[union-attr]  # a PointArray
    points = max(length(typ) for typ in call.immutable[1:])
    keeps = call.params.multiples and may_keep_multiples(points)
    most = 0
    for kept in (False, True) if keeps else (False,):
        width = choose_window_bits(points, call.params.window, kept)
        at_once = vectors_per_pass(points, vectors, width)
        scratch = most_scratch(call.curve, group, points, at_once, MULTIPROCESSORS, width, kept)
        multiples = multiples_bytes(call.curve, group, points, width) if kept else 0
        most = max(most, scratch + multiples)
    return most
