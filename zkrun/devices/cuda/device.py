"""One NVIDIA GPU of one run: memory, copies, functions, streams."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cupy.cuda import runtime

from zkrun.devices import host
from zkrun.devices.account import Account
from zkrun.devices.base import Block, Cancelled, Clock, Data, Device, Function, Stream, Value
from zkrun.devices.cuda import copies
from zkrun.devices.cuda.functions import FACTORIES, Launch
from zkrun.devices.cuda.memory import SLAB, DevicePool, pinned
from zkrun.devices.cuda.queue import MustBlock, Queue, current
from zkrun.devices.cuda.stream import CudaStream
from zkrun.devices.reserved import ReservedArena
from zkrun.errors import RunFailed
from zkrun.program.signature import Call

__all__ = ["CudaDevice"]

_ON_DEVICE, _TO_DEVICE = 3, 1


class CudaDevice(Device):
    """GPU `index` of this machine, as `name`.

    Outside of streams everything is done when a method returns; within the work of a stream,
    copies and functions are only queued.
    """

    def __init__(self, name: str, index: int, limit: int | None = None) -> None:
        self.name = name
        self.index = index
        self.account = Account(name, limit)
        self.use()
        self.pool = DevicePool(index, self.account)
        self.plans: dict[object, object] = {}  # what functions prepare before the run, by key
        self._immediate = Queue(self)
        self._immediate_lock = threading.RLock()
        self._arena: ReservedArena | None = None
        self._streams: list[CudaStream] = []
        self._opened = 0
        self._lock = threading.Lock()
        self._cancelled = self._closed = False

    def use(self) -> None:
        """Makes this GPU the calling thread's."""
        if runtime.getDevice() != self.index:
            runtime.setDevice(self.index)

    def reserve(self, nbytes: int) -> None:
        self.use()
        self._arena = ReservedArena(self.name, nbytes, self.pool.allocate(nbytes), None)

    def allocate(self, nbytes: int, offset: int | None) -> Block:
        if offset is not None:
            return ReservedArena.block(self._arena, self, offset, nbytes)
        self.use()
        return Block(self, self.pool.allocate(nbytes), nbytes)

    def free(self, block: Block) -> None:
        if self._arena is not None and block.arena:
            self._arena.free(block)  # not wiped: work that is queued may still read it
            return
        self.use()
        queue = current.queue
        self.pool.free(block.address, None if queue is None else queue.handle)

    def read(self, data: Data) -> bytearray:
        payload = bytearray(data.length * data.item)
        runs, target = [], host.address_of(payload)
        for address, nbytes in data.runs():
            runs.append((target, address, nbytes))
            target += nbytes
        with self._blocking() as queue:
            copies.to_host(self.index, queue.handle, runs, self.check)
        return payload

    def write(self, data: Data, payload: bytes | bytearray | memoryview) -> None:
        source = memoryview(payload).cast("B")
        if source.nbytes != data.length * data.item:
            raise ValueError(f"{source.nbytes} bytes for a value of {data.length * data.item}")
        runs, start = [], 0
        for address, nbytes in data.runs():
            runs.append((address, start, nbytes))
            start += nbytes

        def fill(slab: int, place: int, nbytes: int) -> None:
            host.memory(slab, nbytes)[:] = source[place : place + nbytes]

        with self._blocking() as queue:
            copies.to_device(self.index, queue.handle, runs, fill)

    def copy(self, dst: Data, src: Data) -> None:
        self.check()
        other = src.block.device
        if isinstance(other, CudaDevice):
            self._copy_between(dst, src, other)
        elif other.host_memory:
            self._copy_from_host(dst, src)
        else:
            self._copy_through_host(dst, src, other)

    def copy_to_host(self, dst: Data, src: Data) -> None:
        self.check()
        with self._blocking() as queue:
            copies.to_host(self.index, queue.handle, _runs(dst, src), self.check)

    def _copy_between(self, dst: Data, src: Data, other: CudaDevice) -> None:
        queue = current.queue
        if queue is None:
            with self._queue() as queue:
                self._queue_copies(queue, _runs(dst, src), other.index)
        else:
            self._queue_copies(queue, _runs(dst, src), other.index)

    def _queue_copies(self, queue: Queue, runs: list[Run], other: int) -> None:
        for target, source, nbytes in runs:
            if other == self.index:
                runtime.memcpyAsync(target, source, nbytes, _ON_DEVICE, queue.handle)
            else:
                runtime.memcpyPeerAsync(target, self.index, source, other, nbytes, queue.handle)

    def _copy_from_host(self, dst: Data, src: Data) -> None:
        runs = _runs(dst, src)
        if dst.length * dst.item <= copies.IMMEDIATE:
            with self._queue() as queue:
                for target, source, nbytes in runs:
                    runtime.memcpyAsync(target, source, nbytes, _TO_DEVICE, queue.handle)
            return

        def fill(slab: int, source: int, nbytes: int) -> None:
            self.check()
            ctypes.memmove(slab, source, nbytes)

        with self._blocking() as queue:
            copies.to_device(self.index, queue.handle, runs, fill)

    def _copy_through_host(self, dst: Data, src: Data, other: Device) -> None:
        """From a device that can bring its bytes to the host's memory: the disk."""
        step = max(1, SLAB // dst.item)
        with self._blocking() as queue, pinned.slab() as slab:
            for start in range(0, dst.length, step):
                count = min(step, dst.length - start)
                target = host.part(dst, start, count)
                bounce = Data(target.typ, target.block, slab, dst.item, count, 0, count)
                other.copy_to_host(bounce, host.part(src, start, count))
                for address, source, nbytes in host.joint_runs(target, bounce):
                    runtime.memcpyAsync(address, source, nbytes, _TO_DEVICE, queue.handle)
                runtime.streamSynchronize(queue.handle)

    def check(self) -> None:
        """Raises Cancelled once the run is to stop."""
        if self._cancelled:
            raise Cancelled("the run was cancelled")

    def bind(self, call: Call) -> Function:
        name = call.signature.name
        if "gpu" not in call.signature.devices:
            raise RunFailed(f"{name} does not run on a GPU")
        factory = FACTORIES.get(name)
        self.use()
        with self._immediate_lock:
            launch = factory(call, self) if factory is not None else _installed(call)

        def function(mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
            if self._cancelled:
                raise Cancelled("the run was cancelled")
            queue = current.queue
            if queue is not None:
                launch(queue, mutable, immutable)
            else:
                with self._queue() as queue:
                    launch(queue, mutable, immutable)

        return function

    def prepare(self) -> Queue:
        """The queue for what functions prepare before the run, while they are bound."""
        return self._immediate

    @contextmanager
    def _queue(self) -> Iterator[Queue]:
        """Where to launch: the stream whose work this is, else done when the `with` ends."""
        if current.queue is not None:
            yield current.queue
            return
        self.use()
        with self._immediate_lock:
            self._immediate.checks.clear()
            yield self._immediate
            runtime.streamSynchronize(self._immediate.handle)
            self._immediate.run_checks()

    @contextmanager
    def _blocking(self) -> Iterator[Queue]:
        """The same for work that waits: within a stream it is left to the stream's worker."""
        if not current.may_block and current.queue is not None:
            raise MustBlock
        with self._queue() as queue:
            yield queue

    def open_stream(self, clock: Clock, fail: Callable[[int, BaseException], None]) -> Stream:
        self.use()
        with self._lock:
            number = self._opened
            self._opened += 1
        stream = CudaStream(self, f"{self.name} stream {number}", clock, fail)
        with self._lock:
            self._streams.append(stream)
        return stream

    def forget(self, stream: CudaStream) -> None:
        """A stream has been closed."""
        with self._lock:
            if stream in self._streams:
                self._streams.remove(stream)

    def cancel(self) -> None:
        self._cancelled = True
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = self._cancelled = True
        self.use()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.close()
        self.plans.clear()
        self._immediate.close_queue()
        self.pool.close()
        pinned.wipe()


Run = tuple[int, int, int]
"""(target, source, bytes)"""


def _runs(dst: Data, src: Data) -> list[Run]:
    """The pieces of a copy that lie together in both views."""
    if dst.offset + dst.length <= dst.whole and src.offset + src.length <= src.whole:
        target = dst.address + dst.offset * dst.item
        return [(target, src.address + src.offset * src.item, dst.length * dst.item)]
    return list(host.joint_runs(dst, src))


def _installed(call: Call) -> Launch:
    """The implementation of an installed package, which launches on CuPy's current stream."""
    from zkrun.program.functions.registry import implementations

    name = call.signature.name
    factory = implementations(name).get("cuda")
    if factory is None:
        raise RunFailed(f"{name}: the package that names it has no implementation for GPUs")
    function: Function = factory(call)

    def launch(queue: Queue, mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
        with queue.cupy_stream():
            function(mutable, immutable)

    return launch
