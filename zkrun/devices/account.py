"""What a device has really taken: bytes now, the most so far, and the limit that a user may set."""

from __future__ import annotations

import threading
from typing import Protocol

from zkrun.errors import ResourceLimit

__all__ = ["Account", "Counter", "bytes_text"]


_MOST = 1 << 62


class Counter(Protocol):
    """Counts bytes. The native Context is one, to which kernels add their scratch memory."""

    @property
    def current(self) -> int: ...
    @property
    def peak(self) -> int: ...
    def add(self, nbytes: int, /) -> None: ...
    def sub(self, nbytes: int, /) -> None: ...


class _PlainCounter:
    """A counter for devices without kernels of their own; its owner guards it by a lock."""

    def __init__(self) -> None:
        self.current = 0
        self.peak = 0

    def add(self, nbytes: int, /) -> None:
        self.current += nbytes
        self.peak = max(self.peak, self.current)

    def sub(self, nbytes: int, /) -> None:
        self.current -= nbytes


class Account:
    """The bytes of one device of one run. Thread-safe.

    Bytes count from the moment they are reserved, touched or not. Files that are mapped as
    constants do not count: the system may drop their pages at any time. The workspace of kernels,
    and pages of files that are locked for a GPU, count in `current` and `peak`, but not against the
    limit, so that whether a program keeps to it never depends on timing.
    """

    def __init__(
        self, device: str, limit: int | None = None, counter: Counter | None = None
    ) -> None:
        self.device = device
        self.limit = limit
        self._counter = counter if counter is not None else _PlainCounter()
        self._taken = 0  # what `take` counted: the rest of `current` is the workspace of kernels
        self._lock = threading.Lock()

    @property
    def current(self) -> int:
        return self._counter.current

    @property
    def peak(self) -> int:
        return self._counter.peak

    def take(self, nbytes: int, workspace: bool = False) -> None:
        """Counts `nbytes` as taken. ResourceLimit where that would pass the limit."""
        with self._lock:
            if nbytes > _MOST:
                raise self.refusal(nbytes, "no memory is that large")
            if not workspace:
                if self.limit is not None and self._taken + nbytes > self.limit:
                    raise self.refusal(nbytes, f"the limit set for it is {bytes_text(self.limit)}")
                self._taken += nbytes
            self._counter.add(nbytes)

    def give(self, nbytes: int, workspace: bool = False) -> None:
        """Counts `nbytes` as given back."""
        with self._lock:
            if not workspace:
                self._taken -= nbytes
            self._counter.sub(nbytes)

    def refusal(self, nbytes: int, reason: str) -> ResourceLimit:
        """The error for `nbytes` more that cannot be had."""
        error = ResourceLimit(
            f"{self.device}: {bytes_text(nbytes)} more cannot be taken: "
            f"{bytes_text(self.current)} held already, and {reason}"
        )
        error.device = self.device
        return error


def bytes_text(nbytes: int) -> str:
    """A number of bytes for people: `1.50 GiB`."""
    if nbytes < 1024:
        return f"{nbytes} byte{'' if nbytes == 1 else 's'}"
    power = min((nbytes.bit_length() - 1) // 10, 6)
    value = nbytes / 1024**power
    unit = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")[power - 1]
    return f"{value:.2f} {unit}" if value < 1e6 else f"{value:.2e} {unit}"
