"""How deeply a JSON text is nested, without parsing it.

The parser of the standard library recurses, and stops where the interpreter's recursion limit says;
a library that raises that limit (there are such) would let a hostile text overflow the stack.
"""

import re
from collections.abc import Iterator

__all__ = ["is_nested_deeper"]

_PIECE = 1 << 20  # bytes looked at together: what is cut from a piece is dropped with it
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def is_nested_deeper(data: bytes | bytearray, limit: int) -> bool:
    """Whether a parser would come more than `limit` maps and lists deep before it ends or fails."""
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    brackets = b"".join(_brackets(data))
    for _ in range(limit):
        inner = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(inner) == len(brackets):
            break
        brackets = inner
    # What is left opens without being closed, or lies deeper than the limit.
    return (
        brackets.count(b"[") + brackets.count(b"{") > limit
        or b"[]" in brackets
        or b"{}" in brackets
    )


def _brackets(data: bytes | bytearray) -> Iterator[bytes]:
    """The brackets outside texts, piece by piece.

    Up to the first error of the document, what stands between every second pair of quotes is text.
    """
    start, quotes = 0, 0
    while start < len(data):
        piece = data[start : start + _PIECE]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # an escape is not cut in two
            piece = data[start : start + _PIECE + 1]
        start += len(piece)
        if b"\\" in piece:
            piece = _ESCAPE.sub(b"", piece)
        parts = piece.split(b'"')
        yield b"".join(parts[quotes % 2 :: 2]).translate(None, _NOT_BRACKETS)
        quotes += len(parts) - 1
