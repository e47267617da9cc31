"""One NVIDIA GPU of one run: memory, copies, functions, streams."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cupy.cuda import nvtx, runtime

from zkrun.devices import host
from zkrun.devices.account import Account
from zkrun.devices.base import (
    Block,
    Cancelled,
    Clock,
    Data,
    Device,
    Function,
    Ranges,
    Stream,
    Value,
)
from zkrun.devices.cuda import _rows, copies
from zkrun.devices.cuda.description import architecture_of
from zkrun.devices.cuda.errors import give_back, told
from zkrun.devices.cuda.functions.table import FACTORIES, installed
from zkrun.devices.cuda.kernels.compile import compile_all
from zkrun.devices.cuda.kernels.units import units_of
from zkrun.devices.cuda.memory import SLAB, DevicePool, PinnedSlots, pinned
from zkrun.devices.cuda.streams.deliveries import awaited
from zkrun.devices.cuda.streams.events import EventPool
from zkrun.devices.cuda.streams.graphs import Lane
from zkrun.devices.cuda.streams.queue import Here, MustBlock, Queue, current
from zkrun.devices.cuda.streams.stream import CudaStream
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

    def __init__(
        self,
        name: str,
        index: int,
        limit: int | None = None,
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.name = name
        self.index = index
        self.account = Account(name, limit)
        self.plans: dict[object, object] = {}  # what functions prepare before the run, by key
        self._functions: dict[object, Function] = {}
        self._lanes: list[Lane] = []
        self._free_lanes: list[Lane] = []
        self._notify = notify
        self._immediate_lock = threading.RLock()
        self._arena: ReservedArena | None = None
        self._arena_memory = 0  # stays for the next run of the program
        self._streams: list[CudaStream] = []
        self._lock = threading.Lock()
        self._cancelled = self._closed = False
        self.slots, self.events = PinnedSlots(), EventPool()
        with told(self.account):
            self.use()
            self.pool = DevicePool(index, self.account)
            try:
                self.events.make_ready()
                self.slots.make_ready()
                self._immediate = Queue(self)
            except BaseException:
                self.slots.close()
                self.events.close()
                self.pool.close()
                raise

    def use(self, here: Here | None = None) -> None:
        """Makes this GPU the calling thread's; `here` is what is that thread's own, if known.

        A new thread has GPU 0 without its context, which the driver's own calls need.
        """
        here = here or current.here
        if here.gpu != self.index or runtime.getDevice() != self.index:
            runtime.setDevice(self.index)
            here.gpu = self.index

    def reserve(self, nbytes: int) -> None:
        if not self._arena_memory:
            self._arena_memory = self._take(nbytes)
        self._arena = ReservedArena(self.name, nbytes, self._arena_memory, None)

    def allocate(self, nbytes: int, offset: int | None) -> Block:
        if offset is not None:
            return ReservedArena.block(self._arena, self, offset, nbytes)
        return Block(self, self._take(nbytes), nbytes)

    def _take(self, nbytes: int) -> int:
        with told(self.account):
            self.use()
            return self.pool.allocate(nbytes, workspace=False)

    def free(self, block: Block) -> None:
        if self._arena is not None and block.arena:
            self._arena.free(block)  # not wiped: work that is queued may still read it
            return
        queue = current.here.queue
        with told(self.account):
            self.use()
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
        runs = _runs(dst, src)
        if not self._queue_at_once(runs, to_host=True):
            with self._blocking() as queue:
                copies.to_host(self.index, queue.handle, runs, self.check, dst.block)

    def _copy_between(self, dst: Data, src: Data, other: CudaDevice) -> None:
        queue = current.here.queue
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
        if self._queue_at_once(runs, to_host=False):
            return

        def fill(slab: int, source: int, nbytes: int) -> None:
            self.check()
            ctypes.memmove(slab, source, nbytes)

        with self._blocking() as queue:
            copies.to_device(self.index, queue.handle, runs, fill, src.block)

    def _queue_at_once(self, runs: list[Run], to_host: bool) -> bool:
        """Queues a copy that nobody need wait for; whether it is one."""
        stream = current.here.queue
        if stream is not None and stream.captures:
            raise MustBlock  # the host's memory may be another's when the graph comes again
        if awaited((target if to_host else source, nbytes) for target, source, nbytes in runs):
            return False
        work = copies.at_once(runs, to_host)
        if work is None:
            return to_host and stream is not None and stream.deliver(runs)
        with self._queue() as queue:
            copies.queue(queue.handle, work, to_host)
        return True

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

    def foresee(self, calls: Sequence[Call]) -> None:
        """Compiles in parallel all kernels that the calls need and that are not on disk yet."""
        self.use()
        units = [unit for call in calls for unit in units_of(call)]
        compile_all(units, architecture_of(self.index), self._notify)

    def bind(self, call: Call) -> Function:
        key = (
            call.signature.name,
            call.curve.name,
            repr(call.params),
            call.written,
            call.immutable,
        )
        if key not in self._functions:
            self._functions[key] = self._bind(call)
        return self._functions[key]

    def _bind(self, call: Call) -> Function:
        name, operands = call.signature.name, len(call.mutable)
        if "gpu" not in call.signature.devices:
            raise RunFailed(f"{name} does not run on a GPU")
        factory = FACTORIES.get(name)
        with told(self.account), self._immediate_lock:
            self.use()
            plain = factory(call, self) if factory is not None else installed(call)

        def with_workspace(
            queue: Queue, mutable: Sequence[Value], immutable: Sequence[Value]
        ) -> None:
            queue.work_in(mutable[operands])
            try:
                plain(queue, mutable[:operands], immutable)
            finally:
                queue.work_in(None)

        launch = with_workspace if call.workspace else plain

        def function(mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
            if self._cancelled:
                raise Cancelled("the run was cancelled")
            queue = current.here.queue
            if queue is not None:
                launch(queue, mutable, immutable)
            else:
                with self._queue() as queue:
                    launch(queue, mutable, immutable)

        return _rows.Bound(launch, function) if isinstance(launch, _rows.Launch) else function

    def prepare(self) -> Queue:
        """The queue for what functions prepare before the run, while they are bound."""
        return self._immediate

    @contextmanager
    def _queue(self) -> Iterator[Queue]:
        """Where to launch: the stream whose work this is, else done when the `with` ends."""
        queue = current.here.queue
        if queue is not None:
            yield queue
            return
        with told(self.account), self._immediate_lock:
            self.use()
            self._immediate.checks.clear()
            yield self._immediate
            runtime.streamSynchronize(self._immediate.handle)
            self._immediate.run_checks()

    @contextmanager
    def _blocking(self) -> Iterator[Queue]:
        """The same for work that waits: within a stream it is left to the stream's worker."""
        stream = current.here.queue
        if stream is not None and not stream.may_block:
            raise MustBlock
        with self._queue() as queue:
            yield queue

    def open_stream(self, clock: Clock, fail: Callable[[int, BaseException], None]) -> Stream:
        self.use()
        lane = self._take_lane()
        try:
            with told(self.account):
                stream = CudaStream(self, f"{self.name} stream {lane.number}", clock, fail, lane)
        except BaseException:
            self._give_lane(lane)
            raise
        with self._lock:
            self._streams.append(stream)
        return stream

    def _take_lane(self) -> Lane:
        """The first that no stream has: in each run of a program the same, for the same streams."""
        with self._lock:
            if not self._free_lanes:
                self._lanes.append(Lane(self, len(self._lanes)))
                return self._lanes[-1]
            lane = min(self._free_lanes, key=lambda lane: lane.number)
            self._free_lanes.remove(lane)
            return lane

    def _give_lane(self, lane: Lane) -> None:
        with self._lock:
            self._free_lanes.append(lane)

    def forget(self, stream: CudaStream) -> None:
        """A stream has been closed."""
        self._give_lane(stream.lane)
        with self._lock:
            if stream in self._streams:
                self._streams.remove(stream)

    def cancel(self) -> None:
        self._cancelled = True
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()

    def ranges(self) -> Ranges | None:
        """NVTX, where a profiler has asked for it to be loaded."""
        if "NVTX_INJECTION64_PATH" not in os.environ or not nvtx.available:
            return None
        return nvtx.RangePush, nvtx.RangePop

    def restart(self) -> bool:
        if self._cancelled:
            return False
        with told(self.account):
            self.use()
            self._close_streams()
            self._arena = None
            self.account = Account(self.name, self.account.limit)
            self.pool.restart(self.account, self._arena_memory)
        return True

    def _close_streams(self) -> None:
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = self._cancelled = True
        give_back(self.use)
        self._close_streams()
        for lane in self._lanes:
            lane.close()
        self._functions.clear()
        self.plans.clear()
        self._immediate.close_queue()
        self.slots.close()
        self.events.close()
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
