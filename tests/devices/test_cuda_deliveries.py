"""Copies between GPUs and memory of the host that is not locked, on the model of the driver.

Random programs of threads and streams on cells of 64 bits, some of the host and some of each GPU:
an operation may only use cells that what came before it has left alone, so all see what they would
see one after the other.
"""

from __future__ import annotations

import ctypes
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from fake_streams import Setting, join, opened

from zkrun.devices.base import Block, Data
from zkrun.program.types import GpuBuffer

SIZE, STREAMS, THREADS = 150, 3, 3
CELLS, BYTES = 5, 8
KINDS = {
    "kernel": 6,
    "bring": 8,  # from the GPU to the host
    "take": 8,  # and back
    "host": 5,  # a thread changes a cell of the host
    "record": 6,
    "wait": 5,
    "host wait": 5,
    "synchronize": 1,
}
HOST, GPU = -1, 0  # where a cell is: there, or on the GPU of this number
Cell = tuple[int, int]


class Memory:
    """Of the host, as a device."""

    name, host_memory = "cpu", True


def on_host(address: int, nbytes: int) -> Block:
    device: Any = Memory()
    return Block(device, address, nbytes)


@dataclass
class Operation:
    at: int
    kind: str
    thread: int
    stream: int
    reads: list[Cell] = field(default_factory=list)
    writes: list[Cell] = field(default_factory=list)
    event: int = -1  # the operation that records it
    before: frozenset[int] = frozenset()
    expects: int = 0  # what it is to find in the cell that it reads


def mixed(value: int, at: int) -> int:
    return (value * 6364136223846793005 + at) % 2**64


class Maker:
    """Of a program, with what is in each cell when all before has been done."""

    def __init__(self, seed: int, gpus: int) -> None:
        self.dice, self.gpus = random.Random(seed), gpus
        self.streams = [frozenset[int]()] * STREAMS
        self.threads = [frozenset[int]()] * THREADS
        self.values = {(place, n): n for place in range(HOST, gpus) for n in range(CELLS)}
        self.writer: dict[Cell, int] = {}
        self.readers: dict[Cell, set[int]] = {}
        self.made: list[Operation] = []

    def free(self, place: int, before: frozenset[int], writes: bool) -> list[Cell]:
        """The cells that may be used after these operations."""
        found = []
        for cell in self.values:
            users = {self.writer[cell]} if cell in self.writer else set()
            if writes:
                users |= self.readers.get(cell, set())
            if cell[0] == place and users <= before:
                found.append(cell)
        return found

    def program(self) -> list[Operation]:
        for at in range(SIZE):
            (kind,) = self.dice.choices(list(KINDS), list(KINDS.values()))
            stream = self.dice.randrange(STREAMS)
            it = Operation(at, kind, stream % THREADS, stream)
            if self.fill(it):
                self.made.append(it)
        return self.made

    def fill(self, it: Operation) -> bool:
        on_thread = it.kind in ("host", "host wait", "synchronize")
        it.before = self.threads[it.thread]
        if not on_thread or it.kind == "synchronize":
            it.before |= self.streams[it.stream]
        if it.kind.endswith("wait"):
            records = [one for one in self.made if one.kind == "record"][-6:]
            if not records:
                return False
            awaited = self.dice.choice(records)
            it.event, it.before = awaited.at, it.before | awaited.before
        if it.kind in ("kernel", "bring", "take", "host") and not self.choose(it):
            return False
        it.before |= {it.at}
        if on_thread:
            self.threads[it.thread] = it.before
        else:
            self.streams[it.stream] = it.before
        return True

    def choose(self, it: Operation) -> bool:
        gpu = it.stream % self.gpus
        source = HOST if it.kind in ("take", "host") else gpu
        target = HOST if it.kind in ("bring", "host") else gpu
        sources = self.free(source, it.before, writes=False)
        targets = self.free(target, it.before, writes=True)
        if source == target:
            sources = targets
        if not sources or not targets:
            return False
        read = self.dice.choice(sources)
        written = read if source == target else self.dice.choice(targets)
        it.reads, it.writes, it.expects = [read], [written], self.values[read]
        value = self.values[read]
        self.values[written] = mixed(value, it.at) if source == target else value
        self.readers.setdefault(read, set()).add(it.at)
        self.writer[written], self.readers[written] = it.at, {it.at}
        return True


class Execution:
    def __init__(self, setting: Setting, operations: list[Operation]) -> None:
        self.setting, self.operations = setting, operations
        self.gpus: list[Any] = [*setting.gpus]
        self.streams = [setting.stream(number % len(self.gpus)) for number in range(STREAMS)]
        self.events = {one.at: setting.event() for one in operations if one.kind == "record"}
        self.memory = (ctypes.c_uint64 * CELLS)(*range(CELLS))
        here = on_host(ctypes.addressof(self.memory), CELLS * BYTES)
        there = [gpu.allocate(CELLS * BYTES, None) for gpu in self.gpus]
        self.blocks = {HOST: here, **dict(enumerate(there))}
        for place, n in itertools.product(range(len(there)), range(CELLS)):
            self.look((place, n)).value = n
        self.wrong: list[str] = []

    def cell(self, cell: Cell) -> Data:
        place, n = cell
        block = self.blocks[place]
        return Data(GpuBuffer(BYTES), block, block.address + n * BYTES, 1, BYTES, 0, BYTES)

    def look(self, cell: Cell) -> ctypes.c_uint64:
        return ctypes.c_uint64.from_address(self.cell(cell).address)

    def change(self, it: Operation) -> None:
        cell = self.look(it.reads[0])
        if cell.value != it.expects:
            self.wrong.append(f"{it.kind} {it.at} found {cell.value}, not {it.expects}")
        cell.value = mixed(it.expects, it.at)

    def thread(self, number: int) -> None:
        for it in self.operations:
            if it.thread == number:
                self.do(it)
        for stream in self.streams:
            stream.synchronize()

    def do(self, it: Operation) -> None:
        stream, work = self.streams[it.stream], None
        gpu = self.gpus[it.stream % len(self.gpus)]
        if it.kind == "kernel":
            work = self.setting.kernel(partial(self.change, it))
        elif it.kind == "bring":
            work = partial(gpu.copy_to_host, self.cell(it.writes[0]), self.cell(it.reads[0]))
        elif it.kind == "take":
            work = partial(gpu.copy, self.cell(it.writes[0]), self.cell(it.reads[0]))
        if work is not None:
            stream.run(it.at, work)
        elif it.kind == "host":
            self.change(it)
        elif it.kind == "record":
            stream.record(it.at, self.events[it.at])
        elif it.kind == "wait":
            stream.wait(it.at, self.events[it.event])
        elif it.kind == "host wait":
            self.events[it.event].wait()
        else:
            stream.synchronize()


@pytest.mark.parametrize("gpus", [1, 2])
@pytest.mark.parametrize("seed", range(25))
def test_all_see_what_came_before_them(seed: int, gpus: int) -> None:
    maker = Maker(seed, gpus)
    operations = maker.program()
    assert {"bring", "take", "host", "kernel"} <= {one.kind for one in operations}
    with opened(gpus) as setting:
        execution = Execution(setting, operations)
        with setting.driver.play(seed):
            works: list[Callable[[], object]] = [
                partial(execution.thread, number) for number in range(THREADS)
            ]
            join(setting.together(*works))
        assert setting.failures == []
        assert execution.wrong == []
        assert {cell: execution.look(cell).value for cell in maker.values} == maker.values


def test_who_queues_a_short_copy_does_not_wait_for_it() -> None:
    """It is there when an event behind it completes, with what the cell held in its turn."""
    with opened() as setting:
        execution, stream = Execution(setting, []), setting.stream()
        bring = Operation(1, "bring", 0, 0, [(GPU, 1)], [(HOST, 2)])
        change = Operation(0, "kernel", 0, 0, [(GPU, 1)], [(GPU, 1)], expects=1)
        stream.run(0, setting.kernel(partial(execution.change, change)))
        execution.streams[0] = stream
        execution.do(bring)
        stream.run(
            2,
            setting.kernel(
                partial(
                    execution.change, Operation(2, "kernel", 0, 0, [(GPU, 1)], expects=mixed(1, 0))
                )
            ),
        )
        stream.record(3, event := setting.event())
        assert execution.look((HOST, 2)).value == 2
        setting.driver.step(stream.handle, 99)
        event.wait()
        assert execution.look((HOST, 2)).value == mixed(1, 0)
        assert execution.wrong == []


def test_a_short_copy_that_is_never_brought() -> None:
    """Its memory of the host stays as it was, and what it went through is given back."""
    with opened() as setting:
        from zkrun.devices.cuda.streams import deliveries

        execution, stream = Execution(setting, []), setting.stream()
        stream.run(0, setting.checked(lambda: True))
        execution.streams[0] = stream
        execution.do(Operation(1, "bring", 0, 0, [(GPU, 1)], [(HOST, 2)]))
        assert len(deliveries._open) == 1
        setting.driver.release()
        stream.close()
        assert deliveries._open == set()
        assert len(setting.gpus[0].slots._free) == 256
        assert execution.look((HOST, 2)).value == 2
        setting.failures.clear()


def host_memory(nbytes: int) -> tuple[Any, Block]:
    memory = (ctypes.c_ubyte * nbytes)()
    return memory, on_host(ctypes.addressof(memory), nbytes)


def part(block: Block, start: int, nbytes: int) -> Data:
    return Data(GpuBuffer(nbytes), block, block.address + start, 1, nbytes, 0, nbytes)


@pytest.mark.parametrize("nbytes", [0, 1, 4095, 4096, 4097, 9000])
def test_copies_of_every_length(nbytes: int) -> None:
    """Longer ones than a slot are left to the stream's worker."""
    with opened() as setting:
        from zkrun.devices.cuda.memory import pinned

        gpu: Any = setting.gpus[0]
        stream = setting.stream(held=False)
        there = gpu.allocate(9000, None)
        expected = random.Random(nbytes).randbytes(nbytes)
        ctypes.memmove(there.address, expected, nbytes)
        memory, here = host_memory(9000)
        source, target = (
            Data(
                GpuBuffer(nbytes),
                block,
                block.address,
                1,
                nbytes,
                nbytes // 3 if wraps else 0,
                nbytes,
            )
            for block, wraps in ((there, True), (here, False))
        )
        stream.run(0, partial(gpu.copy_to_host, target, source))
        stream.record(1, event := setting.event())
        event.wait()
        assert bytes(memory[:nbytes]) == expected[nbytes // 3 :] + expected[: nbytes // 3]
        assert bool(pinned._free) == (nbytes > 4096)
        while pinned._free:  # else they stay as long as the process
            setting.driver.freeHost(pinned._free.pop())


def test_copies_on_their_way_at_once_have_places_of_their_own() -> None:
    """And what went through these is not left there."""
    with opened() as setting:
        from cupy.cuda import runtime

        from zkrun.devices.cuda.memory import SLOT

        count, gpu, stream = 300, setting.gpus[0], setting.stream()
        memory, here = host_memory(count * SLOT)
        there = gpu.allocate(count * SLOT, None)
        expected = random.Random(1).randbytes(count * SLOT)
        ctypes.memmove(there.address, expected, count * SLOT)
        for at in range(count):
            both = (part(block, at * SLOT, SLOT) for block in (here, there))
            stream.run(at, partial(gpu.copy_to_host, *both))
        setting.driver.release()
        stream.synchronize()
        assert bytes(memory) == expected
        free, left = runtime.freeHost, list[bytes]()

        def look_and_free(address: int) -> None:
            left.append(ctypes.string_at(address, len(setting.driver.memory[address]) - 64))
            free(address)

        runtime.freeHost = look_and_free
        gpu.close()
        assert [*map(any, left)] == [False, False]
        runtime.freeHost = free


def test_what_is_awaited() -> None:
    """Each byte that is to come, as long as it is, and no other."""
    with opened() as setting:
        from zkrun.devices.cuda.streams.deliveries import awaited

        gpu, stream, (_, here) = setting.gpus[0], setting.stream(), host_memory(24)
        there = gpu.allocate(24, None)
        target = Data(GpuBuffer(6), here, here.address + 8, 1, 8, 5, 6)  # 13 to 16, and 8 to 11
        stream.run(0, partial(gpu.copy_to_host, target, part(there, 0, 6)))
        ranges = [(a, b) for a in range(24) for b in range(a + 1, 25)]
        for start, end in ranges:
            expected = not {*range(8, 11), *range(13, 16)}.isdisjoint(range(start, end))
            assert awaited([(here.address + start, end - start)]) == expected
            assert awaited([(1, 1), (here.address + start, end - start)]) == expected
        setting.driver.release()
        stream.synchronize()
        assert not awaited([(here.address, 24)])


def test_a_stream_that_closes_drops_what_was_to_come_of_no_other() -> None:
    with opened() as setting:
        gpu, streams, (memory, here) = setting.gpus[0], [], host_memory(2)
        there = gpu.allocate(2, None)
        ctypes.memset(there.address, 7, 2)
        for n in range(2):
            streams.append(setting.stream())
            streams[n].run(n, partial(gpu.copy_to_host, part(here, n, 1), part(there, n, 1)))
        streams[0].cancel()
        setting.driver.step(streams[0].handle, 9)
        streams[0].close()
        assert list(memory) == [0, 0]
        setting.driver.release()
        streams[1].synchronize()
        assert list(memory) == [0, 7]


def test_a_short_copy_before_one_that_a_gpu_makes_by_itself() -> None:
    """The host's pages were locked meanwhile: the first one must not come after the second."""
    with opened() as setting:
        from zkrun.devices.cuda import copies

        gpu, stream, driver = setting.gpus[0], setting.stream(), setting.driver
        here = on_host(driver.hostAlloc(1, 0), 1)
        there = gpu.allocate(1, None)
        copy = partial(gpu.copy_to_host, part(here, 0, 1), part(there, 0, 1))
        stream.run(0, setting.kernel(partial(ctypes.memset, there.address, 1, 1)))
        stream.run(1, copy)
        locked: Any = SimpleNamespace(parts=lambda address, nbytes: [(address, nbytes, True)])
        copies.locked = locked
        stream.run(2, setting.kernel(partial(ctypes.memset, there.address, 2, 1)))
        stream.run(3, copy)
        stream.record(4, event := setting.event())
        driver.release()
        event.wait()
        assert ctypes.string_at(here.address, 1) == b"\2"
        driver.freeHost(here.address)
