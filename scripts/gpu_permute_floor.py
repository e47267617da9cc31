"""The bytes that a GPU's `permute` needs to move, where a sort is by parts of keys.

Its signature counts each operand once, which no sort gets by with. A row of the input and one of
the table each cost, at least:

    32      the element is read, for its key
    8       a record is written: a key of 32 bits, which tells nearly all values apart, and the row
    4 x 16  it is read and written in four passes by 8 bits, the widest digits whose counts and
            runs fit the memory that is shared by a block
    8       it is read in order
    32      the element is read in that order
    32      a' or t' is written

Elements that are read in another order than they lie in count by their 32 bytes, though memory
moves 64 for each.
"""

from __future__ import annotations

_ELEMENT, _RECORD, _PASSES = 32, 8, 4


def permute_bytes(usable: int) -> int:
    """Of a call over so many rows."""
    each = _ELEMENT + _RECORD + _PASSES * 2 * _RECORD + _RECORD + _ELEMENT + _ELEMENT
    return 2 * usable * each
