"""Streams of the virtual GPU: order, events, failures, cancellation, shuffling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from device_values import place, scalars

from zkrun.algebra.curves import BN254
from zkrun.devices.base import Cancelled, Device, Event, Stream
from zkrun.devices.registry import close_devices, open_devices
from zkrun.errors import RunFailed
from zkrun.program.types import ScalarArray

Failures = list[tuple[int, BaseException]]


class Setting:
    """A virtual GPU, what its streams reported, and a way to open one."""

    def __init__(self, shuffle: int | None = None) -> None:
        self.devices = open_devices(["cpu", "gpu:0", "gpu:1"], gpu="virtual", shuffle=shuffle)
        self.failures: Failures = []
        self.spans: list[tuple[int, int, int]] = []

    def stream(self, name: str = "gpu:0") -> Stream:
        return self.devices[name].open_stream(
            lambda *span: self.spans.append(span), lambda *failure: self.failures.append(failure)
        )


@pytest.fixture
def setting() -> Iterator[Setting]:
    made = Setting()
    yield made
    close_devices(made.devices)
    assert not [t for t in threading.enumerate() if "stream" in t.name]


def test_work_runs_in_order_and_is_timed(setting: Setting) -> None:
    stream, seen = setting.stream(), list[int]()
    for i in range(500):
        stream.run(i, partial(seen.append, i))
    stream.synchronize()
    assert seen == list(range(500))
    assert [at for at, _, _ in setting.spans] == seen
    assert all(start <= end for _, start, end in setting.spans)


def test_events_order_two_streams(setting: Setting) -> None:
    first, second, event, seen = setting.stream(), setting.stream("gpu:1"), Event(), list[str]()
    gate = threading.Event()
    second.wait(0, event)
    second.run(1, lambda: seen.append("second"))

    def work() -> None:
        gate.wait()
        seen.append("first")

    first.run(2, work)
    first.record(3, event)
    assert not event.is_complete()
    gate.set()
    second.synchronize()
    assert seen == ["first", "second"]
    event.wait()
    waited = {at: end - start for at, start, end in setting.spans}
    assert set(waited) == {0, 1, 2, 3}


def test_an_event_is_completed_once_and_tells_all(setting: Setting) -> None:
    event, told = Event(), list[int]()
    event.subscribe(lambda: told.append(1))
    event.complete()
    event.complete(ValueError("too late"))
    event.subscribe(lambda: told.append(2))
    event.wait()
    assert told == [1, 2]


def test_a_failure_is_reported_once_and_wakes_those_who_wait(setting: Setting) -> None:
    stream, other, event, after = setting.stream(), setting.stream(), Event(), list[int]()
    gate = threading.Event()

    def fail() -> None:
        gate.wait()
        raise RunFailed("on purpose")

    other.wait(7, event)
    stream.run(3, fail)
    stream.run(4, lambda: after.append(4))
    stream.record(5, event)
    gate.set()
    with pytest.raises(Cancelled):
        event.wait()
    with pytest.raises(Cancelled):
        stream.synchronize()
    with pytest.raises(Cancelled):
        other.synchronize()
    assert [(at, str(error)) for at, error in setting.failures] == [(3, "on purpose")]
    late = Event()
    stream.run(8, lambda: after.append(8))
    stream.record(9, late)
    with pytest.raises(Cancelled):
        late.wait()
    assert after == []


def test_cancelling_wakes_a_stream_that_waits_for_ever(setting: Setting) -> None:
    stream, recorded = setting.stream(), Event()
    stream.wait(0, Event())
    stream.record(1, recorded)
    timer = threading.Timer(0.05, setting.devices["gpu:0"].cancel)
    timer.start()
    with pytest.raises(Cancelled):
        recorded.wait()
    with pytest.raises(Cancelled):
        stream.synchronize()
    timer.join()
    assert setting.failures == []


def test_closing_drops_what_has_not_started(setting: Setting) -> None:
    stream, started, gate = setting.stream(), threading.Event(), threading.Event()
    seen, event = list[int](), Event()

    def work() -> None:
        started.set()
        gate.wait()
        seen.append(0)

    stream.run(0, work)
    stream.run(1, lambda: seen.append(1))
    stream.record(2, event)
    started.wait()
    timer = threading.Timer(0.05, gate.set)
    timer.start()
    stream.close()
    timer.join()
    assert seen == [0]
    with pytest.raises(Cancelled):
        event.wait()


def test_a_kernel_stops_when_its_device_is_cancelled(setting: Setting) -> None:
    gpu = setting.devices["gpu:0"]
    a, b = (place(gpu, ScalarArray(4), BN254) for _ in range(2))
    gpu.cancel()
    with pytest.raises(Cancelled):
        gpu.copy(a, b)


def run_without_wait(seed: int | None) -> list[bytes]:
    """The value that the host reads of a transfer that it does not wait for, a few times."""
    made = Setting(seed)
    cpu, gpu = made.devices["cpu"], made.devices["gpu:0"]
    stream = made.stream()
    source = scalars(gpu, BN254, [1])
    results = []
    for at in range(12):
        target = scalars(cpu, BN254, [0])
        stream.run(at, copying(cpu, target, source))
        time.sleep(0.0005)
        results.append(bytes(cpu.read(target)))
    stream.synchronize()
    close_devices(made.devices)
    return results


def copying(cpu: Device, target: object, source: object) -> Callable[[], None]:
    return lambda: cpu.copy(target, source)  # type: ignore[arg-type]  # Data, as scalars gives it


def test_shuffling_shows_a_missing_wait() -> None:
    assert any(bytes(32) in run_without_wait(seed) for seed in range(3))


def test_shuffling_keeps_the_order_that_events_give() -> None:
    for seed in range(3):
        made, seen = Setting(seed), list[int]()
        streams = [made.stream() for _ in range(3)]
        last = Event()
        last.complete()
        for i in range(30):
            stream, event = streams[i % 3], Event()
            stream.wait(3 * i, last)
            stream.run(3 * i + 1, partial(seen.append, i))
            stream.record(3 * i + 2, event)
            last = event
        last.wait()
        close_devices(made.devices)
        assert seen == list(range(30))


def test_the_cpu_has_no_streams(setting: Setting) -> None:
    with pytest.raises(RunFailed, match="belong to a GPU"):
        setting.stream("cpu")
