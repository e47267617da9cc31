"""Random programs on streams of a real GPU, with real threads, on a model of its driver.

A program is a sequence of operations that would be right one after the other. Each thread does
those of the streams that it owns, so all events are recorded by somebody, sooner or later; the
model's GPU does what is queued in any order that streams and events allow.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from fake_streams import Setting, join, opened

from zkrun.errors import RunFailed

SIZE, STREAMS, THREADS = 120, 4, 3
LOST = 700
KINDS = {
    "run": 10,
    "checked": 5,
    "blocking": 1,
    "chain": 1,
    "record": 6,
    "wait": 6,
    "host record": 1,
    "host wait": 3,
    "synchronize": 1,
}


@dataclass
class Operation:
    """What a thread does. `before` are the operations that are over when this has passed."""

    at: int
    kind: str
    thread: int
    stream: int
    event: int = -1  # the operation that records it
    before: frozenset[int] = field(default=frozenset())


def program(seed: int) -> list[Operation]:
    dice = random.Random(seed)
    made = list[Operation]()
    streams = [frozenset[int]() for _ in range(STREAMS)]
    threads = [frozenset[int]() for _ in range(THREADS)]
    for at in range(SIZE):
        (kind,) = dice.choices(list(KINDS), list(KINDS.values()))
        stream = dice.randrange(STREAMS)
        it = Operation(at, kind, stream % THREADS, stream)
        records = [one for one in made if one.kind.endswith("record")]
        if kind.endswith("wait"):
            if not records:
                continue
            awaited = dice.choice(records[-8:])
            it.event, it.before = awaited.at, awaited.before
        if kind == "synchronize":
            it.before = streams[stream]
        if kind.startswith(("host", "sync")):
            it.before |= threads[it.thread]
            threads[it.thread] = it.before
        else:  # what a thread has waited for is over for all that it queues later
            it.before |= streams[stream] | threads[it.thread] | {at}
            streams[stream] = it.before
        made.append(it)
    return made


class Execution:
    """Of a program: which operations ran, and what was wrong. Those in `failing` fail."""

    def __init__(self, setting: Setting, operations: list[Operation], failing: set[int]) -> None:
        self.setting, self.operations, self.failing = setting, operations, failing
        self.streams = [setting.stream(n % setting.driver.gpus) for n in range(STREAMS)]
        self.events = {one.at: setting.event() for one in operations if "record" in one.kind}
        self.passed: set[int] = set()
        self.wrong: list[str] = []
        self._runs = {one.at for one in operations if one.kind in ("run", "checked", "blocking")}

    def thread(self, number: int) -> None:
        for it in self.operations:
            if it.thread == number:
                if self.setting.failures:
                    return
                self._do(it)
        for stream in self.streams:
            stream.synchronize()

    def _do(self, it: Operation) -> None:
        stream, setting, at = self.streams[it.stream], self.setting, it.at

        def work() -> None:
            if at not in self.failing:
                self._see(it, f"{it.kind} {at} ran")
            self.passed.add(at)

        if it.kind == "run":
            stream.run(at, setting.kernel(work))
        elif it.kind == "checked":
            stream.run(at, setting.checked(lambda: at in self.failing, work))
        elif it.kind == "blocking":
            stream.run(at, setting.blocking(work))
        elif it.kind == "chain":
            stream.run_all([(at, setting.kernel()), (at, setting.checked(lambda: False))], at)
        elif it.kind == "record":
            stream.record(at, self.events[at])
        elif it.kind == "wait":
            stream.wait(at, self.events[it.event])
        elif it.kind == "host record":
            self.events[at].complete()
        else:
            if it.kind == "host wait":
                self.events[it.event].wait()
            else:
                stream.synchronize()
            self._see(it, f"{it.kind} {at} succeeded")
            if it.before & self.failing:
                self.wrong.append(f"{it.kind} {at} succeeded after a failure")

    def _see(self, it: Operation, what: str) -> None:
        missing = (it.before & self._runs) - self.passed - {it.at}
        if missing:
            self.wrong.append(f"{what} before {sorted(missing)}")

    def told(self) -> list[list[int]]:
        return [self.setting.told(stream) for stream in self.streams]

    def queued(self) -> list[list[int]]:
        """What streams are to tell."""
        found: list[list[int]] = [[] for _ in range(STREAMS)]
        for one in self.operations:
            if not one.kind.startswith(("host", "sync")):
                found[one.stream] += [one.at] * (1 + (one.kind == "chain"))
        return found


@pytest.fixture(autouse=True)
def _often() -> Iterator[None]:
    """Threads take turns after each few steps."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def never_shared() -> None:
    """Two flights never have the same CUDA event."""
    from zkrun.devices.cuda.streams import landing

    add = landing.Landing.add

    def add_checked(self: Any, flight: Any) -> None:
        flying = [other.cuda for one in landing._shared.open for other in one.flights]
        assert flight.cuda not in flying
        add(self, flight)

    landing.Landing.add = add_checked  # type: ignore[method-assign]  # the module is this test's


def execute(
    seed: int, failing: int = 0, besides: Sequence[Callable[[Setting], None]] = ()
) -> Execution:
    """Runs a program in which up to so many operations fail, while something else happens."""
    operations = program(seed)
    checked = [one.at for one in operations if one.kind == "checked"]
    fails = set(random.Random(seed).sample(checked, min(failing, len(checked))))
    with opened(1 + seed % 2) as setting:
        never_shared()
        execution = Execution(setting, operations, fails)
        with setting.driver.play(seed):
            works = [lambda n=n: execution.thread(n) for n in range(THREADS)]
            join(setting.together(*works, *(lambda one=one: one(setting) for one in besides)))
    assert execution.wrong == []
    return execution


@pytest.mark.parametrize("seed", range(16))
def test_programs_that_succeed(seed: int) -> None:
    execution = execute(seed)
    assert execution.setting.failures == []
    assert execution.told() == execution.queued()
    assert execution.passed == execution._runs


@pytest.mark.parametrize("seed", range(16))
def test_programs_that_fail(seed: int) -> None:
    execution = execute(seed, failing=1 + seed % 3)
    at, error = execution.setting.failures[0]
    assert at in execution.failing
    assert str(error) == "word 7"
    (first,) = (one for one in execution.operations if one.at == at)
    assert first.before & execution.failing == {at}


@pytest.mark.parametrize("seed", range(8))
def test_programs_that_are_cancelled(seed: int) -> None:
    def cancel(setting: Setting) -> None:
        for _ in range(random.Random(seed).randrange(3000)):
            threading.Event().is_set()
        setting._fail(-1, RunFailed("interrupted"))

    execution = execute(seed, besides=[cancel])
    assert [at for at, _ in execution.setting.failures] == [-1]


@pytest.mark.parametrize("seed", range(16))
def test_programs_that_lose_their_gpu(seed: int) -> None:
    """After some number of calls, each one fails."""

    def lose(setting: Setting) -> None:
        left = random.Random(seed).randrange(300)

        def before(name: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                setting.driver.lost = LOST

        setting.driver.before = before

    execution = execute(seed, besides=[lose])
    if not execution.setting.failures:  # all was over before
        assert execution.passed == execution._runs
        return
    at, error = execution.setting.failures[0]
    assert 0 <= at < SIZE
    assert "cudaError 700" in str(error)


def test_an_event_that_nobody_has_recorded_is_known_to_the_model() -> None:
    """The model tells misuse: else nothing here would mean much."""
    with opened() as setting:
        from cupy.cuda import runtime

        event, driver = runtime.eventCreateWithFlags(0), setting.driver
        stream = setting.stream()
        for misuse in (
            lambda: runtime.streamWaitEvent(stream.handle, event),
            lambda: runtime.eventQuery(event),
            lambda: [runtime.eventRecord(event, stream.handle) for _ in range(2)],
            lambda: runtime.eventElapsedTime(event, event),
            lambda: [runtime.eventDestroy(event) for _ in range(2)],
        ):
            with suppress(runtime.CUDARuntimeError):
                misuse()
        assert len(driver.misuse) == 5
        driver.misuse.clear()
