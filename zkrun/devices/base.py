"""The contract between the engine and a device: memory, copies, functions, streams, events.

A device is a folder here (found by name) or an installed package (entry point `zkrun.devices`). It
owns its memory and its implementation of each function; the engine knows nothing else of it.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from zkrun.errors import ZkrunError
from zkrun.program.signature import Call
from zkrun.program.types import Typ

if TYPE_CHECKING:
    from zkrun.devices.account import Account

__all__ = [
    "Block",
    "Cancelled",
    "Clock",
    "Data",
    "Device",
    "Event",
    "Function",
    "Ranges",
    "Stream",
    "Value",
    "Work",
]


class Cancelled(ZkrunError):
    """Raised inside a thread or stream that must stop because another part of the run failed."""

    exit_code = 4


@dataclass(slots=True, eq=False)
class Block:
    """Memory taken on a device. `address` is a pointer of the device, or a file position."""

    device: Device
    address: int
    nbytes: int
    owner: Any = None  # what keeps the memory alive: a pool slab, a mapping, a file
    arena: bool = False  # lies at an offset of the arena: freeing it is bookkeeping, never queued


@dataclass(slots=True, eq=False)
class Data:
    """A value in memory: a view of `length` elements from element `offset`, wrapping at `whole`.

    `address` is that of element 0 of the whole array; `item` is the size of an element in bytes.
    A Scalar or Point is a whole of one element; a GpuBuffer's elements are bytes.
    """

    typ: Typ
    block: Block
    address: int
    item: int
    whole: int
    offset: int
    length: int
    native: Any = field(default=None, repr=False)  # the device's own handle of this view, cached

    def runs(self) -> tuple[tuple[int, int], ...]:
        """The contiguous pieces of the view in order: (address, bytes); at most two."""
        if not self.length:
            return ()
        first = min(self.length, self.whole - self.offset)
        head = (self.address + self.offset * self.item, first * self.item)
        if first == self.length:
            return (head,)
        return (head, (self.address, (self.length - first) * self.item))


Value = Any
"""What a variable is bound to: Data, a transcript's state, a Stream, or a tuple of values."""

Function = Callable[[Sequence[Value], Sequence[Value]], None]
"""A function bound to its device and parameters: (mutable, immutable without the stream).

Where the call has a workspace, its buffer is the last of the mutable ones.
"""


class Event:
    """A point in the order of a run to wait for; completes at most once."""

    __slots__ = ("_done", "_lock", "_subscribers", "error", "native", "wanted", "watch")

    def __init__(self) -> None:
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[], None]] = []
        self.error: BaseException | None = None
        self.native: Any = None  # a device's own event, where it has one
        self.wanted = False  # whether it is to be completed at once, not in a device's leisure
        self.watch: Callable[[], None] | None = None  # blocks for as long as waiting that way helps

    def complete(self, error: BaseException | None = None) -> None:
        """Completes the event; with an error, those who wait stop instead of going on."""
        with self._lock:
            if self._done.is_set():
                return
            self.error = error
            self._done.set()
            subscribers, self._subscribers = self._subscribers, []
        for notify in subscribers:
            notify()

    def is_complete(self) -> bool:
        return self._done.is_set()

    def wait(self) -> None:
        """Blocks until the event completes; raises Cancelled where the run has failed meanwhile."""
        self.wanted = True
        if self.watch is not None:
            self.watch()
        self._done.wait()
        self.check()

    def check(self) -> None:
        """Raises Cancelled where the event completed with an error."""
        if self.error is not None:
            raise Cancelled("the run was cancelled") from self.error

    def subscribe(self, notify: Callable[[], None]) -> None:
        """Calls `notify` once when the event completes, at once where it has: must not block."""
        with self._lock:
            if not self._done.is_set():
                self._subscribers.append(notify)
                return
        notify()


Work = Callable[[], None]
"""A function or copy with its operands, for a stream to call."""

Ranges = tuple[Callable[[str], None], Callable[[], None]]
"""(begin a range of this name, end it) on the calling thread, for a profiler that listens."""

Clock = Callable[[int, int, int], None]
"""Called by a stream for each piece of work: (`at` of the submitter, start ns, end ns),
perf_counter_ns.

Work is what `run` queued, but also each `wait` (from when the stream reached it until it went on)
and each `record` (start and end are the same).
"""


class Stream(ABC):
    """A queue on a GPU: work runs in order, the thread that queues goes on at once."""

    device: Device

    @abstractmethod
    def run(self, at: int, work: Callable[..., None], *operands: object) -> None:
        """Queues `work(*operands)`. `at` names the instruction in traces and errors.

        A stream of real hardware calls `work` at once, which launches asynchronously on this
        stream; the virtual one calls it later on its worker.
        """

    def run_all(self, works: Sequence[tuple[int, Work]], key: object) -> None:
        """Queues several in order, each as by `run` with its `at`.

        A device that keeps what it made of them may queue that again, instead of calling them,
        when the same instructions come with an equal key: it says all that they depend on.
        """
        for at, work in works:
            self.run(at, work)

    @abstractmethod
    def record(self, at: int, event: Event) -> None:
        """Completes the event when all that was queued before has passed."""

    @abstractmethod
    def wait(self, at: int, event: Event) -> None:
        """Makes work queued later wait for the event."""

    @abstractmethod
    def synchronize(self) -> None:
        """Blocks until all that was queued has passed."""

    @abstractmethod
    def close(self) -> None:
        """Ends the stream, dropping work that has not started."""


class Device(ABC):
    """One device of one run. Made by its folder's `open_device`, closed whatever happens."""

    host_memory: ClassVar[bool] = False  # whether its addresses are pointers of this process
    name: str  # "cpu", "gpu:0", "disk"
    account: Account  # current and peak bytes really taken

    @abstractmethod
    def reserve(self, nbytes: int) -> None:
        """Takes the arena for allocations with an offset. ResourceLimit where it does not fit."""

    @abstractmethod
    def allocate(self, nbytes: int, offset: int | None) -> Block:
        """Fresh memory, 64-byte aligned; at `offset` of the arena where given. Thread-safe."""

    @abstractmethod
    def free(self, block: Block) -> None:
        """Gives memory back, wiped. Never called twice for one block. Thread-safe."""

    @abstractmethod
    def read(self, data: Data) -> bytearray:
        """The bytes of a view, in order, on the host."""

    @abstractmethod
    def write(self, data: Data, payload: bytes | bytearray | memoryview) -> None:
        """Overwrites a view with as many bytes from the host."""

    @abstractmethod
    def copy(self, dst: Data, src: Data) -> None:
        """Copies a view of any device (`src.block.device`) to one of this device, run by run."""

    @abstractmethod
    def copy_to_host(self, dst: Data, src: Data) -> None:
        """Copies a view of this device to one of a device whose memory is the host's."""

    def foresee(self, calls: Sequence[Call]) -> None:
        """Told of all calls before they are bound: what takes long can be done for all at once."""
        return

    @abstractmethod
    def bind(self, call: Call) -> Function:
        """The implementation of a call, specialised before the run. RunFailed without one."""

    @abstractmethod
    def open_stream(self, clock: Clock, fail: Callable[[int, BaseException], None]) -> Stream:
        """A new queue. RunFailed off a GPU.

        `fail(at, error)` is called when queued work raises, before those who wait for it go on.
        """

    def ranges(self) -> Ranges | None:
        """How to name what runs to a profiler of this kind of device, where one is attached."""
        return None

    @abstractmethod
    def cancel(self) -> None:
        """Makes running work end soon (with Cancelled). Thread-safe, idempotent."""

    def restart(self) -> bool:
        """Makes a device whose run has succeeded ready for another run of the same program.

        It ends streams and takes all memory back, but may keep what it prepared. Where it cannot,
        the answer is False: it is to be closed, and another opened in its place.
        """
        return False

    @abstractmethod
    def close(self) -> None:
        """Ends streams and gives everything back. Idempotent."""
