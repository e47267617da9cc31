"""Failures on streams of a real GPU, on a model of its driver: of work, and of the driver."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from fake_streams import Setting, join, opened, until

from zkrun.devices.base import Cancelled, Event
from zkrun.errors import ResourceLimit, RunFailed

LOST = 700


def ats(setting: Setting) -> list[int]:
    return [at for at, _ in setting.failures]


def succeeds(event: Event) -> bool:
    try:
        event.wait()
    except Cancelled:
        return False
    return True


@pytest.mark.parametrize("ends_runs", [True, False])
def test_who_waits_downstream_of_a_failure_is_cancelled(ends_runs: bool) -> None:
    """Over two streams, by each kind of waiting, whichever is the first to look."""
    for first in range(4):
        with opened(2, ends_runs) as setting:
            streams = [setting.stream(0), setting.stream(0), setting.stream(1)]
            events = [setting.event() for _ in streams]
            streams[0].run(1, setting.checked(lambda: True))
            streams[0].record(2, events[0])
            for number in (1, 2):
                streams[number].wait(3 * number, events[number - 1])
                streams[number].run(3 * number + 1, setting.checked(lambda: True))
                streams[number].record(3 * number + 2, events[number])
            setting.driver.release()
            waits = [*(partial(succeeds, event) for event in events), streams[2].synchronize]
            for wait in waits[first:] + waits[:first]:
                if wait == streams[2].synchronize:
                    with pytest.raises(Cancelled):
                        wait()
                else:
                    assert not wait()
            assert ats(setting) == [1]
            assert str(setting.failures[0][1]) == "word 7"


def test_a_failure_that_has_landed_is_found_by_who_waits_on_another_stream() -> None:
    """Though nothing is left to be checked, and nobody has ended the run yet."""
    with opened(ends_runs=False) as setting:
        first, second = setting.stream(), setting.stream()
        events = [setting.event(), setting.event()]
        first.run(1, setting.checked(lambda: True))
        first.record(2, events[0])
        second.wait(3, events[0])
        second.record(4, events[1])
        setting.driver.release()
        assert [succeeds(event) for event in events] == [False, False]
        assert ats(setting) == [1]


def test_no_thread_sees_success_while_another_lands_the_failure() -> None:
    for seed in range(10):
        with opened(ends_runs=seed % 2 == 0) as setting:
            streams, events = [setting.stream() for _ in range(4)], list[Event]()
            for at in range(40):
                stream, event = streams[at % 4], setting.event()
                if events:
                    stream.wait(at, events[-1])
                stream.run(at, setting.checked(lambda at=at: at >= 11))
                stream.record(at, event)
                events.append(event)
            wrong = list[int]()

            def watch(at: int, events: list[Event] = events, wrong: list[int] = wrong) -> None:
                if succeeds(events[at]) and at >= 11:
                    wrong.append(at)

            with setting.driver.play(seed):
                join(setting.together(*(partial(watch, at) for at in (39, 11, 12, 30, 10))))
            assert wrong == []
            assert ats(setting) == [11]


def test_a_failure_that_nobody_waits_for_is_told() -> None:
    with opened() as setting:
        stream = setting.stream(held=False)
        stream.run(0, setting.kernel())
        stream.run(1, setting.checked(lambda: True))
        until(lambda: setting.failures)
        assert ats(setting) == [1]


def test_failures_in_a_graph() -> None:
    with opened() as setting:
        failing = [-1]
        for turn in range(3):
            stream, event, other = setting.stream(), setting.event(), setting.stream()
            failing[0] = 3 if turn == 2 else -1
            stream.run(0, setting.checked(lambda: False))
            checks = [(at, lambda at=at: [at] == failing) for at in range(1, 6)]
            works = [(at, setting.checked(fails)) for at, fails in checks]
            stream.run_all(works, "key")
            stream.record(6, event)
            other.wait(7, event)
            other.record(8, last := setting.event())
            setting.driver.release()
            assert succeeds(last) == (turn < 2)
            for one in (other, stream):
                one.close()
        assert setting.driver.launches == 2
        assert ats(setting) == [3]


def test_graphs_do_not_share_words() -> None:
    with opened() as setting:
        turns = list[int]()
        first = [(at, setting.checked(lambda: len(turns) == 4)) for at in (1, 2)]
        second = [(at, setting.checked(lambda: False)) for at in (3, 4)]
        while not setting.failures:
            turns.append(1)
            stream = setting.stream(held=False)
            stream.run_all(first, "first")
            if len(turns) == 2:
                stream.synchronize()
            if len(turns) > 1:
                stream.run_all(second, "second")
            stream.record(5, event := setting.event())
            assert succeeds(event) == (len(turns) < 4)
            stream.close()
        assert ats(setting) == [1]
        assert setting.driver.launches == 5


def test_what_fails_when_it_is_queued() -> None:
    """Nothing behind it is queued, and what came before is no failure."""
    for behind_a_wait in (False, True):
        with opened() as setting:
            stream, gate, seen = setting.stream(held=False), setting.event(), list[int]()

            def fail() -> None:
                raise RunFailed("on purpose")

            before = setting.event()
            stream.wait(0, before)  # this is done, but the stream has subscribed to it
            stream.run(1, setting.kernel(partial(seen.append, 1)))
            if behind_a_wait:
                stream.wait(2, gate)
            stream.run(3, fail)
            stream.run(4, setting.kernel(partial(seen.append, 4)))
            stream.record(5, event := setting.event())
            other = setting.stream(held=False)
            other.record(6, before)
            gate.complete()
            assert not succeeds(event)
            assert seen in ([], [1])
            assert ats(setting) == [3]


def test_what_fails_on_the_worker() -> None:
    with opened() as setting:
        stream, seen = setting.stream(), list[int]()

        def fail() -> None:
            raise RunFailed("on purpose")

        stream.run(0, setting.checked(lambda: False))
        stream.run(1, setting.blocking(fail))
        stream.run(2, setting.kernel(partial(seen.append, 2)))
        stream.record(3, event := setting.event())
        with setting.driver.play(1):
            assert not succeeds(event)
        assert seen == []
        assert ats(setting) == [1]


def test_more_checks_than_there_are_words() -> None:
    for failing in (None, 500):
        with opened() as setting:
            stream = setting.stream()
            with setting.driver.play(1):
                for at in range(700):
                    stream.run(at, setting.checked(lambda at=at, failing=failing: at == failing))
                stream.record(700, event := setting.event())
                assert succeeds(event) == (failing is None)
                until(lambda stream=stream: not stream.landing.flights)
            assert failing or len(stream.free_words) == 255  # and one that counts
            assert ats(setting) == ([] if failing is None else [failing])


def test_the_word_of_work_that_failed_is_not_for_other_work() -> None:
    """All that are free are 0, and nobody clears them again."""
    with opened() as setting:
        stream = setting.stream()
        before = set[int]()
        with setting.driver.play(1):
            for at in range(3):
                stream.run(at, setting.checked(lambda: False))
            stream.record(3, event := setting.event())
            assert succeeds(event)
            until(lambda: not stream.landing.flights)
            before |= set(stream.free_words)
            stream.run(4, setting.checked(lambda: True))
            stream.record(5, event := setting.event())
            assert not succeeds(event)
            until(lambda: not stream.landing.flights)
        assert len(before) == 255
        assert len(before - set(stream.free_words)) == 1
        assert ats(setting) == [4]


@pytest.mark.parametrize(
    "name",
    ["eventCreateWithFlags", "eventRecord", "streamWaitEvent", "graphLaunch", "memsetAsync"],
)
def test_a_call_of_the_driver_fails_when_work_is_queued(name: str) -> None:
    for status, kind in ((LOST, RunFailed), (2, ResourceLimit)):
        with opened() as setting:
            works = [(at, setting.kernel()) for at in range(2, 6)]
            for _ in range(2):
                stream = setting.stream(held=False)
                stream.run_all(works, "key")
                stream.synchronize()
                stream.close()
            stream, other, event = setting.stream(), setting.stream(), setting.event()
            other.record(0, event)
            setting.gpus[0].events._spare.clear()  # the next one is made
            setting.driver.failing[name] = status
            stream.wait(1, event)
            stream.run_all(works, "key")
            stream.run(6, setting.checked(lambda: False))
            stream.record(7, last := setting.event())
            setting.driver.failing.clear()
            assert not succeeds(last)
            with pytest.raises(Cancelled):
                stream.synchronize()
            at = {"graphLaunch": 2, "memsetAsync": 6}.get(name, 1)
            assert ats(setting) == [at]
            assert type(setting.failures[0][1]) is kind


@pytest.mark.parametrize("names", [("eventQuery", "eventSynchronize"), ("eventElapsedTime",)])
def test_a_call_of_the_driver_fails_when_work_lands(names: tuple[str, ...]) -> None:
    """Whoever waits in whichever way goes on."""
    with opened() as setting:
        stream, event = setting.stream(), setting.event()
        stream.run(1, setting.kernel())
        stream.record(2, event)
        waiting = setting.together(event.wait, event.wait, stream.synchronize)
        setting.driver.failing = dict.fromkeys(names, LOST)
        if names == ("eventElapsedTime",):
            setting.driver.release()
        join(waiting)
        until(lambda: setting.failures)  # who waits for an event need not wait for its time
        setting.driver.failing.clear()
        with pytest.raises(Cancelled):
            stream.synchronize()
        assert ats(setting) == [1]
        assert "the GPU failed: cudaError 700" in str(setting.failures[0][1])


def test_one_thread_waits_when_the_gpu_is_lost() -> None:
    """Nobody has woken the worker, and all is given back though every call fails."""
    with opened() as setting:
        stream, other, event = setting.stream(), setting.stream(), setting.event()
        stream.run(1, setting.checked(lambda: False))
        stream.run_all([(2, setting.kernel()), (3, setting.kernel())], "key")
        stream.record(4, event)
        other.wait(5, event)
        waiting = setting.together(event.wait)
        setting.driver.lost = LOST
        join(waiting)
        assert not succeeds(event)
        assert ats(setting)[0] in (1, 5)  # the first of what has not passed, on either stream
        until(lambda: not (stream.landing.flights or other.landing.flights))


def test_a_gpu_is_lost_while_a_stream_is_opened() -> None:
    with opened() as setting:
        driver, looked = setting.driver, threading.Event()

        def before(name: str) -> None:
            if name == "eventQuery":
                driver.lost = LOST
                looked.set()

        driver.before = before
        with pytest.raises(RunFailed, match="the GPU failed: cudaError 700"):
            setting.stream()
        assert looked.is_set()


def test_a_gpu_is_lost_between_two_runs() -> None:
    with opened() as setting:
        gpu, stream = setting.gpus[0], setting.stream(held=False)
        block = gpu.allocate(100, None)
        stream.run(0, setting.kernel())
        stream.synchronize()
        setting.driver.lost = LOST
        for ask in (lambda: gpu.free(block), lambda: gpu.allocate(100, None), gpu.restart):
            with pytest.raises(RunFailed, match="the GPU failed: cudaError 700"):
                ask()


def test_a_call_of_the_driver_fails_while_a_gpu_or_a_stream_is_opened() -> None:
    """Whichever it is, nothing is left of what was opened."""
    with opened() as setting:
        from zkrun.devices.cuda.device import CudaDevice
        from zkrun.devices.cuda.streams import events

        events._READY = 3  # for the next GPU
        driver, gpu = setting.driver, setting.gpus[0]

        def there() -> tuple[int, int, int, int]:
            alive = sum(not event.destroyed for event in driver.events.values())
            return len(driver.streams), alive, len(driver.memory), len(gpu.events._spare)

        def opens(what: Callable[[], Any], failing: int) -> bool:
            """Whether that needs no more calls than those before the one that fails."""
            calls = 0

            def before(name: str) -> None:
                nonlocal calls
                if threading.current_thread() is threading.main_thread():
                    calls += 1
                    driver.failing = {name: LOST} if calls == failing else {}

            driver.before = before
            opened = None
            with suppress(RunFailed):
                opened = what()
            driver.before, driver.failing = lambda name: None, {}
            if opened is not None:
                opened.close()
            return calls < failing

        for what in (lambda: CudaDevice("gpu:0", 0), lambda: setting.stream(held=False)):
            opened_before, failing = there(), 1
            while not opens(what, failing):
                assert there() == opened_before
                failing += 1
            assert failing > 3
