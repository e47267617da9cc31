"""What the kernel of `fused_arith` is given, on a model of the driver: the struct of fused.cuh."""

from __future__ import annotations

import ctypes
import random
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from fake_cupy import installed
from fake_nodes import Kernel, standing_in

from zkrun.devices.base import Block, Data
from zkrun.program.types import ScalarArray

FUSED, KEEP = 1, 2
KEPT = 32 * 1000  # bytes of operands that keep_operands has room for
UNTOUCHED = 0xAA


class Launches:
    """Of kernels, one by one: there is no memory for graphs."""

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes
        self.given = list[bytes]()

    def create(self) -> None:
        return None

    def launch_kernel(self, kernel: Kernel, stream: int) -> int:
        if kernel.function == FUSED:
            (given,) = kernel.arguments((self._nbytes,))
            self.given.append(given)
        else:
            (given,) = kernel.arguments((16 + KEPT,))
            target, count = struct.unpack_from("<2Q", given)
            assert (kernel.blocks, target % 16) == (1, 0)
            assert 16 * count <= KEPT
            ctypes.memmove(target, given[16:], 16 * count)
        return 0


@pytest.mark.parametrize(
    ("outputs", "inputs"),
    [
        *((1, 0), (1, 1), (3, 997), (1, 998), (1, 999), (1, 1000), (1000, 1)),
        *((2, 1996), (2, 1997), (1, 2997), (1001, 0), (700, 1800)),
    ],
)
def test_the_struct_of_many_operands(outputs: int, inputs: int) -> None:
    """As an argument of the kernel, or in memory, where it comes in parts."""
    dice, n = random.Random(1), 1000
    device: Any = None
    operands = [
        Data(ScalarArray(n), Block(device, address, 32 * n), address, 32, n, i, n)
        for i in range(outputs + 2 * inputs)
        for address in [32 * dice.randrange(1 << 40)]
    ]
    named = [2 * i + 1 for i in range(inputs)]  # every other one is not in the expression
    used = operands[:outputs] + [operands[outputs + i] for i in named]
    expected = struct.pack("<2Q", n, 0) + b"".join(
        struct.pack("<4Q", data.address, n, data.offset, n) for data in used
    )
    if not inputs:
        expected += bytes(32)
    few = outputs + inputs <= 1000
    with installed():
        from zkrun.devices.cuda.functions import fused
        from zkrun.devices.cuda.functions.launch import Kernel as OfModule
        from zkrun.devices.cuda.kernels.fused_unit import Fused
        from zkrun.devices.cuda.streams import rows

        def kernels(unit: Any) -> dict[str, Any]:
            names = {"fused": FUSED} if few else {"fused": FUSED, "keep_operands": KEEP}
            functions: dict[str, Any] = {k: SimpleNamespace(ptr=ptr) for k, ptr in names.items()}
            return {name: OfModule(function) for name, function in functions.items()}

        unit: Any = None
        fused.kernels = kernels
        fused.fused_of = lambda call: Fused(unit, tuple(named), 1)
        memory = (ctypes.c_ubyte * (len(expected) + 64))(*[UNTOUCHED] * (len(expected) + 64))
        start = -(-ctypes.addressof(memory) // 16) * 16
        asked = list[int]()

        def scratch(nbytes: int) -> int:
            asked.append(nbytes)
            return start

        rows_of_none = SimpleNamespace(ready={}, another=lambda steps: None)
        queue: Any = SimpleNamespace(handle=5, rows=rows_of_none, scratch=scratch)
        call: Any = SimpleNamespace(mutable=[ScalarArray(n)] * outputs)
        model: Any = Launches(len(expected) if few else 8)
        with standing_in(rows, model):
            launch = fused.fused_arith(call, device)
            launch(queue, operands[:outputs], operands[outputs:])
        if few:
            assert model.given == [expected]
            assert asked == []
        else:
            assert model.given == [struct.pack("<Q", start)]
            assert asked == [len(expected)]
            assert ctypes.string_at(start, len(expected) + 1) == expected + bytes([UNTOUCHED])
