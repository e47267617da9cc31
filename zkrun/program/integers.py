"""Integers as people write them in a program: decimal or 0x text, or a plain integer.

Python's own int() also takes signs, spaces, underscores and the digits of every script; none of
that may stand in a program.
"""

import re
from typing import Any

from zkrun.program.explain import found

__all__ = ["NotANumber", "parse_integer"]

_DECIMAL = re.compile("[0-9]+")
_HEX = re.compile("0x[0-9a-fA-F]+")
_PIECE = 4000
"""Decimal digits that Python converts at once: its limit is 4300, for safety."""

_MAX_DIGITS = 1 << 20


class NotANumber(ValueError):
    """Text or another value that is no non-negative integer; the message says why."""


def parse_integer(value: Any) -> int:
    """The non-negative integer that a text or an integer stands for. Raises NotANumber.

    Text may be of any size (to 1048576 digits); an integer outside text has at most 64 bits.
    """
    if type(value) is int:
        if value < 0:
            raise NotANumber(f"{found(value)} is negative")
        if value >> 64:
            raise NotANumber("an integer of more than 64 bits is written as text")
        return value
    if not isinstance(value, str):
        raise NotANumber(f"decimal or 0x text, or an integer, belongs here, not {found(value)}")
    if len(value) > _MAX_DIGITS:
        raise NotANumber(f"a number has at most {_MAX_DIGITS} digits")
    if _HEX.fullmatch(value):
        return int(value, 16)
    if _DECIMAL.fullmatch(value):
        return int(value) if len(value) <= _PIECE else _long_decimal(value)
    raise NotANumber(f"{found(value)} is neither decimal nor 0x text of a non-negative integer")


def _long_decimal(digits: str) -> int:
    """Pieces joined pairwise: int() takes quadratic time, and refuses past its limit."""
    first = len(digits) % _PIECE
    pieces = [int(digits[:first] or "0")] if first else []
    pieces += [int(digits[at : at + _PIECE]) for at in range(first, len(digits), _PIECE)]
    shift = 10**_PIECE
    while len(pieces) > 1:
        odd = len(pieces) % 2
        pairs = zip(pieces[odd::2], pieces[odd + 1 :: 2], strict=True)
        pieces = pieces[:odd] + [high * shift + low for high, low in pairs]
        shift *= shift
    return pieces[0]
