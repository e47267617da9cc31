"""What functions and copies launch on: a CUDA stream with scratch memory and words for failures."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import cupy
from cupy.cuda import runtime

from zkrun.devices.cuda.errors import give_back
from zkrun.devices.cuda.plans.scratch import SCRATCH_ALIGNMENT
from zkrun.devices.cuda.streams.deliveries import deliver, give_up
from zkrun.devices.cuda.streams.rows import Rows

if TYPE_CHECKING:
    from zkrun.devices.base import Data
    from zkrun.devices.cuda.device import CudaDevice

__all__ = ["AtLanding", "Check", "Here", "MustBlock", "Queue", "ScratchMemory", "current"]

_TO_HOST = 2
_WORDS = 256


class AtLanding(Protocol):
    """What is to be done once work has passed."""

    def __call__(self) -> None:
        """Does it. Raises what the work has failed with."""

    def release(self) -> None:
        """It is not to be done any more."""


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
        if word:  # which it stays: the stream has failed
            raise self._error(word)
        if not self._queue.captures:  # else the graph will use it again
            self.release()

    def release(self) -> None:
        """The word, which is 0, may be used by others."""
        self._queue.free_words.append(self._number)


class Here:
    """What a thread launches on, if anything, and the GPU whose context it has."""

    __slots__ = ("gpu", "queue")

    def __init__(self) -> None:
        self.queue: Queue | None = None
        self.gpu: int | None = None


class _Current(threading.local):
    """To ask for what is a thread's own takes time: who needs it twice keeps it."""

    def __init__(self) -> None:
        self.here = Here()


current = _Current()


class ScratchMemory:
    """Memory of whatever runs next on one stream, for work runs in order; as large as any needed.

    The graphs of the stream use it too: those that name it by an address that it no longer has are
    not to be launched any more.
    """

    def __init__(self, device: CudaDevice) -> None:
        self._gpu = device
        self._size = 0
        self.address = 0
        self.kept: dict[Hashable, int] = {}  # of functions/kept.py, by what it is for
        self.stream: int | None = None  # the handle of the stream whose work uses it

    def grow(self, nbytes: int) -> int:
        """Its address, with room for `nbytes`."""
        if self._size < nbytes:
            self.close()
            self.address = self._gpu.pool.allocate(nbytes)
            self._size = nbytes
        return self.address

    def close(self) -> None:
        """Gives it back once what is queued on its stream has passed."""
        if self.address:
            self._gpu.pool.free(self.address, self.stream)
            self.address = self._size = 0


class Queue:
    """One CUDA stream, with scratch memory that may be another's whose work runs in turn with its.

    One that `captures` only makes graphs.
    """

    def __init__(
        self, device: CudaDevice, memory: ScratchMemory | None = None, captures: bool = False
    ) -> None:
        self.gpu = device
        self.captures = captures
        self.may_block = False  # whether what is being queued may wait here
        self.handle: int = runtime.streamCreateWithFlags(runtime.streamNonBlocking)
        self.checks: list[AtLanding] = []  # of the work that is being queued
        self._owns_memory = memory is None
        self.memory = memory or ScratchMemory(device)
        self._given = (0, 0)  # address and bytes of the workspace of what is being queued
        self.rows = Rows(device.index, takes=not self._owns_memory, makes=not captures)
        if not captures:
            self.memory.stream = self.handle
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
        """The address of memory that is free until the work that is being queued has passed.

        It is the workspace that the program gave, where that is large enough, else the stream's.
        """
        address, size = self._given
        return address if nbytes <= size else self.memory.grow(nbytes)

    def work_in(self, buffer: Data | None) -> None:
        """What is queued from now on has this memory to work in; None: the stream's."""
        if buffer is None:
            self._given = (0, 0)
            return
        start = buffer.address + buffer.offset
        address = -(-start // SCRATCH_ALIGNMENT) * SCRATCH_ALIGNMENT
        self._given = address, start + buffer.length - address

    def failure_word(self) -> tuple[int, int]:
        """(number, address) of a 32-bit word that is 0 when the work begins.

        Work that sets it has failed, and the stream with it: so all are 0 once and for all.
        """
        words = self._words or self._make_words()
        self._words_pinned = self._words_pinned or self.gpu.slots.take()
        if not self.free_words:
            # As many failures are looked for as there are words: the oldest will soon be known.
            raise MustBlock
        number = self.free_words.pop()
        return number, words + 4 * number

    def counter(self) -> int:
        """The address of a 32-bit word that is 0 when the work begins, and is to be 0 after it."""
        return self._words or self._make_words()

    def _make_words(self) -> int:
        """Words that are 0: the counter and those for failures."""
        pool = self.gpu.pool
        words = pool.allocate(4 * _WORDS)
        # Not on the queue, which may only be recording what is to be done again and again.
        runtime.memsetAsync(words, 0, 4 * _WORDS, pool.stream)
        runtime.streamSynchronize(pool.stream)
        self.free_words = list(range(1, _WORDS))
        self._words = words
        return words

    def fail_if_set(self, number: int, error: Callable[[int], BaseException]) -> None:
        """Raises error(word) where the word is not 0 once the work that is being queued passed."""
        pinned = self._words_pinned + 4 * number
        runtime.memcpyAsync(pinned, self._words + 4 * number, 4, _TO_HOST, self.handle)
        self.checks.append(Check(self, number, error))

    def word(self, number: int) -> int:
        """What work that has passed left in a word."""
        return ctypes.c_uint32.from_address(self._words_pinned + 4 * number).value

    def deliver(self, runs: Sequence[tuple[int, int, int]]) -> bool:
        """Queues short copies (target, source, bytes) to the host; False where they are not."""
        delivery = deliver(self.gpu.slots, self.handle, runs)
        if delivery is not None:
            self.checks.append(delivery)
        return delivery is not None

    def run_checks(self) -> None:
        """Looks for failures of work that has passed."""
        checks, self.checks = self.checks, []
        for check in checks:
            check()

    def close_queue(self) -> None:
        """Gives everything back once all work has passed."""
        give_back(runtime.streamSynchronize, self.handle)
        if self._words:
            give_back(self.gpu.pool.free, self._words, self.handle)
        if self._owns_memory:
            give_back(self.memory.close)
        if not self.captures:
            self.memory.stream = None
        give_back(runtime.streamSynchronize, self.handle)
        give_up(self.handle)
        if self._words_pinned:
            self.gpu.slots.give(self._words_pinned)
        self.rows.close()
        give_back(runtime.streamDestroy, self.handle)
