"""A pool of operating-system threads that grows as a program forks and is reused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from zkrun.errors import ResourceLimit

__all__ = ["Pool"]

Work = Callable[[], None]


class Pool:
    """Runs every piece of work at once on a thread of its own, for each may wait for another.

    Work must not raise. `close` waits for all of it and ends the threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Work | None]] = []
        self._workers: list[tuple[threading.Thread, SimpleQueue[Work | None]]] = []

    def submit(self, work: Work) -> None:
        """Starts `work`. ResourceLimit where the system gives no further thread."""
        with self._lock:
            if self._idle:
                self._idle.pop().put(work)
                return
            inbox: SimpleQueue[Work | None] = SimpleQueue()
            name = f"zkrun-{len(self._workers)}"
            thread = threading.Thread(target=self._serve, args=(inbox,), name=name, daemon=True)
            inbox.put(work)
            try:
                thread.start()
            except RuntimeError as error:
                count = len(self._workers)
                raise ResourceLimit(
                    f"the system gives no thread beyond the {count} that run already"
                ) from error
            self._workers.append((thread, inbox))

    def close(self) -> None:
        """Ends the threads once their work has ended."""
        for _, inbox in self._workers:
            inbox.put(None)
        for thread, _ in self._workers:
            thread.join()
        self._workers.clear()

    def _serve(self, inbox: SimpleQueue[Work | None]) -> None:
        while (work := inbox.get()) is not None:
            work()
            with self._lock:
                self._idle.append(inbox)
