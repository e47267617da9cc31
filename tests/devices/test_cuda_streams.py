"""Streams of a real GPU, on a model of its driver: order, events, times, closing, reuse."""

from __future__ import annotations

import ctypes
import random
import threading
from functools import partial

import pytest
from fake_driver import GUARD
from fake_streams import Setting, join, opened, until

from zkrun.devices.base import Cancelled, Event
from zkrun.runtime.state import Run
from zkrun.runtime.streams import open_stream, retire
from zkrun.runtime.threads import Pool


def test_nothing_is_told_before_it_has_passed() -> None:
    with opened() as setting:
        stream, events, seen = setting.stream(), [setting.event() for _ in range(5)], list[int]()
        for at, event in enumerate(events):
            stream.run(2 * at, setting.kernel(partial(seen.append, at)))
            stream.record(2 * at + 1, event)
        for at, event in enumerate(events):
            assert seen == list(range(at))
            assert setting.told(stream) == list(range(len(setting.spans[stream])))
            assert len(setting.spans[stream]) <= 2 * at
            setting.driver.step(stream.handle, 1)
            assert [one.is_complete() for one in events] == [i < at for i in range(5)]
            setting.driver.step(stream.handle, 2)  # the events of both
            event.wait()
        stream.synchronize()
        assert setting.told(stream) == list(range(10))


def test_work_lands_though_nobody_waits() -> None:
    with opened() as setting:
        stream, count = setting.stream(held=False), 3000
        for at in range(count):
            stream.run(at, setting.kernel())
        until(lambda: len(setting.spans[stream]) == count)
        assert setting.told(stream) == list(range(count))
        created = setting.driver.created["events"]
        for at in range(count):
            stream.run(2 * at, setting.kernel())
            stream.record(2 * at + 1, setting.event())
            if at % 100 == 0:
                stream.synchronize()
        assert setting.driver.created["events"] < created + 100  # they are used again


def test_who_queues_never_waits_for_the_gpu() -> None:
    with opened() as setting:
        stream, created = setting.stream(), setting.driver.created["events"]
        for at in range(200):
            stream.run(at, setting.kernel())
        assert setting.driver.created["events"] == created  # there are that many from the start
        for at in range(200, 1000):
            stream.run(at, setting.kernel())
        assert setting.driver.misuse == []
        setting.driver.release()
        stream.synchronize()
        assert setting.told(stream) == list(range(1000))


class _Clock:
    """In place of the module `time`, for one thread: to sleep takes no time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + 1e-9


@pytest.mark.parametrize("by_worker", [False, True])
@pytest.mark.parametrize(
    ("seconds", "looks_at_most", "late"), [(10.0, 14000, 2e-3), (2e-3, 110, 5e-4)]
)
def test_who_waits_long_seldom_looks(
    by_worker: bool,
    seconds: float,
    looks_at_most: int,
    late: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the GPU, for 10 seconds; and who waits shortly does not wait for much longer."""
    with opened():
        from cupy.cuda import runtime

        from zkrun.devices.cuda.streams import events, landing
        from zkrun.devices.cuda.streams.flights import Flight

        clock, flight, looks = _Clock(), Flight("run", 0, 0, 1, None, []), 0

        def query(cuda: int) -> int:
            nonlocal looks
            looks += 1
            flight.landed = clock.now >= seconds
            return landing.NOT_READY

        runtime.eventQuery = query
        monkeypatch.setattr(landing, "time", clock)
        if by_worker:
            landing._wait(flight)
        else:
            landing.Landing(
                threading.Condition(), events.EventPool(), lambda *_: None, lambda: None
            ).watch(flight)
        assert looks <= looks_at_most
        assert seconds <= clock.now <= seconds + late + 1e-6


def test_threads_wait_for_the_same_event_and_for_different_ones() -> None:
    with opened() as setting:
        streams = [setting.stream() for _ in range(3)]
        events, passed = [setting.event() for _ in range(60)], [False] * 60
        for at, event in enumerate(events):
            stream = streams[at % 3]
            stream.run(at, setting.kernel(partial(passed.__setitem__, at, True)))
            stream.record(at, event)
        wrong = list[int]()

        def watch(seed: int) -> None:
            for at in random.Random(seed).sample(range(60), 20):
                events[at].wait()
                if not passed[at]:
                    wrong.append(at)

        with setting.driver.play(1):
            threads = setting.together(*(partial(watch, seed) for seed in range(4)))
            threads += setting.together(*(stream.synchronize for stream in streams))
            join(threads)
        assert wrong == []
        assert all(passed)
        assert setting.failures == []


def test_a_stream_waits_for_an_event_that_is_not_recorded_yet() -> None:
    with opened(2) as setting:
        first, second, event, seen = setting.stream(0), setting.stream(1), setting.event(), []
        second.wait(0, event)
        second.run(1, setting.kernel(lambda: seen.append("second")))
        setting.driver.step(second.handle, 9)
        assert seen == []
        first.run(2, setting.kernel(lambda: seen.append("first")))
        first.record(3, event)
        setting.driver.step(second.handle, 9)
        assert seen == []
        setting.driver.step(first.handle, 2)
        setting.driver.release()
        second.synchronize()
        assert seen == ["first", "second"]
        assert setting.told(second) == [0, 1]


class _CompletesMeanwhile(Event):
    """Completes, on another thread, just before somebody subscribes."""

    def subscribe(self, notify: object) -> None:
        thread = threading.Thread(target=self.complete)
        thread.start()
        thread.join()
        super().subscribe(notify)  # type: ignore[arg-type]  # as it was given


def test_an_event_that_completes_while_a_stream_begins_to_wait() -> None:
    """What comes behind the wait is not queued before it."""
    with opened() as setting:
        stream, gate, seen = setting.stream(held=False), setting.event(), list[int]()
        stream.wait(0, gate)
        stream.wait(1, _CompletesMeanwhile())
        for at in range(2, 5):
            stream.run(at, setting.kernel(partial(seen.append, at)))
        gate.complete()
        stream.synchronize()
        assert seen == [2, 3, 4]
        assert setting.told(stream) == list(range(5))


def test_an_event_behind_work_that_must_block() -> None:
    with opened() as setting:
        stream, event, seen, gate = setting.stream(), setting.event(), [], threading.Event()
        stream.run(0, setting.kernel(lambda: seen.append("kernel")))
        stream.run(1, setting.blocking(lambda: (gate.wait(GUARD), seen.append("host"))))
        stream.record(2, event)
        stream.run(3, setting.kernel(lambda: seen.append("after")))
        with setting.driver.play(2):
            until(lambda: seen)
            assert not event.is_complete()
            gate.set()
            event.wait()
            assert seen[:2] == ["kernel", "host"]
            stream.synchronize()
        assert seen == ["kernel", "host", "after"]
        assert setting.told(stream) == [0, 1, 2, 3]


def test_times_when_the_clocks_of_host_and_gpu_differ() -> None:
    with opened() as setting:
        stream = setting.stream(held=False)
        for turn in range(4):
            setting.driver.late_ms += 700.0  # so that times are measured from a later event
            stream.run(3 * turn, setting.kernel())
            stream.run(3 * turn + 1, setting.blocking(lambda: None))
            stream.run(3 * turn + 2, setting.kernel())
            stream.synchronize()
            base = stream.landing.times.base
            assert base not in setting.gpus[0].events._spare  # where others would record it
        assert setting.told(stream) == list(range(12))


def test_blocking_work_runs_on_the_gpu_of_its_stream() -> None:
    """Though what landed before has woken a stream of another one, on the same thread."""
    with opened(2) as setting:
        stream, event, seen = setting.stream(1), setting.event(), list[int]()
        event.subscribe(setting.gpus[0].use)
        stream.record(0, event)
        stream.run(1, setting.blocking(lambda: seen.append(setting.driver.getDevice())))
        setting.driver.release()
        stream.synchronize()
        assert seen == [1]


def test_closing_with_work_in_flight() -> None:
    with opened() as setting:
        stream, events, seen = setting.stream(), [setting.event() for _ in range(2)], []
        stream.run(0, setting.kernel(lambda: seen.append(0)))
        stream.record(1, events[0])
        stream.run(2, setting.blocking(lambda: seen.append(2)))
        stream.record(3, events[1])
        waiting = setting.together(events[0].wait, events[1].wait, stream.synchronize)
        closing = threading.Thread(target=stream.close)
        closing.start()
        join(waiting)  # they do not wait for the GPU, but closing does
        assert seen == []
        assert closing.is_alive()
        setting.driver.release()
        join([closing])
        assert seen == [0]
        for event in events:
            with pytest.raises(Cancelled):
                event.wait()


def test_an_event_is_looked_at_while_its_gpu_closes() -> None:
    """Its CUDA event is there as long as a thread may look at it."""
    with opened() as setting:
        stream, event, driver = setting.stream(), setting.event(), setting.driver
        stream.record(0, event)
        looks, goes_on = threading.Event(), threading.Event()

        def before(name: str) -> None:
            if name == "eventQuery" and threading.current_thread() is watcher:
                looks.set()
                goes_on.wait(GUARD)
            elif name == "eventQuery":  # by the worker, which must not see that it has passed first
                until(lambda: stream._error is not None)

        driver.before = before
        (watcher,) = threads = [threading.Thread(target=_cancelled, args=(event,))]
        watcher.start()
        assert looks.wait(GUARD)
        driver.release()
        closing = threading.Thread(target=setting.gpus[0].close)
        closing.start()
        until(lambda: stream.handle not in driver.streams)
        closing.join(0.05)
        assert closing.is_alive()
        assert not any(one.destroyed for one in driver.events.values())
        goes_on.set()
        join([*threads, closing])


def _cancelled(event: Event) -> None:
    with pytest.raises(Cancelled):
        event.wait()


def test_cancelling_while_threads_watch() -> None:
    with opened() as setting:
        streams, events = [setting.stream() for _ in range(2)], [setting.event() for _ in range(3)]
        streams[0].record(0, events[0])
        streams[1].wait(1, Event())
        streams[1].record(2, events[1])
        streams[1].run(3, setting.blocking(lambda: None))
        for stream in streams:
            stream.record(4, setting.event())
        cancelled = [partial(_cancelled, event) for event in events[:2]]
        threads = setting.together(*cancelled, *cancelled, *(one.synchronize for one in streams))
        setting.gpus[0].cancel()
        join(threads)
        assert setting.failures == []


def _chain(setting: Setting, stream: object, target: ctypes.Array[ctypes.c_uint64]) -> None:
    """Queues a chain of two kernels, the second of which sees what the first one did."""

    def first() -> None:
        target[0] += 1

    def second() -> None:
        target[1] = 2 * target[0]

    works = [(0, setting.kernel(first)), (1, setting.checked(lambda: False, second))]
    stream.run_all(works, "key")  # type: ignore[attr-defined]  # it is a stream


def test_chains_that_come_again_are_graphs() -> None:
    with opened() as setting:
        target, driver = (ctypes.c_uint64 * 2)(), setting.driver
        for turn in range(1, 5):
            stream, event = setting.stream(), setting.event()
            _chain(setting, stream, target)
            stream.record(2, event)
            driver.step(stream.handle, 9)
            event.wait()
            assert list(target) == [turn, 2 * turn]
            stream.synchronize()
            assert setting.told(stream) == [0, 1, 2]
            driver.release()
            stream.close()
        assert driver.launches == 3
        assert setting.failures == []


def test_chains_whose_memory_changes() -> None:
    """A graph is not launched with what it must not touch any more, and none is left behind."""
    with opened() as setting:
        for key, nbytes in ((1, 8), (1, 8), (2, 8), (2, 8), (2, 8), (2, 4096), (2, 8), (2, 8)):
            stream = setting.stream(held=False)
            stream.run(0, setting.clears(nbytes))
            stream.run_all([(at, setting.clears(8)) for at in (1, 2)], key)
            stream.synchronize()
            stream.close()
        assert setting.driver.launches == 5
        assert setting.failures == []


def test_streams_that_are_deallocated_are_closed_when_the_next_is_opened() -> None:
    with opened() as setting:
        gpu, pool = setting.gpus[0], Pool()
        run = Run({"gpu:0": gpu}, pool)
        old, seen = open_stream(run, 0, gpu), list[int]()
        setting.driver.hold(old.handle)  # type: ignore[attr-defined]  # it is of CUDA
        old.run(0, setting.kernel(lambda: seen.append(0)))
        retire(run, old, 1)
        second = open_stream(run, 1, gpu)  # closes nothing: there is work left
        assert old.lane is not second.lane  # type: ignore[attr-defined]  # of CUDA
        setting.driver.release()
        until(run.streams[0].has_passed)  # without anybody waiting
        third = open_stream(run, 2, gpu)
        assert third.lane is old.lane  # type: ignore[attr-defined]  # of CUDA
        assert [one.name for one in threading.enumerate() if "stream" in one.name] == [
            "gpu:0 stream 1",
            "gpu:0 stream 0",
        ]
        run.synchronize()
        run.release()
        pool.close()
        assert seen == [0]
        assert run.failure is None
