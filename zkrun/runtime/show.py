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

_HEAD, _TAIL = 8, 2  # elements of a long array that are shown
_PROOF = 128  # digits of a proof that are shown


def show(name: str, value: Value, curve: Curve) -> None:
    """Writes one line about a value to standard error. A reader that went away is no error."""
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(f"{printable(name)} = {text_of(value, curve)}\n")


def text_of(value: Value, curve: Curve) -> str:
    """A value as text; of a long array the first and last elements."""
    if isinstance(value, tuple):
        return f"({', '.join(text_of(item, curve) for item in value)})"
    if not isinstance(value, Data):
        proof = value.proof.hex()
        rest = f"… ({len(proof) // 2} bytes)" if len(proof) > _PROOF else ""
        return f'"{proof[:_PROOF]}{rest}"'
    n = value.length
    if not isinstance(value.typ, ScalarArray | PointArray):
        return brief(_elements(value, 0, n, curve))
    if n <= _HEAD + _TAIL:
        return f"[{', '.join(map(brief, _elements(value, 0, n, curve)))}]"
    head = map(brief, _elements(value, 0, _HEAD, curve))
    tail = map(brief, _elements(value, n - _TAIL, n, curve))
    return f"[{', '.join(head)}, … {n - _HEAD - _TAIL} more …, {', '.join(tail)}]"


def _elements(value: Data, start: int, end: int, curve: Curve) -> Any:
    image = value.block.device.read(part(value, start, end, curve))
    return render(value.typ, image, curve)


def brief(value: Any) -> str:
    """One element as text; infinity is `infinity`."""
    if value is None:
        return "infinity"
    if isinstance(value, list):
        return f"[{', '.join(map(brief, value))}]"
    return str(value)
