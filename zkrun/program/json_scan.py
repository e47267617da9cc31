"""How deeply a JSON text is nested, without parsing it.

The parser of the standard library recurses, and stops where the interpreter's recursion limit says;
a library that raises that limit (there are such) would let a hostile text overflow the stack.
"""

import re

__all__ = ["is_nested_deeper"]

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def is_nested_deeper(data: bytes | bytearray, limit: int) -> bool:
    """Whether a parser would come more than `limit` maps and lists deep before it ends or fails."""
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    # Up to the first error, what stands between every second pair of quotes is text.
    if b"\\" in data:
        data = _ESCAPE.sub(b"", data)
    brackets = b"".join(data.split(b'"')[::2]).translate(None, _NOT_BRACKETS)
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
