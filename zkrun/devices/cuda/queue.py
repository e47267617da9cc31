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

__all__ = ["Check", "MustBlock", "Queue", "current"]

_NON_BLOCKING = 1
_TO_HOST = 2
_WORDS = 256


class MustBlock(Exception):
    """Work cannot be queued at once: it is to be run where it may wait, on the stream's worker."""


class Check:
    """Looks, once work has passed, whether it has set its word."""

    __slots__ = ("_error", "_number", "_queue")

    def __init__(self, queue: Queue, number: int, error: Callable[[int], BaseException]) -> None:
        self._queue, self._number, self._error = queue, number, error

    def __call__(self) -> None:
        """Raises the error where the word is not 0."""
        word = self._queue.word(self._number)
        if not self._queue.captures:  # else the graph will use it again
            self.release()
        if word:
            raise self._error(word)

    def release(self) -> None:
        """The word may be used by others."""
        self._queue.free_words.append(self._number)


class _Current(threading.local):
    """What this thread launches on, if anything, and whether it may wait there."""

    queue: Queue | None = None
    may_block: bool = True


current = _Current()


class Queue:
    """One CUDA stream. Its scratch memory is that of whatever runs next, for work runs in order.

    One that `captures` only makes graphs: what those name stays until it is closed.
    """

    def __init__(self, device: CudaDevice, captures: bool = False) -> None:
        self.gpu = device
        self.captures = captures
        self.handle: int = runtime.streamCreateWithFlags(_NON_BLOCKING)
        self.checks: list[Check] = []  # of the work that is being queued
        self._scratch = (0, 0)
        self._outgrown: list[int] = []
        self._words = 0
        self._words_pinned = 0
        self.free_words: list[int] = []

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
            if address and self.captures:
                self._outgrown.append(address)
            elif address:
                self.gpu.pool.free(address, self.handle)
            self._scratch = (0, 0)
            address = self.gpu.pool.allocate(nbytes)
            self._scratch = (address, nbytes)
        return address

    def failure_word(self) -> tuple[int, int]:
        """(number, address) of a 32-bit word that is 0 when the work begins."""
        if not self._words:
            self._words_pinned = self._words_pinned or runtime.hostAlloc(4 * _WORDS, 0)
            self._words = self.gpu.pool.allocate(4 * _WORDS)
            self.free_words = list(range(_WORDS))
        if not self.free_words:
            # As many failures are looked for as there are words: the oldest will soon be known.
            raise MustBlock
        number = self.free_words.pop()
        address = self._words + 4 * number
        runtime.memsetAsync(address, 0, 4, self.handle)
        return number, address

    def fail_if_set(self, number: int, error: Callable[[int], BaseException]) -> None:
        """Raises error(word) where the word is not 0 once the work that is being queued passed."""
        pinned = self._words_pinned + 4 * number
        runtime.memcpyAsync(pinned, self._words + 4 * number, 4, _TO_HOST, self.handle)
        self.checks.append(Check(self, number, error))

    def word(self, number: int) -> int:
        """What work that has passed left in a word."""
        return ctypes.c_uint32.from_address(self._words_pinned + 4 * number).value

    def run_checks(self) -> None:
        """Looks for failures of work that has passed."""
        checks, self.checks = self.checks, []
        for check in checks:
            check()

    def close_queue(self) -> None:
        """Gives everything back once all work has passed."""
        runtime.streamSynchronize(self.handle)
        for address in (self._scratch[0], *self._outgrown, self._words):
            if address:
                self.gpu.pool.free(address, self.handle)
        if self._words_pinned:
            runtime.freeHost(self._words_pinned)
        runtime.streamSynchronize(self.handle)
        runtime.streamDestroy(self.handle)
