"""The CUDA device: memory, copies in stream order, events, failures, times."""

import threading
import time
from collections.abc import Callable, Iterator

import gpu_values
import pytest
from gpu_values import images, opened, place, scalar

from zkrun.algebra.curves import BN254
from zkrun.devices.base import Cancelled, Data, Device, Event, Stream
from zkrun.devices.registry import describe_devices
from zkrun.errors import ResourceLimit
from zkrun.program.types import ScalarArray

pytestmark = pytest.mark.gpu

Span = tuple[int, int, int]
LARGE = (20 << 20) // 32 + 7  # more than two slabs


class Setting:
    """Devices, their streams' reports, and values made of random elements."""

    def __init__(self, devices: dict[str, Device]) -> None:
        self.devices = devices
        self.cpu, self.gpu = devices["cpu"], devices["gpu:0"]
        self.spans: list[Span] = []
        self.failures: list[tuple[int, BaseException]] = []

    def stream(self) -> Stream:
        return self.gpu.open_stream(
            lambda *span: self.spans.append(span), lambda *failure: self.failures.append(failure)
        )

    def on_cpu(self, n: int, seed: int | None, layout: str = "whole") -> Data:
        data = place(self.cpu, ScalarArray(n), layout)
        self.cpu.write(data, bytes(32 * n) if seed is None else images(BN254, n, seed))
        return data

    def on_gpu(self, n: int, layout: str = "whole") -> Data:
        return place(self.gpu, ScalarArray(n), layout)

    def bound(self, name: str, mutable: list[Data], immutable: list[Data]) -> Callable[[], None]:
        function = gpu_values.bound(self.gpu, BN254, name, {}, mutable, immutable)
        return lambda: function(mutable, immutable)


@pytest.fixture
def setting() -> Iterator[Setting]:
    with opened("cpu", "gpu:0", "disk") as devices:
        yield Setting(devices)
    assert not [t for t in threading.enumerate() if "stream" in t.name]


@pytest.mark.parametrize("n", [0, 1, 100, 5000, LARGE])
def test_transfers_and_work_keep_the_order_of_a_stream(setting: Setting, n: int) -> None:
    cpu, gpu, stream = setting.cpu, setting.gpu, setting.stream()
    source, result = setting.on_cpu(n, 1, "wrapped slice"), setting.on_cpu(n, None, "slice")
    a, b = setting.on_gpu(n, "slice"), setting.on_gpu(n, "wrapped slice")
    double = setting.bound("poly_add", [b], [a, a])
    again = setting.bound("poly_add", [a], [b, b])
    stream.run(0, lambda: gpu.copy(a, source))
    stream.run(1, double)
    stream.run(2, lambda: cpu.copy(result, b))
    stream.run(3, again)
    stream.run(4, lambda: gpu.copy(b, result))  # what was copied out before comes back
    stream.run(5, lambda: gpu.copy(a, b))
    stream.synchronize()
    r = BN254.r
    expected = b"".join(
        (2 * int.from_bytes(image[i : i + 32], "little") % r).to_bytes(32, "little")
        for image in [images(BN254, n, 1)]
        for i in range(0, 32 * n, 32)
    )
    assert cpu.read(result) == expected
    assert gpu.read(a) == gpu.read(b) == expected
    stream.close()
    assert [at for at, _, _ in setting.spans] == list(range(6))
    assert setting.failures == []


def test_times_follow_each_other(setting: Setting) -> None:
    stream, start = setting.stream(), time.perf_counter_ns()
    n = 1 << 20
    a, event = setting.on_gpu(n), Event()
    setting.gpu.write(a, images(BN254, n, 1))
    work = setting.bound("ntt", [a], [])
    for at in range(20):
        stream.run(at, work)
    stream.record(20, event)
    stream.wait(21, event)
    event.wait()
    stream.synchronize()
    end, last = time.perf_counter_ns(), 0
    assert [at for at, _, _ in setting.spans] == list(range(22))
    for _, began, ended in setting.spans:
        assert last <= began <= ended
        last = ended
    assert start - 2_000_000 < setting.spans[0][1]
    assert setting.spans[-1][2] < end + 2_000_000
    assert all(ended > began for at, began, ended in setting.spans if at < 20)
    stream.close()


def test_an_event_that_another_thread_records_later(setting: Setting) -> None:
    first, second = setting.stream(), setting.stream()
    source, result = setting.on_cpu(LARGE, 1), setting.on_cpu(LARGE, None)
    a, event, back = setting.on_gpu(LARGE), Event(), Event()
    second.wait(0, event)
    second.run(1, lambda: setting.cpu.copy(result, a))
    second.record(2, back)

    def later() -> None:
        time.sleep(0.05)
        first.run(3, lambda: setting.gpu.copy(a, source))
        first.record(4, event)

    thread = threading.Thread(target=later)
    thread.start()
    back.wait()
    assert setting.cpu.read(result) == setting.cpu.read(source)
    thread.join()
    for stream in (first, second):
        stream.close()


def test_an_event_that_the_host_completes(setting: Setting) -> None:
    stream, event = setting.stream(), Event()
    source, a = setting.on_cpu(10, None), setting.on_gpu(10)
    stream.wait(0, event)
    stream.run(1, lambda: setting.gpu.copy(a, source))
    setting.cpu.write(source, images(BN254, 10, 5))
    event.complete()
    stream.synchronize()
    assert setting.gpu.read(a) == images(BN254, 10, 5)
    stream.close()


def test_chains_of_events_in_both_directions(setting: Setting) -> None:
    streams, n = [setting.stream() for _ in range(3)], 1 << 12
    a, b = setting.on_gpu(n), setting.on_gpu(n)
    setting.gpu.write(a, images(BN254, n, 1))
    steps = [setting.bound("poly_add", [b], [a, a]), setting.bound("poly_add", [a], [b, b])]
    events = [Event() for _ in range(60)]
    for i in reversed(range(60)):  # each waits before the other has recorded
        threading.Thread(target=_link, args=(streams[i % 3], events, i, steps[i % 2])).start()
    events[59].wait()
    factor = pow(2, 60, BN254.r)
    first = int.from_bytes(images(BN254, n, 1)[:32], "little")
    got = int.from_bytes(setting.gpu.read(a)[:32], "little")
    for stream in streams:
        stream.close()
    assert setting.failures == []
    assert got == first * factor % BN254.r


def _link(stream: Stream, events: list[Event], i: int, work: Callable[[], None]) -> None:
    """Queues link i of the chain, once the link before it on the same stream has been queued."""
    if i >= 3:
        events[i - 3].wait()
    if i:
        stream.wait(3 * i, events[i - 1])
    stream.run(3 * i + 1, work)
    stream.record(3 * i + 2, events[i])


def test_a_failure_names_the_work_and_wakes_those_who_wait(setting: Setting) -> None:
    stream, other, event = setting.stream(), setting.stream(), Event()
    typ, zero = scalar(0, BN254)
    s = place(setting.gpu, typ)
    setting.gpu.write(s, zero)
    other.wait(7, event)
    stream.run(3, setting.bound("scalar_invert", [s], []))
    stream.record(5, event)
    with pytest.raises(Cancelled):
        event.wait()
    for one in (stream, other):
        with pytest.raises(Cancelled):
            one.synchronize()
    assert [(at, str(e)) for at, e in setting.failures] == [
        (3, "scalar_invert: zero has no inverse")
    ]
    late, after = Event(), list[int]()
    stream.run(8, lambda: after.append(8))
    stream.record(9, late)
    with pytest.raises(Cancelled):
        late.wait()
    assert after == []
    for one in (stream, other):
        one.close()


def test_many_failing_checks_in_flight(setting: Setting) -> None:
    """More than there are words for failures."""
    stream = setting.stream()
    typ, seven = scalar(7, BN254)
    s = place(setting.gpu, typ)
    setting.gpu.write(s, seven)
    work = setting.bound("scalar_invert", [s], [])
    for at in range(600):
        stream.run(at, work)
    stream.synchronize()
    assert setting.gpu.read(s) == seven
    assert setting.failures == []
    stream.close()


def test_cancelling_wakes_a_stream_that_waits_for_ever(setting: Setting) -> None:
    stream, recorded = setting.stream(), Event()
    stream.wait(0, Event())
    stream.record(1, recorded)
    timer = threading.Timer(0.05, setting.gpu.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        recorded.wait()
    with pytest.raises(Cancelled):
        stream.synchronize()
    timer.join()
    assert setting.failures == []


def test_by_way_of_the_disk_in_the_order_of_a_stream(setting: Setting) -> None:
    disk, gpu, stream = setting.devices["disk"], setting.gpu, setting.stream()
    source, there = setting.on_cpu(LARGE, 3), place(disk, ScalarArray(LARGE), "wrapped slice")
    a, b = setting.on_gpu(LARGE, "slice"), setting.on_gpu(LARGE)
    stream.run(0, lambda: gpu.copy(a, source))
    stream.run(1, lambda: disk.copy(there, a))
    stream.run(2, lambda: gpu.copy(b, there))
    stream.synchronize()
    assert gpu.read(b) == images(BN254, LARGE, 3)
    stream.close()


def test_memory_freed_in_the_order_of_a_stream(setting: Setting) -> None:
    stream, n = setting.stream(), 1 << 18
    image, results = images(BN254, n, 1), []
    source = setting.on_cpu(n, 1)
    for at in range(10):
        a, result = setting.on_gpu(n), setting.on_cpu(n, None)
        stream.run(3 * at, lambda a=a: setting.gpu.copy(a, source))
        stream.run(3 * at + 1, lambda a=a, result=result: setting.cpu.copy(result, a))
        stream.run(3 * at + 2, lambda a=a: setting.gpu.free(a.block))
        results.append(result)
    stream.synchronize()
    assert all(setting.cpu.read(result) == image for result in results)
    stream.close()


def test_limits_and_exhaustion_are_told() -> None:
    with opened("gpu:0", limits={"gpu:0": 1 << 20}) as devices:
        gpu = devices["gpu:0"]
        block = gpu.allocate(1 << 19, None)
        with pytest.raises(ResourceLimit, match=r"512.00 KiB held already, and the limit"):
            gpu.allocate((1 << 19) + 1, None)
        gpu.free(block)
        gpu.allocate((1 << 19) + 1, None)
    with opened("gpu:0") as devices:
        gpu = devices["gpu:0"]
        with pytest.raises(ResourceLimit, match=r"of the GPU's .* are free"):
            gpu.allocate(1 << 45, None)
        gpu.reserve(1 << 20)
        block = gpu.allocate(64, 128)
        assert gpu.account.current == 1 << 20
        gpu.free(block)


def test_repetitions_are_equal(setting: Setting) -> None:
    n, results = 1 << 16, []
    source = setting.on_cpu(n, 1)
    streams = [setting.stream() for _ in range(2)]
    a = [setting.on_gpu(n) for _ in streams]
    work = [setting.bound("ntt", [one], []) for one in a]
    for at in range(10):
        for stream, array, transform in zip(streams, a, work, strict=True):
            result = setting.on_cpu(n, None)
            stream.run(3 * at, lambda array=array: setting.gpu.copy(array, source))
            stream.run(3 * at + 1, transform)
            stream.run(
                3 * at + 2, lambda result=result, array=array: setting.cpu.copy(result, array)
            )
            results.append(result)
    for stream in streams:
        stream.synchronize()
    images_of = {bytes(setting.cpu.read(result)) for result in results}
    assert len(images_of) == 1
    for stream in streams:
        stream.close()


def test_the_gpu_is_described() -> None:
    found = next(info for info in describe_devices() if info.name == "gpu:0")
    assert found.kind == "cuda"
    assert found.total
