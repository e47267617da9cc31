"""Streams of a real GPU on the model of its driver: what tests queue, and what was told of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fake_cupy import installed
from fake_driver import GUARD, Driver

from zkrun.devices.base import Cancelled, Event
from zkrun.errors import RunFailed

__all__ = ["Setting", "join", "opened", "until"]


class Setting:
    """GPUs, and what their streams report.

    Where it `ends_runs`, a failure completes all events and cancels all GPUs, as in a run.
    """

    def __init__(self, driver: Driver, ends_runs: bool) -> None:
        from zkrun.devices.cuda.device import CudaDevice
        from zkrun.devices.cuda.streams import landing, queue

        self.driver = driver
        self.gpus = [CudaDevice(f"gpu:{index}", index) for index in range(driver.gpus)]
        self.spans: dict[Any, list[tuple[int, int, int]]] = {}
        self.failures: list[tuple[int, BaseException]] = []
        self.events: list[Event] = []
        self.current, self.must_block = queue.current, queue.MustBlock
        self.shared = landing._shared
        self._ends_runs = ends_runs
        self._failed = threading.Lock()

    def stream(self, gpu: int = 0, held: bool = True) -> Any:
        """A new stream. Nothing that is queued on it passes before it is stepped, if `held`."""
        spans: list[tuple[int, int, int]] = []
        stream = self.gpus[gpu].open_stream(lambda *span: spans.append(span), self._fail)
        self.spans[stream] = spans
        if held:
            self.driver.hold(stream.handle)  # type: ignore[attr-defined]  # it is of CUDA
        return stream

    def event(self) -> Event:
        self.events.append(Event())
        return self.events[-1]

    def _fail(self, at: int, error: BaseException) -> None:
        with self._failed:
            self.failures.append((at, error))
            first = len(self.failures) == 1
        if self._ends_runs and first:
            for event in self.events:
                event.complete(error)
            for gpu in self.gpus:
                gpu.cancel()

    def kernel(self, work: Callable[[], object] = lambda: None) -> Callable[[], None]:
        """What queues a kernel that does this."""
        return lambda: self.driver.launch(self.current.here.queue.handle, lambda: (work(), None)[1])

    def checked(
        self, fails: Callable[[], bool], work: Callable[[], object] = lambda: None
    ) -> Callable[[], None]:
        """The same for one that fails if `fails` says so when it runs."""

        def launch() -> None:
            queue = self.current.here.queue
            number, address = queue.failure_word()

            def run() -> None:
                work()
                if fails():
                    self.driver.poke(address, (7).to_bytes(4, "little"))

            self.driver.launch(queue.handle, run)
            queue.fail_if_set(number, lambda word: RunFailed(f"word {word}"))

        return launch

    def clears(self, nbytes: int) -> Callable[[], None]:
        """What queues zeros for scratch memory."""
        from cupy.cuda import runtime

        def launch() -> None:
            queue = self.current.here.queue
            runtime.memsetAsync(queue.scratch(nbytes), 0, nbytes, queue.handle)

        return launch

    def blocking(self, work: Callable[[], object]) -> Callable[[], None]:
        """Work that has to wait: it is for the stream's worker."""

        from cupy.cuda import runtime

        def launch() -> None:
            if not self.current.here.queue.may_block:
                raise self.must_block
            self.driver.launch(self.current.here.queue.handle, lambda: None)
            runtime.streamSynchronize(self.current.here.queue.handle)
            work()

        return launch

    def told(self, stream: Any) -> list[int]:
        """Of what the stream has told times, in order; they must not go backwards."""
        last = 0
        for at, start, end in self.spans[stream]:
            assert last <= start <= end, f"{at} ran before what was queued before it"
            last = end
        return [at for at, _, _ in self.spans[stream]]

    def close(self) -> None:
        """Ends all; nothing may be left, and nothing may have been misused.

        Memory of a GPU that is lost cannot be given back.
        """
        driver = self.driver
        driver.release()
        for gpu in self.gpus:
            gpu.close()
        assert driver.misuse == []
        assert self.shared.unchecked == 0
        assert self.shared.open == []
        assert driver.streams == {}
        assert all(event.destroyed for event in driver.events.values())
        assert not [thread for thread in threading.enumerate() if "stream" in thread.name]
        if not driver.lost:
            assert driver.memory == driver.graphs == {}
            assert all(gpu.account.current == 0 for gpu in self.gpus)

    def together(self, *works: Callable[[], object]) -> list[threading.Thread]:
        """Threads of the program that do this; where the run fails, they end."""

        def until_the_end(work: Callable[[], object]) -> None:
            with suppress(Cancelled):
                work()

        threads = [threading.Thread(target=until_the_end, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        return threads


def until(true: Callable[[], object]) -> None:
    """Waits for what another thread does, which may take any time."""
    last = time.monotonic() + GUARD
    while not true():
        assert time.monotonic() < last, "stuck"
        time.sleep(1e-4)


def join(threads: Iterable[threading.Thread]) -> None:
    """Waits for their end."""
    for thread in threads:
        thread.join(GUARD)
        assert not thread.is_alive(), "stuck"


@contextmanager
def opened(gpus: int = 1, ends_runs: bool = True) -> Iterator[Setting]:
    """A setting, closed after the `with`."""
    with installed(gpus) as driver:
        setting = Setting(driver, ends_runs)
        try:
            yield setting
        except BaseException:
            driver.release()  # so that what still waits ends
            for gpu in setting.gpus:
                gpu.cancel()
                gpu.close()
            raise
        setting.close()
