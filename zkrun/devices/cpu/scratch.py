"""The memory of the CPU that calls take beside their operands, known ahead: for plans of it.

One call runs at a time, on several threads, and gives all it took back at its end, so a run takes
what the largest call takes. This is what the kernels in `native/` ask of their Context, whichever
the build of the extension, on a machine with at most so many threads: more threads hold more jobs
of a multi-scalar multiplication, and more rows of a transform, at once.

An array that `ntt` transforms in place is taken to lie in one piece, as compiled programs have it:
one that wraps is copied for it, once more its bytes. No other function copies what wraps. Outside
all accounts, the process keeps tables of transforms for further ones, 4 MiB at most.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache

from zkrun.algebra.curves import Curve
from zkrun.devices.cpu.msm_scratch import msm_bytes
from zkrun.devices.cpu.scratch_block import block_bytes
from zkrun.program.functions.expr import parse
from zkrun.program.functions.graph import to_code
from zkrun.program.signature import Call
from zkrun.program.types import length

__all__ = ["THREADS", "call_bytes", "workspace_bytes"]

THREADS = 32
"""Of the machine that a plan is for, at most. A larger one keeps to it with `ZKRUN_THREADS`."""

_ITEM = 32
_LANES = 8
_VECTOR = 5 * 64
"""Bytes of eight elements where there is AVX-512: five limbs of 52 bits. Else they take fewer."""

_INVERSION_BLOCK = 1024
_ELEMENTWISE_GRAIN = 1024
_TILE = 64  # elements of fused_arith
_RECURRENCE_GROUP = 4096  # elements that 16 lanes share
_SMALL_NTT = 5  # log2
_NTT_PIECE = 1 << 12  # elements
_CONSTANT = 2 * 5 * 8  # bytes: a factor and its quotient, five limbs each
_NTT_PLAN = 1 << 12  # bytes, without its arrays


def workspace_bytes(calls: Iterable[Call], threads: int = THREADS) -> int:
    """At most so many bytes beside operands at any moment of a run with these calls."""
    different = {id(call): call for call in calls}
    return max((call_bytes(call, threads) for call in different.values()), default=0)


def call_bytes(call: Call, threads: int = THREADS) -> int:
    """At most so many bytes for a call, on any number of threads up to this one."""
    match call.signature.name:
        case "msm":
            group = call.immutable[0].group  # type: ignore[union-attr]  # a PointArray
            return msm_bytes(call.curve, group, [length(s) for s in call.immutable[1:]], threads)
        case "ntt":
            return _ntt(length(call.mutable[0]), threads)
        case "batch_invert":
            each = block_bytes(_INVERSION_BLOCK * _ITEM) + block_bytes(
                _INVERSION_BLOCK // _LANES * _VECTOR
            )
            return _pieces(length(call.mutable[0]), _INVERSION_BLOCK, threads) * each
        case "fused_arith":
            slots = _slots(call.params.expr, call.curve)
            each = block_bytes(slots * (_TILE // _LANES) * _VECTOR)
            return _pieces(length(call.mutable[0]), _ELEMENTWISE_GRAIN, threads) * each
        case "evaluate":
            return _recurrence(length(call.immutable[0]))
        case "kate_division" | "scan_mul":
            return _recurrence(length(call.mutable[0]))
        case "permute":
            return 2 * block_bytes(call.params.usable * _ITEM)
        case "interpolate":
            points = len(call.immutable) // 2
            return 2 * block_bytes((points + 1) * _ITEM) + 2 * block_bytes(points * _ITEM)
        case _:
            return 0


def _ntt(n: int, threads: int) -> int:
    """Bailey's four steps: all elements as vectors, eight columns or rows for each thread, tables.

    A column or row of so many elements takes less than a third as many sets of three constants, and
    the inverse over a coset one more for each column.
    """
    k = n.bit_length() - 1
    if k <= _SMALL_NTT:
        return 0
    rows, columns = 1 << (k + 1) // 2, 1 << k // 2
    between = block_bytes(n // _LANES * _VECTOR)
    transforms = max(
        _pieces(count // _LANES, max(1, _NTT_PIECE // (_LANES * size)), threads)
        * block_bytes(size * _VECTOR)
        for count, size in ((columns, rows), (rows, columns))
    )
    return between + transforms + _NTT_PLAN + (rows + 2 * columns) * _CONSTANT


def _recurrence(n: int) -> int:
    """One element for each lane of each group."""
    groups = max(1, (n + _RECURRENCE_GROUP // 2) // _RECURRENCE_GROUP)
    return block_bytes(groups * 2 * _LANES * _ITEM) if n else 0


@lru_cache(maxsize=4096)
def _slots(expr: str, curve: Curve) -> int:
    """The values of a tile: registers, outputs, inputs and constants."""
    graph = parse(expr, curve.r)
    code = to_code(graph, [False] * graph.inputs, curve.scalar.montgomery_radix)
    outputs, inputs, constants, _, registers = struct.unpack_from("<5I", code)
    return int(outputs + inputs + constants + registers)


def _pieces(size: int, grain: int, threads: int) -> int:
    """How many threads at most work at once on a loop that is cut as native/pool.cpp cuts it."""
    piece = min(max(size // (8 * threads) // grain, 1), 16) * grain
    return min(threads, -(-size // piece))
