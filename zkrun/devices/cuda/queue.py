"""What functions and copies launch on: a CUDA stream with scratch memory and words for failures."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cupy
from cupy.cuda import runtime

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice

__all__ = ["MustBlock", "Queue", "current"]

_NON_BLOCKING = 1
_TO_HOST = 2
_WORDS = 256

Check = Callable[[], None]


class MustBlock(Exception):
    """Work cannot be queued at once: it is to be run where it may wait, on the stream's worker."""


class _Current(threading.local):
    """What this thread launches on, if anything, and whether it may wait there."""

    queue: Queue | None = None
    may_block: bool = True


current = _Current()


class Queue:
    """One CUDA stream. Its scratch memory is that of whatever runs next, for work runs in order."""

    def __init__(self, device: CudaDevice) -> None:
        self.gpu = device
        self.handle: int = runtime.streamCreateWithFlags(_NON_BLOCKING)
        self.checks: list[Check] = []  # of the work that is being queued
        self._scratch = (0, 0)
        self._words = 0
        self._words_pinned = 0
        self._free_words: list[int] = []

    def __cuda_stream__(self) -> tuple[int, int]:
        """CuPy's way to know a stream of others: (version, handle)."""
        return 0, self.handle

    def cupy_stream(self) -> Any:
        """The stream as CuPy's, for a `with` or as an argument."""
        return cupy.cuda.Stream.from_external(self)

    def scratch(self, nbytes: int) -> int:
        """The address of memory that is free until the work that is being queued has passed."""
        address, size = self._scratch
        if size < nbytes:
            if address:
                self.gpu.pool.free(address, self.handle)
            self._scratch = (0, 0)
            address = self.gpu.pool.allocate(nbytes)
            self._scratch = (address, nbytes)
        return address

    def failure_word(self) -> tuple[int, int]:
        """(number, address) of a 32-bit word that is 0 when the work begins."""
        if not self._words:
            self._words = self.gpu.pool.allocate(4 * _WORDS)
            self._words_pinned = runtime.hostAlloc(4 * _WORDS, 0)
            self._free_words = list(range(_WORDS))
        if not self._free_words:
            # As many failures are looked for as there are words: the oldest will soon be known.
            raise MustBlock
        number = self._free_words.pop()
        address = self._words + 4 * number
        runtime.memsetAsync(address, 0, 4, self.handle)
        return number, address

    def fail_if_set(self, number: int, error: Callable[[int], BaseException]) -> None:
        """Raises error(word) where the word is not 0 once the work that is being queued passed."""
        pinned = self._words_pinned + 4 * number
        runtime.memcpyAsync(pinned, self._words + 4 * number, 4, _TO_HOST, self.handle)

        def check() -> None:
            word = ctypes.c_uint32.from_address(pinned).value
            self._free_words.append(number)
            if word:
                raise error(word)

        self.checks.append(check)

    def run_checks(self) -> None:
        """Looks for failures of work that has passed."""
        checks, self.checks = self.checks, []
        for check in checks:
            check()

    def close_queue(self) -> None:
        """Gives everything back once all work has passed."""
        runtime.streamSynchronize(self.handle)
        for address in (self._scratch[0], self._words):
            if address:
                self.gpu.pool.free(address, self.handle)
        if self._words_pinned:
            runtime.freeHost(self._words_pinned)
        runtime.streamSynchronize(self.handle)
        runtime.streamDestroy(self.handle)
