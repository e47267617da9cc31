"""Helpers for values in the host's memory (the CPU's and the virtual GPU's), for devices and
functions.

An implementation of a function, here or in an installed package, gets its arguments as Data. What
it needs of them:

- `read(data)` and `write(data, payload)`: the bytes of a view in order, copied, wherever it wraps;
- `buffers(data)`: the memory itself without a copy, as one memoryview, or two where the view wraps
  (`numpy.frombuffer(piece, "<u8").reshape(-1, 4)` makes an array of limbs of one);
- `integers(data, curve)` and `store_integers(data, curve, values)`: canonical field elements, for
  what need not be fast. Points are their coordinates in turn.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data
from zkrun.program.types import Point, PointArray

__all__ = [
    "address_of",
    "buffers",
    "copy",
    "integers",
    "joint_runs",
    "memory",
    "part",
    "read",
    "store_integers",
    "write",
]

_PIECE = 64 << 20  # bytes copied between two looks at whether the run goes on


def memory(address: int, nbytes: int) -> memoryview:
    """The bytes at an address of this process, writable, valid as long as the memory is."""
    if not nbytes:
        return memoryview(bytearray())
    return memoryview((ctypes.c_ubyte * nbytes).from_address(address)).cast("B")


def address_of(buffer: bytearray) -> int:
    """The address of a buffer that must neither grow nor die while the address is used."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer)) if buffer else 0


def buffers(data: Data) -> tuple[memoryview, ...]:
    """The memory of a view, piece by piece: none where it is empty, two where it wraps."""
    return tuple(memory(address, nbytes) for address, nbytes in data.runs())


def read(data: Data) -> bytearray:
    """The bytes of a view, in order."""
    if _is_one_run(data):
        return bytearray(memory(data.address + data.offset * data.item, data.length * data.item))
    payload = bytearray(data.length * data.item)
    target = address_of(payload)
    for address, nbytes in data.runs():
        ctypes.memmove(target, address, nbytes)
        target += nbytes
    return payload


def write(data: Data, payload: bytes | bytearray | memoryview) -> None:
    """Overwrites a view with as many bytes. ValueError where they are more or fewer."""
    source = memoryview(payload).cast("B")
    if source.nbytes != data.length * data.item:
        raise ValueError(f"{source.nbytes} bytes for a value of {data.length * data.item}")
    start = 0
    for address, nbytes in data.runs():
        memory(address, nbytes)[:] = source[start : start + nbytes]
        start += nbytes


def copy(dst: Data, src: Data, check: Callable[[], None]) -> None:
    """Copies between two views in the host's memory; calls `check` between large pieces."""
    nbytes = dst.length * dst.item
    if nbytes <= _PIECE and _is_one_run(dst) and _is_one_run(src) and dst.length == src.length:
        check()
        ctypes.memmove(
            dst.address + dst.offset * dst.item, src.address + src.offset * src.item, nbytes
        )
        return
    for target, source, nbytes in joint_runs(dst, src):
        for start in range(0, nbytes, _PIECE):
            check()
            ctypes.memmove(target + start, source + start, min(_PIECE, nbytes - start))


def _is_one_run(data: Data) -> bool:
    return data.offset + data.length <= data.whole


def joint_runs(dst: Data, src: Data) -> Iterator[tuple[int, int, int]]:
    """The pieces that are contiguous in both of two views: (target, source, bytes)."""
    targets, sources = list(dst.runs()), list(src.runs())
    if sum(n for _, n in targets) != sum(n for _, n in sources):
        raise ValueError("the two views differ in size")
    while targets:
        (target, room), (source, rest) = targets.pop(0), sources.pop(0)
        nbytes = min(room, rest)
        yield target, source, nbytes
        if room > nbytes:
            targets.insert(0, (target + nbytes, room - nbytes))
        if rest > nbytes:
            sources.insert(0, (source + nbytes, rest - nbytes))


def part(data: Data, start: int, length: int) -> Data:
    """The view of `length` elements of a view, from its element `start`."""
    offset = (data.offset + start) % data.whole if data.whole else 0
    return Data(data.typ, data.block, data.address, data.item, data.whole, offset, length)


def integers(data: Data, curve: Curve) -> list[int]:
    """The canonical field elements of a view (of a point: its coordinates in turn)."""
    field = curve.base if isinstance(data.typ, Point | PointArray) else curve.scalar
    inverse = pow(field.montgomery_radix, -1, field.modulus)
    raw, size = read(data), field.bytes
    return [
        int.from_bytes(raw[i : i + size], "little") * inverse % field.modulus
        for i in range(0, len(raw), size)
    ]


def store_integers(data: Data, curve: Curve, values: Sequence[int]) -> None:
    """Overwrites a view with field elements, reduced modulo the field's modulus."""
    field = curve.base if isinstance(data.typ, Point | PointArray) else curve.scalar
    radix, modulus, size = field.montgomery_radix, field.modulus, field.bytes
    write(data, b"".join((v * radix % modulus).to_bytes(size, "little") for v in values))
