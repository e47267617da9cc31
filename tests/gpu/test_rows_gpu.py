"""Kernels that a stream queues as graphs, whose nodes are set anew: the same values as one by one.

All is queued at once, so that nodes are set while what they held before is still to run.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from gpu_oracle import cupy
from gpu_values import both_curves, bound, images, opened, place

from zkrun.algebra.curves import BN254, Curve
from zkrun.devices.base import Data, Device
from zkrun.devices.cuda.streams import rows
from zkrun.program.types import Scalar, ScalarArray

pytestmark = pytest.mark.gpu

N = 5000
Call = tuple[Callable[..., None], Sequence[Data], Sequence[Data]]
Calls = list[Call]
"""(function, mutable, immutable)"""


@pytest.fixture
def gpu() -> Iterator[Device]:
    with opened("gpu:0") as devices:
        yield devices["gpu:0"]


class Arrays:
    """Arrays on a GPU, which can get the values again that they had at first."""

    def __init__(self, gpu: Device, curve: Curve) -> None:
        self.gpu, self.curve = gpu, curve
        self.all: list[tuple[Data, bytes]] = []

    def array(self, n: int) -> Data:
        return self._placed(ScalarArray(n), n)

    def scalar(self) -> Data:
        return self._placed(Scalar(), 1)

    def _placed(self, typ: Any, n: int) -> Data:
        self.all.append((place(self.gpu, typ), images(self.curve, n, len(self.all))))
        return self.all[-1][0]

    def call(
        self,
        name: str,
        mutable: Sequence[Data],
        immutable: Sequence[Data] = (),
        **params: Any,
    ) -> Call:
        function = bound(self.gpu, self.curve, name, params, mutable, immutable)
        return function, mutable, immutable

    def reset(self) -> None:
        for data, image in self.all:
            self.gpu.write(data, image)

    def values(self) -> list[bytes]:
        return [bytes(self.gpu.read(data)) for data, _ in self.all]

    def close(self) -> None:
        for data, _ in self.all:
            self.gpu.free(data.block)


def queue(gpu: Device, calls: Calls, streams: int = 1) -> None:
    """Queues calls on streams in turn, and waits for all."""
    failures: list[BaseException] = []
    opened = [
        gpu.open_stream(lambda *span: None, lambda at, error: failures.append(error))
        for _ in range(streams)
    ]
    for number, call in enumerate(calls):
        opened[number % streams].run(number, *call)
    for stream in opened:
        stream.synchronize()
        stream.close()
    assert not failures


def one_by_one(arrays: Arrays, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The values afterwards, where no graphs are made."""
    with monkeypatch.context() as patch:
        patch.setattr(rows.Rows, "another", lambda self, steps: None)
        arrays.reset()
        for function, mutable, immutable in calls:
            function(mutable, immutable)
        prepared: Any = arrays.gpu
        assert not prepared.prepare().rows.ready
    return arrays.values()


def mixed_calls(arrays: Arrays) -> Calls:
    """Of rows of one to five kernels, of several lengths, with other operands each time."""
    long, short = [arrays.array(1 << 14) for _ in range(4)], [arrays.array(N) for _ in range(4)]
    x = [arrays.scalar() for _ in range(3)]
    calls: Calls = []
    for turn in range(30):
        a, b, c = (long[(turn + i) % 4] for i in range(3))
        p, q, r = (short[(2 * turn + i) % 4] for i in range(3))
        calls += [
            arrays.call("ntt", [a], inverse=turn % 3 == 0),
            arrays.call("poly_mul", [b], [a, b]),
            arrays.call("poly_add", [p], [q, r]),
            arrays.call("kate_division", [q], [p, x[turn % 3]]),
            arrays.call("evaluate", [x[(turn + 1) % 3]], [b, x[turn % 3]]),
            arrays.call("scan_mul", [r], [q, x[(turn + 1) % 3]]),
            arrays.call("ntt", [c], inverse=turn % 2 == 0),
            arrays.call("batch_invert", [r if turn % 2 else c]),
        ]
    return calls


@both_curves
def test_rows_of_all_kinds_give_what_their_kernels_give(
    gpu: Device, curve: Curve, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = Arrays(gpu, curve)
    calls = mixed_calls(arrays)
    expected = one_by_one(arrays, calls, monkeypatch)
    for _ in range(2):  # the second time with the graphs that the first stream has left
        arrays.reset()
        queue(gpu, calls)
        assert arrays.values() == expected
    arrays.close()


def test_streams_at_the_same_time_have_graphs_of_their_own(
    gpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = Arrays(gpu, BN254)
    by_stream = [mixed_calls(arrays) for _ in range(3)]
    calls = [call for same_turn in zip(*by_stream, strict=True) for call in same_turn]
    expected = one_by_one(arrays, calls, monkeypatch)
    arrays.reset()
    queue(gpu, calls, streams=3)
    assert arrays.values() == expected
    arrays.close()


def test_without_memory_for_a_graph(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are launched one by one."""
    arrays = Arrays(gpu, BN254)
    calls = mixed_calls(arrays)
    expected = one_by_one(arrays, calls, monkeypatch)

    def fail(*arguments: object) -> None:
        raise cupy.cuda.runtime.CUDARuntimeError(2)

    monkeypatch.setattr(cupy.cuda.runtime, "graphInstantiate", fail)
    monkeypatch.setattr(rows, "_spare", {})
    arrays.reset()
    queue(gpu, calls)
    assert arrays.values() == expected
    arrays.close()


def test_kernels_with_arguments_of_every_size(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some fit in no row."""
    arrays = Arrays(gpu, BN254)
    many = [arrays.array(100) for _ in range(400)]
    calls: Calls = []
    for turn in range(20):
        for count in (2, 100, 300):
            some = many[turn : turn + count]
            text = "y0 = " + " + ".join(f"x{i}" for i in range(count))
            calls.append(arrays.call("fused_arith", [many[(7 * turn) % 400]], some, expr=text))
            calls.append(arrays.call("poly_add", [many[turn]], [many[turn + 1], many[turn + 2]]))
    expected = one_by_one(arrays, calls, monkeypatch)
    arrays.reset()
    queue(gpu, calls)
    assert arrays.values() == expected
    arrays.close()
