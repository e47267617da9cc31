"""A device whose memory is the host's: what the CPU and the virtual GPU have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from zkrun.devices import host
from zkrun.devices.account import Account, bytes_text
from zkrun.devices.base import Block, Cancelled, Data, Device, Function, Value
from zkrun.devices.cpu.functions import FACTORIES, Tools
from zkrun.devices.cpu.native_module import native
from zkrun.devices.cpu.pool import Pool, Region
from zkrun.devices.reserved import ReservedArena
from zkrun.errors import ResourceLimit, RunFailed
from zkrun.program.signature import Call

__all__ = ["HostDevice"]


class HostDevice(Device):
    """Memory from a pool, functions from the native module; counted in a native Context.

    With `count_workspace` the scratch memory of functions counts too.
    """

    host_memory: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        limit: int | None = None,
        poison: bool = False,
        count_workspace: bool = True,
    ) -> None:
        self.name = name
        self._native = native()
        self._tools = Tools(self._native, self._native.Context())
        counter = self._tools.context if count_workspace else self._native.Context()
        self.account = Account(name, limit, counter)
        self._pool = Pool(self.account, poison)
        self._arena: ReservedArena | None = None
        self._closed = False

    def reserve(self, nbytes: int) -> None:
        region = self._pool.reserve(nbytes)
        self._arena = ReservedArena(self.name, nbytes, region.address, region)

    def allocate(self, nbytes: int, offset: int | None) -> Block:
        if offset is not None:
            return ReservedArena.block(self._arena, self, offset, nbytes)
        address, region = self._pool.allocate(nbytes)
        return Block(self, address, nbytes, region)

    def free(self, block: Block) -> None:
        if self._arena is not None and block.arena:
            self._arena.free(block)  # not wiped: work that is queued may still read it
            return
        region: Region = block.owner
        self._pool.free(block.address, region, block.nbytes)

    def adopt(self, address: int, nbytes: int, owner: Any) -> Block:
        """A block of memory that is not the device's: a mapped file, say, which `owner` keeps open.

        It is neither counted nor wiped, and must not be freed.
        """
        return Block(self, address, nbytes, owner)

    def read(self, data: Data) -> bytearray:
        return host.read(data)

    def write(self, data: Data, payload: bytes | bytearray | memoryview) -> None:
        host.write(data, payload)

    def copy(self, dst: Data, src: Data) -> None:
        if src.block.device.host_memory:
            host.copy(dst, src, self.check)
        else:
            src.block.device.copy_to_host(dst, src)

    def copy_to_host(self, dst: Data, src: Data) -> None:
        host.copy(dst, src, self.check)

    def check(self) -> None:
        """Raises Cancelled once the run is to stop."""
        if self._tools.context.cancelled:
            raise Cancelled("the run was cancelled")

    def bind(self, call: Call) -> Function:
        name = call.signature.name
        factory = FACTORIES.get(name)
        function = factory(call, self._tools) if factory is not None else _installed(call)
        return self._guarded(call, function)

    def _guarded(self, call: Call, function: Function) -> Function:
        """The function with the native module's errors told in zkrun's own.

        It works in memory of its own, not in the workspace that the program gives it.
        """
        name, operands = call.signature.name, len(call.mutable)
        stopped, account, check = self._native.Cancelled, self.account, self.check

        def run(mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
            try:
                function(mutable[:operands], immutable)
            except stopped:
                raise Cancelled("the run was cancelled") from None
            except MemoryError:
                check()
                error = ResourceLimit(
                    f"{account.device}: no memory for the workspace of {name}; "
                    f"{bytes_text(account.current)} are held"
                )
                error.device = account.device
                raise error from None

        return run

    def cancel(self) -> None:
        self._tools.context.cancel()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._arena = None
            self._pool.close()


def _installed(call: Call) -> Function:
    """The implementation that an installed package gives for the CPU, whose memory this is."""
    from zkrun.program.functions.registry import implementations

    name = call.signature.name
    factory = implementations(name).get("cpu")
    if factory is None:
        raise RunFailed(f"{name}: the package that names it has no implementation for the CPU")
    function: Function = factory(call)
    return function
