"""Values on standard error: Print, and values inside messages."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data, Value
from zkrun.program.text import printable
from zkrun.program.types import PointArray, ScalarArray
from zkrun.runtime.images import render
from zkrun.runtime.views import part

__all__ = ["brief", "show", "text_of"]

_HEAD, _TAIL = 8, 2  # elements of a long array or tuple that are shown
_PROOF = 128  # digits of a proof that are shown


def show(name: str, value: Value, curve: Curve) -> None:
    """Writes one line about a value to standard error. A reader that went away is no error."""
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(f"{printable(name)} = {text_of(value, curve)}\n")


def text_of(value: Value, curve: Curve) -> str:
    """A value as text; of a long array or tuple the first and last elements."""
    if isinstance(value, tuple):
        return f"({', '.join(_ends(value, len(value), curve))})"
    if not isinstance(value, Data):
        proof = value.proof.hex()
        rest = f"… ({len(proof) // 2} bytes)" if len(proof) > _PROOF else ""
        return f'"{proof[:_PROOF]}{rest}"'
    if not isinstance(value.typ, ScalarArray | PointArray):
        return brief(render(value.typ, value.block.device.read(value), curve))
    return f"[{', '.join(_ends(value, value.length, curve))}]"


def _ends(value: Value, n: int, curve: Curve) -> list[str]:
    """The elements as texts; in the middle of many, how many are left out."""
    if n <= _HEAD + _TAIL:
        return _texts(value, 0, n, curve)
    head, tail = _texts(value, 0, _HEAD, curve), _texts(value, n - _TAIL, n, curve)
    return [*head, f"… {n - _HEAD - _TAIL} more …", *tail]


def _texts(value: Value, start: int, end: int, curve: Curve) -> list[str]:
    if isinstance(value, tuple):
        return [text_of(item, curve) for item in value[start:end]]
    image = value.block.device.read(part(value, start, end, curve))
    return [brief(element) for element in render(value.typ, image, curve)]


def brief(value: Any) -> str:
    """One element as text; infinity is `infinity`."""
    if value is None:
        return "infinity"
    if isinstance(value, list):
        return f"[{', '.join(map(brief, value))}]"
    return str(value)
