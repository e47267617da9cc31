"""The memory of a GPU that calls take beside their operands, known without one: for plans of it.

Kernels take their scratch from the buffer that a call was given for it, else from their stream,
which keeps the largest that any of them needed. This is what the launches of `functions/`
ask for, on a GPU with at most `MULTIPROCESSORS`. Tables are made once for all calls that are alike.
"""

from __future__ import annotations

from collections.abc import Iterable

from zkrun.devices.cuda.plans import ntt as transforms
from zkrun.devices.cuda.plans.msm import (
    MOST_POINTS,
    choose_window_bits,
    most_scratch,
    multiples_bytes,
    sums_of,
    vectors_per_pass,
)
from zkrun.devices.cuda.plans.permute import plan_permutation
from zkrun.program.signature import Call
from zkrun.program.types import length

__all__ = [
    "FIXED",
    "MULTIPROCESSORS",
    "SCRATCH_ALIGNMENT",
    "buffer_bytes",
    "scratch_bytes",
    "table_bytes",
    "workspace_bytes",
]

MULTIPROCESSORS = 160
FIXED = 1 << 16
"""Bytes that a run takes once: words for the failures of some thirty streams and their graphs."""

SCRATCH_ALIGNMENT = 256
"""Scratch memory starts at a multiple of so many bytes, and is a multiple of them."""

_ITEM = 32
_TOO_LARGE = 1 << 60  # of a call that no GPU takes


def workspace_bytes(calls: Iterable[Call]) -> int:
    """At most so many bytes beside the arena for a run with these calls, all on one stream.

    A further stream takes the most scratch of any call on it.
    """
    scratch, tables = 0, dict[object, int]()
    for call in calls:
        tables |= table_bytes(call)
        if call.workspace is None or call.workspace.nbytes < buffer_bytes(call):
            scratch = max(scratch, _whole(scratch_bytes(call)))
    return FIXED + sum(tables.values()) + scratch


def buffer_bytes(call: Call) -> int:
    """The bytes of a buffer, wherever it starts, that is large enough as workspace of a call."""
    nbytes = scratch_bytes(call)
    return _whole(nbytes) + SCRATCH_ALIGNMENT if nbytes else 0


def _whole(nbytes: int) -> int:
    return -(-nbytes // SCRATCH_ALIGNMENT) * SCRATCH_ALIGNMENT


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
            nbytes = params.exp.bit_length() // 8 + SCRATCH_ALIGNMENT
            return {("scalar_pow", call.curve.name, params.exp): nbytes}
        case "msm":
            group, points, *_ = sums_of(call)
            return {
                ("msm", call.curve.name, group, points, width): multiples_bytes(
                    call.curve, group, points, width
                )
                for kept, width in _widths(call)
                if kept
            }
        case _:
            return {}


def scratch_bytes(call: Call) -> int:
    """At most so many bytes of scratch for a call."""
    n = max((length(typ) for typ in (*call.mutable, *call.immutable)), default=0)
    match call.signature.name:
        case "ntt":
            return n * _ITEM
        case "permute":
            return plan_permutation(call.params.usable).end
        case "batch_invert":
            return n * _ITEM
        case "scan_mul" | "kate_division" | "evaluate":
            return n // 32 + (1 << 16)  # evaluate has the most: 32 bytes a tile; tables of powers
        case "fused_arith":
            return 32 * (len(call.mutable) + len(call.immutable)) + 64
        case "msm":
            return _msm(call)
        case _:
            return 0


def _msm(call: Call) -> int:
    most = 0
    group, points, vectors, _ = sums_of(call)
    if points > MOST_POINTS:
        return _TOO_LARGE
    for kept, width in _widths(call):
        at_once = vectors_per_pass(points, vectors, width)
        needed = most_scratch(call.curve, group, points, at_once, MULTIPROCESSORS, width, kept)
        most = max(most, needed)
    return most


def _widths(call: Call) -> list[tuple[bool, int]]:
    """The widths of windows that a multiplication may have: (with kept multiples, bits)."""
    _, points, _, keeps = sums_of(call)
    if points > MOST_POINTS:
        return []
    wish = call.params.window
    return [
        (kept, choose_window_bits(points, wish, kept))
        for kept in ((False, True) if keeps else (False,))
    ]
