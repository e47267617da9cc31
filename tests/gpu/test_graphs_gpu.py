"""Work that repeats, replayed as CUDA graphs: the same values, times, failures and memory."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from gpu_values import bound, images, opened, place, scalar

import zkrun
from zkrun.algebra.curves import BN254
from zkrun.devices.base import Cancelled, Data, Device, Stream, Work
from zkrun.devices.cuda.streams.stream import CudaStream
from zkrun.program.decode import decode
from zkrun.program.document import Program
from zkrun.program.types import Scalar, ScalarArray

pytestmark = pytest.mark.gpu

N = 1 << 10
R = BN254.r


class Setting:
    """Devices, what their streams report, and how often work was replayed."""

    def __init__(self, devices: dict[str, Device]) -> None:
        self.cpu, self.gpu = devices["cpu"], devices["gpu:0"]
        self.spans: list[tuple[int, int, int]] = []
        self.failures: list[tuple[int, str]] = []

    def stream(self) -> Stream:
        return self.gpu.open_stream(
            lambda *span: self.spans.append(span),
            lambda at, error: self.failures.append((at, str(error))),
        )

    def array(self, seed: int) -> Data:
        data = place(self.gpu, ScalarArray(N))
        self.gpu.write(data, images(BN254, N, seed))
        return data

    def scalar(self, value: int) -> Data:
        data = place(self.gpu, Scalar())
        self.set(data, value)
        return data

    def set(self, data: Data, value: int) -> None:
        self.gpu.write(data, scalar(value, BN254)[1])

    def work(
        self, name: str, mutable: Sequence[Data], immutable: Sequence[Data] = (), **params: Any
    ) -> Work:
        function = bound(self.gpu, BN254, name, params, mutable, immutable)
        return lambda: function(mutable, immutable)

    def first(self, data: Data) -> int:
        image = self.gpu.read(data)[:32]
        return int.from_bytes(image, "little") * pow(2**256, -1, R) % R


@pytest.fixture
def setting() -> Iterator[Setting]:
    with opened("cpu", "gpu:0") as devices:
        yield Setting(devices)
    assert not [t for t in threading.enumerate() if "stream" in t.name]


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each chain that came up was replayed."""
    seen: list[bool] = []
    replay = CudaStream._replay

    def spy(self: CudaStream, works: Sequence[tuple[int, Work]], key: object) -> bool:
        seen.append(replay(self, works, key))
        return seen[-1]

    monkeypatch.setattr(CudaStream, "_replay", spy)
    return seen


def numbered(*works: Work) -> list[tuple[int, Work]]:
    return list(enumerate(works))


def test_a_replay_works_on_what_is_there_now(setting: Setting, replays: list[bool]) -> None:
    stream, s, a = setting.stream(), setting.scalar(3), setting.array(1)
    before = setting.gpu.read(a)
    calls = []

    def counted(work: Work) -> Work:
        return lambda: (calls.append(1), work())[1]

    stream.run(0, setting.work("ntt", [a]))  # takes the scratch memory that graphs are to name
    stream.run(0, setting.work("ntt", [a], inverse=True))
    stream.synchronize()
    works = numbered(
        counted(setting.work("scalar_pow", [s], exp="2")),
        counted(setting.work("scalar_invert", [s])),
        counted(setting.work("ntt", [a])),
        counted(setting.work("ntt", [a], inverse=True)),
    )
    for value in (3, 5, 7, R - 1):
        setting.set(s, value)
        setting.spans.clear()
        stream.run_all(works, "key")
        stream.synchronize()
        assert setting.first(s) == pow(value, -2, R)
        assert setting.gpu.read(a) == before
        assert [at for at, _, _ in setting.spans] == [0, 1, 2, 3]
        assert all(start <= end for _, start, end in setting.spans)
        ends = [end for _, _, end in setting.spans]
        assert ends == sorted(ends)
    assert replays == [False, True, True, True]
    assert len(calls) == 8  # when they were queued one by one, and when they were captured
    assert setting.failures == []
    stream.close()


def test_other_memory_is_another_graph(setting: Setting, replays: list[bool]) -> None:
    stream, values = setting.stream(), [setting.scalar(i + 2) for i in range(6)]
    for value in values:
        stream.run_all(numbered(setting.work("scalar_invert", [value])), value.address)
        stream.synchronize()
    assert [setting.first(value) for value in values] == [pow(i + 2, -1, R) for i in range(6)]
    assert replays == [False] * 6
    stream.run_all(numbered(setting.work("scalar_invert", [values[5]])), values[5].address)
    stream.run_all(numbered(setting.work("scalar_invert", [values[2]])), values[2].address)
    stream.synchronize()
    assert replays[6:] == [False, True]  # more captures would not have paid
    stream.close()


def test_a_failure_in_a_replay_names_its_instruction(setting: Setting) -> None:
    stream, s, t = setting.stream(), setting.scalar(3), setting.scalar(4)
    works = [
        (5, setting.work("scalar_invert", [s])),
        (6, setting.work("scalar_invert", [t])),
        (7, setting.work("scalar_pow", [s], exp="2")),
    ]
    stream.run_all(works, "key")
    stream.synchronize()
    setting.set(t, 0)
    stream.run_all(works, "key")
    with pytest.raises(Cancelled):
        stream.synchronize()
    assert setting.failures == [(6, "scalar_invert: zero has no inverse")]
    stream.close()


def test_what_cannot_be_captured_is_queued_by_itself(setting: Setting, replays: list[bool]) -> None:
    stream, s = setting.stream(), setting.scalar(3)
    large = (20 << 20) // 32
    source, there = place(setting.cpu, ScalarArray(large)), place(setting.gpu, ScalarArray(large))
    setting.cpu.write(source, images(BN254, large, 2))
    invert = setting.work("scalar_invert", [s])
    works = numbered(invert, lambda: setting.gpu.copy(there, source), invert, invert)
    for turn in range(3):
        stream.run_all(works, "key")
        stream.synchronize()
        assert setting.first(s) == (3 if turn % 2 else pow(3, -1, R))
    assert setting.gpu.read(there) == images(BN254, large, 2)
    assert replays == [False] * 3
    assert setting.failures == []
    stream.close()


def test_a_chain_waits_for_events_as_single_work_does(setting: Setting) -> None:
    from zkrun.devices.base import Event

    stream, s, event = setting.stream(), setting.scalar(3), Event()
    stream.wait(0, event)
    stream.run_all([(1, setting.work("scalar_invert", [s]))], "key")
    stream.run(2, setting.work("scalar_pow", [s], exp="3"))
    setting.set(s, 5)
    event.complete()
    stream.synchronize()
    assert setting.first(s) == pow(5, -3, R)
    stream.close()


def test_a_device_starts_again(setting: Setting) -> None:
    gpu = setting.gpu
    gpu.reserve(1 << 20)
    peaks = []
    for _ in range(3):
        stream, a = setting.stream(), setting.array(1)
        image = setting.gpu.read(a)
        stream.run_all(
            numbered(setting.work("ntt", [a]), setting.work("ntt", [a], inverse=True)), a.address
        )
        stream.synchronize()
        assert gpu.read(a) == image
        peaks.append(gpu.account.peak)
        assert gpu.restart()
        assert gpu.account.current >= 1 << 20
        gpu.reserve(1 << 20)
        block = gpu.allocate(64, 0)
        gpu.free(block)
    assert peaks[1] == peaks[2]


def instructions(size: int, arena: bool) -> list[dict[str, Any]]:
    """Two streams and many functions, over and over; the result is one array."""
    typ, place_of = {"kind": "ScalarArray", "len": size}, iter(range(0, 1 << 30, 32 * size))

    def allocate(id: int, typ: dict[str, Any] = typ) -> dict[str, Any]:
        more = {"offset": next(place_of)} if arena else {}
        return {"op": "Allocate", "device": "gpu:0", "typ": typ, "id": id, **more}

    def call(func: int, mut: list[int], arg: list[int], stream: int) -> dict[str, Any]:
        return {"op": "FuncCall", "func_id": func, "arg_mut": mut, "arg": [*arg, stream]}

    stream = {"op": "Allocate", "device": "gpu:0", "typ": {"kind": "Stream"}}
    move = {"op": "Transfer", "src_device": "cpu", "dst_device": "gpu:0"}
    back = {"op": "Transfer", "src_device": "gpu:0", "dst_device": "cpu", "stream": 0}
    inside = {"op": "Transfer", "src_device": "gpu:0", "dst_device": "gpu:0"}
    body: list[dict[str, Any]] = []
    for turn in range(3):
        a, b = (2, 3) if turn % 2 else (3, 2)
        body += [
            call(0, [a], [], 0),
            call(1, [b], [], 1),
            call(2, [4], [a, a], 0),
            call(3, [a], [4, 6], 0),
            {"op": "Rotation", "src": b, "dst": 20 + turn, "shift": 5},
            call(4, [5], [20 + turn, 6], 1),
            call(5, [7], [b, 6], 1),
            {"op": "Record", "event": 2 * turn, "stream": 1},
            {"op": "Wait", "slave": "gpu:0", "stream": 0, "event": 2 * turn},
            call(2, [4], [5, 7], 0),
            {**inside, "stream": 0, "src_id": 4, "dst_id": a},
            call(6, [8], [4, 6], 0),
            {"op": "Record", "event": 2 * turn + 1, "stream": 0},
            {"op": "Wait", "slave": "gpu:0", "stream": 1, "event": 2 * turn + 1},
        ]
    return [
        {**stream, "id": 0},
        {**stream, "id": 1},
        {"op": "LoadInput", "src": 0, "dst": 10},
        {"op": "LoadInput", "src": 1, "dst": 11},
        *[allocate(id) for id in (2, 3, 4, 5, 7)],
        allocate(6, {"kind": "Scalar"}),
        allocate(8, {"kind": "Scalar"}),
        {**move, "stream": 0, "src_id": 10, "dst_id": 2},
        {**move, "stream": 0, "src_id": 10, "dst_id": 3},
        {**move, "stream": 0, "src_id": 11, "dst_id": 6},
        {"op": "Record", "event": 100, "stream": 0},
        {"op": "Wait", "slave": "gpu:0", "stream": 1, "event": 100},
        *body,
        {"op": "Allocate", "device": "cpu", "typ": typ, "id": 12},
        {**back, "src_id": 4, "dst_id": 12},
        {"op": "Allocate", "device": "cpu", "typ": {"kind": "Scalar"}, "id": 13},
        {**back, "src_id": 8, "dst_id": 13},
        {"op": "Record", "event": 101, "stream": 0},
        {"op": "Wait", "slave": "cpu", "event": 101},
        {"op": "AssembleTuple", "vars": [12, 13], "dst": 14},
        {"op": "Return", "id": 14},
    ]


def sample(size: int, arena: bool) -> Program:
    functions = [
        {"name": "ntt"},
        {"name": "batch_invert"},
        {"name": "poly_mul"},
        {"name": "poly_scale"},
        {"name": "kate_division"},
        {"name": "scan_mul"},
        {"name": "evaluate"},
    ]
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": functions,
        "inputs": [
            {"name": "a", "typ": {"kind": "ScalarArray", "len": size}},
            {"name": "x", "typ": {"kind": "Scalar"}},
        ],
        "instructions": instructions(size, arena),
    }
    if arena:
        document["memory"] = {"gpu:0": 7 * 32 * size}
    return decode(json.dumps(document).encode())


@pytest.mark.parametrize("arena", [True, False], ids=["arena", "pool"])
def test_a_program_that_repeats_gives_the_same(arena: bool, replays: list[bool]) -> None:
    document = sample(1 << 12, arena)
    values = {"a": [i * i + 1 for i in range(1 << 12)], "x": 31337}

    def run(**options: Any) -> Any:
        return zkrun.run(document, values, zkrun.Options(**options))

    once, virtual = run(), run(gpu="virtual")
    assert replays == []
    many = run(warmup=1, iterations=9)
    assert many.result.values == once.result.values == virtual.result.values
    chains, rest = divmod(len(replays), 10)
    assert rest == 0
    assert not any(replays[:chains])
    assert all(replays[-chains:])
    for trace in (once.trace, many.trace):
        assert sorted(set(trace.spans.at)) == sorted(set(virtual.trace.spans.at))


def test_repetitions_differ_in_nothing(replays: list[bool]) -> None:
    """A wrong value in a later run would show: each result is compared, not only the last."""
    document = sample(1 << 10, True)
    values = {"a": list(range(1, (1 << 10) + 1)), "x": 7}
    results = [
        zkrun.run(document, values, zkrun.Options(iterations=n)).result.values for n in range(1, 11)
    ]
    assert all(result == results[0] for result in results)
    assert any(replays)
