"""The same call on the CPU and on the GPU, in any view, compared bit for bit."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from gpu_oracle import HAS_GPU

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.base import Data, Device, Function
from zkrun.devices.registry import close_devices, open_devices
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.types import Scalar, ScalarArray, Typ

assert HAS_GPU

both_curves = pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)

LAYOUTS: dict[str, Callable[[int], tuple[int, int]]] = {  # (whole, offset) from the length
    "whole": lambda n: (n, 0),
    "slice": lambda n: (n + 5, 3),
    "wrapped slice": lambda n: (n + 3, n + 3 - (n + 1) // 2),
}


@contextmanager
def opened(*names: str, **settings: Any) -> Iterator[dict[str, Device]]:
    """Devices for a test, with nothing left taken behind it."""
    devices = open_devices(names, gpu="real", **settings)
    try:
        yield devices
    finally:
        close_devices(devices)
    assert [device.account.current for device in devices.values()] == [0] * len(devices)


def place(device: Device, typ: Typ, layout: str = "whole") -> Data:
    n = typ.len if isinstance(typ, ScalarArray) else 1
    whole, offset = LAYOUTS[layout](n) if isinstance(typ, ScalarArray) else (1, 0)
    block = device.allocate(32 * whole, None)
    return Data(typ, block, block.address, 32, whole, offset % max(whole, 1), n)


def images(curve: Curve, n: int, seed: int, zeros: int = 0) -> bytes:
    """n elements below the modulus, of which about one in `zeros` is 0."""
    source = random.Random(seed)
    if n <= 1 << 12:
        values = [source.randrange(curve.r) for _ in range(n)]
        for i, edge in enumerate((0, 1, curve.r - 1)[: max(0, n - 1)]):
            values[(2 * i + 1) % n] = edge
        if zeros:
            values = [0 if source.randrange(zeros) == 0 else v for v in values]
        return b"".join(v.to_bytes(32, "little") for v in values)
    raw = bytearray(b"".join(source.randbytes(32 << 12) for _ in range(0, n, 1 << 12))[: 32 * n])
    raw[31::32] = bytes(byte & 0x1F for byte in raw[31::32])  # below 2^253
    for i in range(0, n if zeros else 0, max(zeros, 1)):
        raw[32 * i : 32 * i + 32] = bytes(32)
    return bytes(raw)


Value = tuple[Typ, bytes]


def array(image: bytes) -> Value:
    return ScalarArray(len(image) // 32), image


def scalar(value: int, curve: Curve) -> Value:
    return Scalar(), (value * 2**256 % curve.r).to_bytes(32, "little")


def bound(
    device: Device,
    curve: Curve,
    name: str,
    params: dict[str, Any],
    mutable: Sequence[Data],
    immutable: Sequence[Data] = (),
) -> Function:
    """A call of these values, checked and bound."""
    resolved, problems = resolve_call(
        FunctionEntry(name, params), curve, [o.typ for o in mutable], [i.typ for i in immutable]
    )
    assert resolved is not None, problems
    return device.bind(resolved)


def outcome(
    device: Device,
    curve: Curve,
    name: str,
    params: dict[str, Any],
    mutable: Sequence[Value],
    immutable: Sequence[Value] = (),
    layout: str = "whole",
) -> list[bytes]:
    """The mutable arguments after a call, or the text of its failure."""
    placed: list[Data] = []
    for typ, image in (*mutable, *immutable):
        data = place(device, typ, layout)
        device.write(data, image)
        placed.append(data)
    outs, ins = placed[: len(mutable)], placed[len(mutable) :]
    try:
        bound(device, curve, name, params, outs, ins)(outs, ins)
        return [bytes(device.read(out)) for out in outs]
    except Exception as error:
        return [str(error).encode()]
    finally:
        for data in placed:
            device.free(data.block)


def agree(
    devices: dict[str, Device],
    curve: Curve,
    name: str,
    params: dict[str, Any],
    mutable: Sequence[Value],
    immutable: Sequence[Value] = (),
    layout: str = "whole",
) -> None:
    """Asserts that the GPU gives what the CPU gives."""
    here, there = (
        outcome(devices[device], curve, name, params, mutable, immutable, layout)
        for device in ("cpu", "gpu:0")
    )
    assert len(here) == len(there)
    for expected, got in zip(here, there, strict=True):
        if expected != got:
            where = next(
                i for i in range(0, len(expected), 32) if expected[i : i + 32] != got[i : i + 32]
            )
            pytest.fail(
                f"{name} {params}: element {where // 32} of {len(expected) // 32} differs: "
                f"{expected[where : where + 32].hex()} on the CPU, {got[where : where + 32].hex()}"
            )
