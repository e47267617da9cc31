"""The virtual GPU: what a program for GPUs needs, on any machine."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

from zkrun.devices.base import Clock, Function, Stream, Value
from zkrun.devices.cpu.pool import poison
from zkrun.devices.host_device import HostDevice
from zkrun.devices.virtual.stream import Hesitation, VirtualStream
from zkrun.errors import RunFailed
from zkrun.program.signature import Call

__all__ = ["VirtualGpu"]


class VirtualGpu(HostDevice):
    """A GPU of its own memory, limit and account, whose work is done by threads of the host.

    Memory that was not written, or was freed, is poisoned. With `shuffle`, a seed, streams hold
    work back for moments that the seed chooses, so that other schedules happen that are as legal:
    what a missing Wait leaves to luck goes wrong soon. The scratch memory of the CPU's functions is
    not counted: a GPU's kernels take another amount. Buffers that programs give them to work in are
    not used, only poisoned.
    """

    def __init__(self, name: str, limit: int | None = None, shuffle: int | None = None) -> None:
        super().__init__(name, limit, poison=True, count_workspace=False)
        self._shuffle = shuffle
        self._streams: list[VirtualStream] = []
        self._opened = 0
        self._lock = threading.Lock()

    def bind(self, call: Call) -> Function:
        if "gpu" not in call.signature.devices:
            raise RunFailed(f"{call.signature.name} does not run on a GPU")
        function = super().bind(call)
        if call.workspace is None:
            return function

        def run(mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
            function(mutable, immutable)
            workspace = mutable[-1]
            poison(workspace.address + workspace.offset, workspace.length)

        return run

    def open_stream(self, clock: Clock, fail: Callable[[int, BaseException], None]) -> Stream:
        with self._lock:
            number = self._opened
            self._opened += 1
        hesitation = None
        if self._shuffle is not None:
            hesitation = Hesitation(random.Random(f"{self._shuffle} {self.name} {number}"))
        stream = VirtualStream(self, f"{self.name} stream {number}", clock, fail, hesitation)
        with self._lock:
            self._streams.append(stream)
        return stream

    def cancel(self) -> None:
        super().cancel()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()

    def close(self) -> None:
        super().cancel()  # work that is still running is of no use to anyone
        with self._lock:
            streams, self._streams = self._streams, []
        for stream in streams:
            stream.close()
        super().close()

    def forget(self, stream: VirtualStream) -> None:
        """A stream has been closed."""
        with self._lock:
            if stream in self._streams:
                self._streams.remove(stream)
