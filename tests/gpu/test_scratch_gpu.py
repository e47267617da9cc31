"""The memory that functions take beside their operands: no more than is planned, shared by all that
one stream runs, replayed or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from gpu_values import both_curves, images, opened, place

from zkrun.algebra.curves import BN254, Curve
from zkrun.devices.base import Data, Device, Stream, Work
from zkrun.devices.cuda.plans.scratch import FIXED, scratch_bytes, table_bytes, workspace_bytes
from zkrun.devices.cuda.streams.queue import ScratchMemory
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.signature import Call
from zkrun.program.types import Point, PointArray, Scalar, ScalarArray, Typ, size

pytestmark = pytest.mark.gpu

WORDS = 1 << 10  # bytes for the failures of one queue
LENGTHS = (1, 5, 3000, 1 << 16, (1 << 20) + 1)


def call(
    curve: Curve, name: str, mutable: Sequence[Typ], immutable: Sequence[Typ] = (), **params: Any
) -> Call:
    found, problems = resolve_call(FunctionEntry(name, params), curve, mutable, immutable)
    assert found is not None, problems
    return found


def calls(curve: Curve) -> Iterator[Call]:
    for k in (0, 2, 3, 8, 10, 11, 16, 17, 20, 21, 22):
        for params in (
            {},
            {"inverse": True},
            {"coset": 7},
            {"coset": 7, "inverse": True},
            {"tables": False},
        ):
            yield call(curve, "ntt", [ScalarArray(1 << k)], **params)
    s = Scalar()
    for n in LENGTHS:
        a, longer = ScalarArray(n), ScalarArray(n + 1)
        yield call(curve, "batch_invert", [a])
        yield call(curve, "scan_mul", [longer], [a, s])
        yield call(curve, "kate_division", [a], [a, s])
        yield call(curve, "evaluate", [s], [a, s])
        yield call(curve, "permute", [a, a], [a, a], usable=n)
        yield call(curve, "poly_mul", [a], [a, a])
        for group in ("g1", "g2"):
            for vectors in (1, 3, 9):
                points: list[Typ] = [Point(group) for _ in range(vectors)]
                bases: list[Typ] = [PointArray(n, group)]
                scalars: list[Typ] = [a] * vectors
                yield call(curve, "msm", points, bases + scalars)
                if vectors == 3:
                    yield call(curve, "msm", points, bases + scalars, window=9)
        yield call(curve, "msm", [Point("g1")], [PointArray(n, "g1"), a], multiples=True)
    many = " + ".join(f"x{index}" for index in range(200))
    few = ScalarArray(5)
    yield call(curve, "fused_arith", [few], [few] * 200, expr=f"y0 = {many}")
    for exponent in (0, 1, 1 << 3000):
        yield call(curve, "scalar_pow", [s], exp=str(exponent))


@both_curves
def test_no_call_takes_more_than_planned(curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [0]
    grow = ScratchMemory.grow

    def spy(self: ScratchMemory, nbytes: int) -> int:
        asked.append(nbytes)
        return grow(self, nbytes)

    monkeypatch.setattr(ScratchMemory, "grow", spy)
    for one in calls(curve):
        with opened("gpu:0") as devices:
            gpu = devices["gpu:0"]
            asked[:] = [0]
            function = gpu.bind(one)
            tables = gpu.account.current
            planned = sum(table_bytes(one).values())
            multiples = planned if one.signature.name == "msm" else 0  # the first call makes them
            assert tables <= planned
            assert planned <= tables + (tables >> 3) + 1024 + multiples
            outs, ins = ([zeros(gpu, typ, curve) for typ in typs] for typs in operands(one))
            held = gpu.account.current
            stream = gpu.open_stream(lambda *span: None, lambda at, error: None)
            stream.run(0, lambda function=function, outs=outs, ins=ins: function(outs, ins))
            stream.synchronize()
            taken = gpu.account.current - held
            assert max(asked) <= scratch_bytes(one)
            assert multiples <= taken <= scratch_bytes(one) + WORDS + 256 + multiples
            assert taken + tables <= workspace_bytes([one])
            # Plans are not to waste much; where multiples are kept they have what it takes without.
            if one.signature.name in ("ntt", "batch_invert", "permute", "msm") and taken > 1 << 22:
                assert multiples or scratch_bytes(one) < 1.3 * taken
            for data in (*outs, *ins):
                gpu.free(data.block)


def operands(one: Call) -> tuple[Sequence[Typ], Sequence[Typ]]:
    return one.mutable, one.immutable


def zeros(gpu: Device, typ: Typ, curve: Curve) -> Data:
    nbytes = size(typ, curve)
    count = getattr(typ, "len", 1)
    block = gpu.allocate(nbytes, None)
    data = Data(typ, block, block.address, nbytes // max(count, 1), count, 0, count)
    gpu.write(data, bytes(nbytes))
    return data


@dataclass
class Setting:
    """A GPU whose streams run transforms of several lengths, each there and back again."""

    gpu: Any
    failures: list[BaseException] = field(default_factory=list)

    def stream(self) -> Stream:
        stream: Stream = self.gpu.open_stream(
            lambda *span: None, lambda at, error: self.failures.append(error)
        )
        return stream

    def array(self, k: int) -> Data:
        data = place(self.gpu, ScalarArray(1 << k))
        self.gpu.write(data, images(BN254, 1 << k, k))
        return data

    def there_and_back(self, data: Data) -> list[tuple[int, Work]]:
        works: list[tuple[int, Work]] = []
        for number, one in enumerate(transforms(data.whole)):
            function = self.gpu.bind(one)
            works.append((data.whole + number, lambda function=function: function([data], [])))
        return works


def transforms(n: int) -> list[Call]:
    array = ScalarArray(n)
    return [call(BN254, "ntt", [array]), call(BN254, "ntt", [array], inverse=True)]


@pytest.mark.parametrize("order", [(11, 14, 17), (17, 14, 11), (14, 17, 11)])
def test_a_run_holds_the_scratch_of_the_largest_call_once(order: tuple[int, ...]) -> None:
    arena = 1 << 20
    wanted = [one for k in order for one in transforms(1 << k)]
    most = arena + workspace_bytes(wanted)
    with opened("gpu:0") as devices:
        setting = Setting(devices["gpu:0"])
        gpu, peaks = setting.gpu, []
        for _ in range(5):
            gpu.reserve(arena)
            stream, arrays = setting.stream(), [setting.array(k) for k in order]
            held = sum(32 * data.whole for data in arrays)
            for data in arrays:
                stream.run_all(setting.there_and_back(data), data.address)
            for data in arrays:  # not replayed, and not in the same order
                for at, work in reversed(setting.there_and_back(data)):
                    stream.run(at, work)
            stream.synchronize()
            for k, data in zip(order, arrays, strict=True):
                assert gpu.read(data) == images(BN254, 1 << k, k)
            peaks.append(gpu.account.peak - held)
            assert gpu.restart()
        assert max(peaks) <= most
        assert most - max(peaks) <= FIXED + (64 << 10)
        assert peaks[1:] == [peaks[-1]] * 4
        assert setting.failures == []


def test_what_is_replayed_grows_with_what_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs that name scratch memory that has gone are not launched."""
    with opened("gpu:0") as devices:
        setting = Setting(devices["gpu:0"])
        small, large = setting.array(12), setting.array(18)
        stream = setting.stream()
        for turn in range(8):
            stream.run_all(setting.there_and_back(small), "key")
            if turn == 3:  # when the graph of the small one has been launched twice
                stream.run(0, setting.there_and_back(large)[0][1])
                stream.run(1, setting.there_and_back(large)[1][1])
            taken = setting.array(17)  # may get the memory that was given back
            setting.gpu.free(taken.block)
        stream.synchronize()
        assert setting.gpu.read(small) == images(BN254, 1 << 12, 12)
        assert setting.gpu.read(large) == images(BN254, 1 << 18, 18)
        assert setting.failures == []
        for data in (small, large):
            setting.gpu.free(data.block)


def test_streams_that_come_after_another_share_its_scratch() -> None:
    with opened("gpu:0") as devices:
        setting = Setting(devices["gpu:0"])
        data, held = setting.array(16), []
        for _ in range(3):
            stream = setting.stream()
            stream.run_all(setting.there_and_back(data), "key")
            stream.synchronize()
            stream.close()
            held.append(setting.gpu.account.current)
        together = [setting.stream() for _ in range(2)]
        for number, stream in enumerate(together):
            for at, work in setting.there_and_back(data):
                stream.run(at, work)
            stream.synchronize()
            held.append(setting.gpu.account.current - number * (32 << 16))
        for stream in together:
            stream.close()
        assert max(held) - min(held) <= 4 * WORDS
        assert setting.gpu.read(data) == images(BN254, 1 << 16, 16)
        setting.gpu.free(data.block)
