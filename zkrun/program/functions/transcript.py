"""Functions of Fiat-Shamir transcripts."""

from __future__ import annotations

from zkrun.program.functions.measure import cost
from zkrun.program.signature import Argument, Signature

__all__ = ["SIGNATURES"]

_STATE = Argument("t", ("Transcript",), "updates")
_VALUE = Argument("value", ("Scalar", "Point", "ScalarArray", "PointArray"))

HASH_TRANSCRIPT = Signature(
    "hash_transcript",
    "Absorbs a scalar, a point, or the elements of an array in order.",
    mutable=(_STATE,),
    immutable=(_VALUE,),
    cost=cost,
    devices=("cpu",),
)

WRITE_TRANSCRIPT = Signature(
    "write_transcript",
    "Absorbs a value as `hash_transcript` does, and appends it to the proof.",
    mutable=(_STATE,),
    immutable=(_VALUE,),
    cost=cost,
    devices=("cpu",),
)

SQUEEZE_SCALAR = Signature(
    "squeeze_scalar",
    "s ← the next challenge.",
    mutable=(_STATE, Argument("s", ("Scalar",), "writes")),
    cost=cost,
    devices=("cpu",),
)

SIGNATURES = (HASH_TRANSCRIPT, WRITE_TRANSCRIPT, SQUEEZE_SCALAR)
