"""A walk over MessagePack bytes that builds nothing.

A header of five bytes can claim four billion elements, and a decoder that believes it takes memory
for them; an empty list is one byte here and 72 in Python. So counts, nesting and lengths are
checked here first, and what would be built is counted.
Source: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from zkrun.program.limits import (
    INTEGER_BYTES,
    MAX_BUILT,
    MAX_DEPTH,
    MAX_KEYS,
    MAX_VALUES,
    TEXT_BYTES,
    list_bytes,
    map_bytes,
)

__all__ = ["scan"]

_CONTAINER, _SIZED, _BAD = 0, -1, -2


def _widths() -> list[int]:
    """Bytes of the token that starts with each byte, where the byte alone says so."""
    width = [1] * 256
    for head in range(0x80, 0xA0):
        width[head] = _CONTAINER
    for head in range(0xA0, 0xC0):
        width[head] = 1 + head - 0xA0
    for head in (0xC1, 0xC7, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8):
        width[head] = _BAD
    for head in (0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB):
        width[head] = _SIZED
    for first, last in ((0xCC, 0xCF), (0xD0, 0xD3)):
        for head in range(first, last + 1):
            width[head] = 1 + (1 << (head - first))
    width[0xCA], width[0xCB] = 5, 9
    for head in (0xDC, 0xDD, 0xDE, 0xDF):
        width[head] = _CONTAINER
    return width


_WIDTH = _widths()
_TEXT = [0xA0 <= head < 0xC0 or head in (0xD9, 0xDA, 0xDB) for head in range(256)]
_BUILT = [
    TEXT_BYTES if text else INTEGER_BYTES if 0xCA <= head <= 0xD3 else 0
    for head, text in enumerate(_TEXT)
]
"""Bytes in Python of the value that starts with each byte, beyond those that it has here."""
_BUILT[0x80], _BUILT[0x90] = map_bytes(0), list_bytes(0)
_TOO_MUCH = f"the document would take more than {MAX_BUILT >> 20} MiB of memory"
_LENGTH_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}


def scan(data: bytes) -> int | tuple[str, str]:
    """How many keys all maps have together, or what is wrong as (rule, message)."""
    try:
        return _scan(data)
    except IndexError:
        return "ZK001", f"the MessagePack document ends early, after {len(data)} bytes"


def _scan(data: bytes) -> int | tuple[str, str]:
    end = len(data)
    at, total, pairs = 0, 0, 0
    left, in_map = 1, False  # tokens still to come in the container at hand
    outer: list[tuple[int, bool]] = []
    names_at = -1  # where the value of the top level's `variables` starts
    built = 0  # bytes of what a decoder would make of it so far
    keys: set[bytes] = set()  # which the decoder has once, however often they stand here
    while True:
        while not left:
            if not outer:
                if built > MAX_BUILT:
                    return "ZK002", _TOO_MUCH
                if at == end:
                    return pairs
                if at < end:
                    return "ZK019", f"{end - at} bytes follow the program, which ends at byte {at}"
                raise IndexError
            left, in_map = outer.pop()
        head = data[at]
        width = _WIDTH[head]
        if in_map and not left & 1:
            if not _TEXT[head]:
                return "ZK004", f"the key at byte {at} is not text"
            if width < 0 or (key := data[at : at + width]) not in keys:
                built += 3 * TEXT_BYTES  # it stands in the set as well
                if width > 0:
                    keys.add(key)
        else:
            built += _BUILT[head]
        left -= 1
        if width > 0:
            if width == 10 and len(outer) == 1 and data.startswith(b"\xa9variables", at):
                names_at = at + width
            at += width
        elif width == _CONTAINER:
            if len(outer) == MAX_DEPTH:
                return "ZK002", f"maps and lists are nested deeper than {MAX_DEPTH}"
            if not head & 0x4F:  # empty, in one byte
                at += 1
                continue
            start = at
            count, at = _count(data, head, at)
            is_map = head < 0x90 or head >= 0xDE
            if is_map:
                pairs += count
                count *= 2
            if count > end - at:
                raise IndexError
            if is_map and count > 2 * MAX_KEYS and start != names_at:
                return "ZK002", f"the map at byte {start} has more than {MAX_KEYS} keys"
            total += count
            if total > MAX_VALUES:
                return "ZK002", f"the document has more than {MAX_VALUES} values"
            built += map_bytes(count // 2) if is_map else list_bytes(count)
            if built > MAX_BUILT:
                return "ZK002", _TOO_MUCH
            outer.append((left, in_map))
            left, in_map = count, is_map
        elif width == _SIZED:
            size = _LENGTH_BYTES[head]
            if at + 1 + size > end:
                raise IndexError
            at += 1 + size + int.from_bytes(data[at + 1 : at + 1 + size], "big")
        else:
            return "ZK004", f"an extension type or an unused code stands at byte {at}"


def _count(data: bytes, head: int, at: int) -> tuple[int, int]:
    """The number of elements of a container, and where they start."""
    if head < 0xA0:
        return head & 0x0F, at + 1
    size = 2 if head in (0xDC, 0xDE) else 4
    if at + 1 + size > len(data):
        raise IndexError
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
