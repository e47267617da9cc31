"""The scratch memory of a GPU that a call takes, known without one: for plans of its memory.

Kernels take their scratch from their stream, which keeps the largest that any of them needed. This
is what the launches in `ntt.py`, `msm.py`, `permute.py`, `recurrences.py` and `fused.py` ask for,
on a GPU with at most `MULTIPROCESSORS`.
"""

from __future__ import annotations

from zkrun.devices.cuda.msm_plan import (
    choose_window_bits,
    make_plan,
    may_keep_multiples,
    multiples_bytes,
    vectors_per_pass,
)
from zkrun.program.signature import Call
from zkrun.program.types import length

__all__ = ["FIXED", "MULTIPROCESSORS", "scratch_bytes"]

MULTIPROCESSORS = 160
FIXED = 1 << 21
"""Bytes that a run takes once: words for failures, tables of roots."""

_ITEM = 32


def scratch_bytes(call: Call) -> int:
    """At most so many bytes of scratch for a call, `FIXED` not included."""
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
        plan = make_plan(call.curve, group, points, at_once, MULTIPROCESSORS, width, kept)
        multiples = multiples_bytes(call.curve, group, points, width) if kept else 0
        most = max(most, plan.scratch_bytes + multiples)
    return most
