"""Rows of kernels as graphs whose nodes are set anew, on a model of the driver for nodes."""

from __future__ import annotations

import ctypes
import gc
import os
import random
import select
import struct
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from fake_cupy import installed
from fake_nodes import Kernel, standing_in

from zkrun.devices.base import Block, Data
from zkrun.program.types import ScalarArray

STREAM = 5
EXECUTABLE = 5000  # of a graph: what its number is more than that of the one it was made from
Ran = tuple[int, int, int, int, tuple[bytes, ...]]
"""A kernel that was launched: function, blocks, threads, shared memory, arguments."""


@dataclass
class Nodes:
    """Graphs of kernels. `sizes`: of the arguments of each function, in bytes."""

    rows: Any
    runtime: Any
    sizes: dict[int, tuple[int, ...]]
    graphs: dict[int, list[Ran]] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    sets: int = 0
    failing: int = 0
    refusing: bool = False  # whether there is no memory for graphs
    queue: Any = None

    def open(self, takes: bool = True) -> Any:
        """A stream that has no graphs yet."""
        self.queue = SimpleNamespace(handle=STREAM, rows=self.rows.Rows(0, takes=takes))
        return self.queue.rows

    def create(self) -> int | None:
        if self.refusing:
            return None
        number = 1000 + len(self.graphs)
        self.graphs[number] = []
        return number

    def add(self, graph: int, before: int | None, kernel: Kernel) -> int:
        kernels = self.graphs[graph]
        assert before == (len(kernels) or None)
        kernels.append(self._read(kernel))
        return len(kernels)

    def change(self, graph: int, node: int, kernel: Kernel) -> int:
        self.sets += 1
        if graph - EXECUTABLE not in self.graphs:
            return 1  # the node is gone with the graph that it is of
        if self.failing:
            return self.failing
        self.graphs[graph][node - 1] = self._read(kernel)
        return 0

    def _read(self, kernel: Kernel) -> Ran:
        return (*kernel[:-1], kernel.arguments(self.sizes[kernel.function]))

    def launch_kernel(self, kernel: Kernel, stream: int) -> int:
        assert stream == STREAM
        self.ran.append(self._read(kernel))
        return 0

    def launch_graph(self, graph: int, stream: int) -> int:
        assert stream == STREAM
        self.ran += self.graphs[graph]
        return 0


@contextmanager
def nodes(sizes: dict[int, tuple[int, ...]]) -> Iterator[Nodes]:
    with installed():
        from cupy.cuda import runtime

        from zkrun.devices.cuda.streams import rows

        model = Nodes(rows, runtime, sizes)
        runtime.graphInstantiate = lambda graph: _copy(model, graph)
        runtime.graphDestroy = runtime.graphExecDestroy = model.graphs.pop
        runtime.graphUpload = lambda graph, stream: None
        model.open()
        with standing_in(rows, model):
            yield model


def _copy(model: Nodes, graph: int) -> int:
    model.graphs[graph + EXECUTABLE] = list(model.graphs[graph])
    return graph + EXECUTABLE


def view(seed: int) -> bytes:
    return random.Random(seed).randbytes(32)


def number(value: int) -> bytes:
    return value.to_bytes(8, "little")


def test_each_call_queues_what_it_was_given() -> None:
    """Rows of the same length take turns, and only what changes is set."""
    with nodes({1: (40, 8), 2: (8, 16), 3: (32,)}) as model:
        given, step = model.rows.Given, model.rows.Step
        first = model.rows.Steps(
            [
                step(1, (3, 2), 64, [[given(0), 7], given(1, 5)]),
                step(2, (1, 1), 32, [given(1, 0), [given(2, 1), b"constant"]], 100),
            ],
            3,
        )
        second = model.rows.Steps(
            [step(3, (9, 1), 8, [given(0)]), step(3, (8, 1), 8, [given(1)])], 2
        )

        def queue(a: bytes, address: int, other: int) -> int:
            before, model.ran[:] = model.sets, []
            first.queue_on(model.queue, (a, address, other))
            end = number(other + 1 if other else 0) + b"constant"
            assert model.ran == [
                (1, 6, 64, 0, (a + number(7), number(address + 5))),
                (2, 1, 32, 100, (number(address), end)),
            ]
            return model.sets - before

        assert queue(view(1), 1000, 0) == 2
        assert queue(view(1), 1000, 0) == 0
        assert queue(view(2), 1000, 0) == 1
        assert queue(view(2), 1000, 77) == 1
        assert queue(view(3), 2000, 0) == 2
        model.ran.clear()
        second.queue_on(model.queue, (view(4), view(5)))
        assert [ran[4] for ran in model.ran] == [(view(4),), (view(5),)]
        assert queue(view(3), 2000, 0) == 2
        assert len(model.graphs) == 2  # one, and what it was made from


def test_kernels_made_again_are_not_set_again() -> None:
    """As of a program that runs again; and whatever differs is."""
    with nodes({1: (8, 8), 2: (8, 8)}) as model:
        given, step, make = model.rows.Given, model.rows.Step, model.rows.Steps

        def kernels(
            function: int = 1, grid: int = 7, threads: int = 32, shared: int = 9, **other: int
        ) -> Any:
            plus, first, constant = (other.get(k, 0) for k in ("plus", "first", "constant"))
            arguments = [given(first, plus), given(1 - first, 0)]
            second = step(2, (1, 1), 32, [5 + constant, given(0, 0)])
            return make([step(function, (grid, 1), threads, arguments, shared), second], 2)

        def queue(steps: Any) -> int:
            before, model.ran[:] = model.sets, []
            steps.queue_on(model.queue, (50, 60))
            return model.sets - before

        assert queue(kernels()) == 2
        for different in (
            {"function": 2},
            {"grid": 8},
            {"threads": 64},
            {"shared": 10},
            {"plus": 1},
            {"first": 1},
            {"constant": 1},
        ):
            assert queue(kernels()) == 0
            ran = list(model.ran)
            assert queue(kernels(**different)) > 0
            assert model.ran != ran
            assert queue(kernels()) > 0
            assert model.ran == ran


def test_rows_of_one_kernel_take_turns() -> None:
    """Whether they have the same arguments as before, or others, or more of them."""
    with nodes({1: (8,), 2: (16,), 3: (4088, 8)}) as model:
        given, step, make = model.rows.Given, model.rows.Step, model.rows.Steps
        first = make([step(1, (7, 1), 32, [given(0, 0)])], 1)
        second = make([step(2, (4, 1), 64, [[given(0, 0), 1]])], 1)
        third = make([step(3, (1, 1), 64, [bytes(4056) + bytes(range(32)), given(0, 3)], 48)], 1)
        for turn in range(3):
            first.queue_on(model.queue, (turn,))
            second.queue_on(model.queue, (50,))
            second.queue_on(model.queue, (50,))
            third.queue_on(model.queue, (turn,))
        expected = []
        for turn in range(3):
            expected.append((1, 7, 32, 0, (number(turn),)))
            expected += [(2, 4, 64, 0, (number(50) + number(1),))] * 2
            long = bytes(4056) + bytes(range(32))
            expected.append((3, 1, 64, 48, (long, number(turn and turn + 3))))
        assert model.ran == expected
        assert len(model.graphs) == 2
        assert model.sets == 9


def test_kernels_that_are_given_nothing_take_turns_too() -> None:
    with nodes({1: (8,), 2: (8,)}) as model:
        step, given, make = model.rows.Step, model.rows.Given, model.rows.Steps
        first = make([step(1, (1, 1), 32, [1]), step(2, (2, 1), 32, [given(0, 0)])], 1)
        second = make([step(2, (3, 1), 32, [given(0, 0)]), step(1, (4, 1), 64, [4], 9)], 1)
        for turn in range(3):
            first.queue_on(model.queue, (50 + turn,))
            second.queue_on(model.queue, (60,))
        assert model.ran == [
            ran
            for turn in range(3)
            for ran in (
                (1, 1, 32, 0, (number(1),)),
                (2, 2, 32, 0, (number(50 + turn),)),
                (2, 3, 32, 0, (number(60),)),
                (1, 4, 64, 9, (number(4),)),
            )
        ]
        assert len(model.graphs) == 2


def test_what_fits_in_no_row_is_launched_by_itself() -> None:
    with nodes({1: (4104,), 2: (32,)}) as model:
        given, step = model.rows.Given, model.rows.Step
        long = step(1, (5, 1), 32, [[bytes(4096), given(1, 1)]])
        steps = model.rows.Steps([long, step(2, (1, 2), 64, [given(0)], 7)], 2)
        for seed in range(20):
            steps.queue_on(model.queue, (view(seed), seed))
        assert model.graphs == {}
        assert model.ran == [
            ran
            for seed in range(20)
            for ran in (
                (1, 5, 32, 0, (bytes(4096) + number(seed and seed + 1),)),
                (2, 2, 64, 7, (view(seed),)),
            )
        ]


def test_kernels_of_no_blocks_are_left_out() -> None:
    with nodes({1: (8,)}) as model:
        step = model.rows.Step
        model.rows.Steps([step(1, (0, 1), 32, [number(1)])], 0).queue_on(model.queue, ())
        assert model.ran == []
        both = [step(1, (0, 1), 32, [number(1)]), step(1, (2, 1), 32, [number(2)])]
        model.rows.Steps(both, 0).queue_on(model.queue, ())
        assert model.ran == [(1, 2, 32, 0, (number(2),))]


@pytest.mark.parametrize(
    "values", [(view(1),), (view(1), 1, 2), (1, view(1)), (view(1)[1:], 1), (view(1), -1)]
)
def test_values_that_the_kernels_do_not_take(values: tuple[object, ...]) -> None:
    """Nothing is queued, and what comes behind it gets its own values."""
    with nodes({1: (32, 8)}) as model:
        step = model.rows.Step(1, (1, 1), 32, [model.rows.Given(0), model.rows.Given(1, 0)])
        in_row = model.rows.Steps([step], 2)
        by_itself = model.rows.Steps([step, step._replace(arguments=[bytes(5000)])], 2)
        in_row.queue_on(model.queue, (view(1), 1))
        model.ran.clear()
        for steps in (in_row, by_itself):
            with pytest.raises((TypeError, ValueError, OverflowError)):
                steps.queue_on(model.queue, values)
        assert model.ran == []
        in_row.queue_on(model.queue, (view(1), 1))
        assert model.ran == [(1, 1, 32, 0, (view(1), number(1)))]


@pytest.mark.parametrize("unused", [b"", view(1), -1, None])
def test_values_that_no_kernel_takes(unused: object) -> None:
    """They may be anything: the same values may be given to other kernels."""
    with nodes({1: (8,), 2: (5000,)}) as model:
        step, given, made = model.rows.Step, model.rows.Given, list[Any]()
        kernel = step(1, (1, 1), 32, [given(1, 0)])
        for others in ([], [step(2, (1, 1), 32, [bytes(5000)])]):
            made.append(model.rows.Steps([kernel, *others], 3))
            made[-1].queue_on(model.queue, (unused, 7, unused))
        assert [ran[4] for ran in model.ran if ran[0] == 1] == [(number(7),)] * 2


def test_nodes_that_could_not_be_set_are_set_again() -> None:
    with nodes({1: (8,)}) as model:
        parts = [model.rows.Step(1, (1, 1), 32, [model.rows.Given(i, 0)]) for i in range(2)]
        steps = model.rows.Steps(parts, 2)
        steps.queue_on(model.queue, (1, 2))
        model.failing = 700
        with pytest.raises(model.runtime.CUDARuntimeError):
            steps.queue_on(model.queue, (3, 2))
        model.failing = 0
        model.ran.clear()
        steps.queue_on(model.queue, (1, 2))
        assert [ran[4] for ran in model.ran] == [(number(1),), (number(2),)]


@pytest.mark.parametrize("refusing", [False, True])
def test_a_stream_makes_a_graph_when_it_pays(refusing: bool) -> None:
    """Where there is no memory for one it goes on without, and does not ask again."""
    with nodes({1: (8,)}) as model:
        steps = model.rows.Steps([model.rows.Step(1, (1, 1), 32, [model.rows.Given(0, 0)])] * 3, 1)
        ready = model.queue.rows
        steps.queue_on(model.queue, (1,))
        assert model.sets == 3  # the one that was made before
        model.open()
        model.refusing = refusing
        for value in range(20):
            steps.queue_on(model.queue, (value,))
        assert [ran[4] for ran in model.ran[3:]] == [
            (number(value),) for value in range(20) for _ in range(3)
        ]
        assert len(model.graphs) == (2 if refusing else 4)
        ready.close()
        model.open()
        steps.queue_on(model.queue, (1,))  # has what the first stream has left
        assert len(model.graphs) == (2 if refusing else 4)


@pytest.mark.parametrize("status", [2, 999])
def test_a_graph_that_cannot_be_uploaded(status: int) -> None:
    """Without memory it could not be launched either; else its first launch uploads it."""
    with nodes({1: (8,)}) as model:

        def upload(graph: int, stream: int) -> None:
            raise model.runtime.CUDARuntimeError(status)

        model.runtime.graphUpload = upload
        steps = model.rows.Steps([model.rows.Step(1, (1, 1), 32, [model.rows.Given(0, 0)])], 1)
        for value in range(20):
            steps.queue_on(model.queue, (value,))
        assert [ran[4] for ran in model.ran] == [(number(value),) for value in range(20)]
        assert len(model.graphs) == (0 if status == 2 else 2)


@pytest.mark.parametrize("status", [2, 999])
@pytest.mark.parametrize("name", ["create", "add", "graphInstantiate"])
def test_a_graph_that_cannot_be_made(name: str, status: int) -> None:
    """Nothing of it is left, and the kernels are launched one by one."""
    with nodes({1: (8,)}) as model:

        def fail(*_: object) -> None:
            raise model.runtime.CUDARuntimeError(status)

        setattr(model.runtime if name == "graphInstantiate" else model, name, fail)
        kernels = [model.rows.Step(1, (1, 1), 32, [model.rows.Given(0, i)]) for i in range(2)]
        steps = model.rows.Steps(kernels, 1)
        for value in range(1, 20):
            steps.queue_on(model.queue, (value,))
        assert [ran[4] for ran in model.ran] == [
            (number(value + i),) for value in range(1, 20) for i in range(2)
        ]
        assert model.graphs == {}


@pytest.mark.parametrize("in_row", [True, False])
def test_a_launch_that_fails(in_row: bool) -> None:
    """Nothing behind it is queued."""
    with nodes({1: (8,), 2: (5000,)}) as model:
        kernels = [model.rows.Step(1, (1, 1), 32, [number(i)]) for i in range(3)]
        if not in_row:
            kernels.append(model.rows.Step(2, (1, 1), 32, [bytes(5000)]))
        steps = model.rows.Steps(kernels, 0)
        launch_kernel, model.launch_graph = model.launch_kernel, lambda graph, stream: 700

        def fail_once(kernel: Kernel, stream: int) -> int:
            return 701 if len(model.ran) == 1 else launch_kernel(kernel, stream)

        model.launch_kernel = fail_once
        launches = [lambda: steps.queue_on(model.queue, ())]
        if not in_row:
            launches.append(lambda: model.rows.queue_once(kernels, (), STREAM))
        for launch in launches:
            model.ran.clear()
            with pytest.raises(model.runtime.CUDARuntimeError) as caught:
                launch()
            assert caught.value.status == (700 if in_row else 701)
            assert len(model.ran) == (0 if in_row else 1)


def test_kernels_and_rows_that_do_not_go_together() -> None:
    """Rather than to write into what is not theirs, they say so."""
    with nodes({1: (40,)}) as model:
        rows = model.rows._rows

        def kernels(count: int) -> Any:
            made = rows.Kernels(2)
            for _ in range(count):
                made.add(1, 1, 1, 32, 0, bytes(40), [0], None)
            return made

        row = rows.Row(model.rows._driver(), kernels(2))
        row.executable = model.runtime.graphInstantiate(row.graph)
        for count in (0, 1, 3):
            with pytest.raises(ValueError, match="another number of kernels"):
                row.queue(kernels(count), (1, 1), STREAM)
        assert model.ran == []
        assert row.queue(kernels(2), (1, 1), STREAM) == 0
        for number_, start, plus in ((0, 9, None), (0, 33, 0), (1, 1000, 0)):
            with pytest.raises(ValueError, match="there is no place"):
                kernels(2).give(number_, start, plus)
        with pytest.raises(ValueError, match="there is no place"):
            kernels(0).give(0, 0, 0)
        with pytest.raises(IndexError):
            kernels(1).give(2, 0, 0)
        for first, second in ((None, 0), (0, None)):
            made = kernels(1)
            made.give(0, 0, first)
            with pytest.raises(ValueError, match="a view and an address"):
                made.give(0, 0, second)


def test_nodes_that_could_not_get_other_kernels_get_their_own_again() -> None:
    with nodes({1: (8,), 2: (8,)}) as model:
        given, step, make = model.rows.Given, model.rows.Step, model.rows.Steps
        steps = make([step(1, (1, 1), 32, [given(i, 0)]) for i in range(2)], 2)
        others = make([step(2, (7, 1), 64, [given(i, 0)]) for i in range(2)], 2)
        steps.queue_on(model.queue, (1, 2))
        change, done = model.change, []

        def change_one(*node: Any) -> int:
            done.append(node)
            return change(*node) if len(done) == 1 else 700

        model.change = change_one
        with pytest.raises(model.runtime.CUDARuntimeError):
            others.queue_on(model.queue, (1, 2))
        model.change = change
        model.ran.clear()
        steps.queue_on(model.queue, (1, 2))
        assert model.ran == [(1, 1, 32, 0, (number(value),)) for value in (1, 2)]


def test_two_threads_make_a_graph_ready_at_once() -> None:
    """None is lost: whatever is made while another is, streams find it."""
    with nodes({1: (8,)}) as model:
        kernel, make = model.rows.Step(1, (1, 1), 32, [bytes(8)]), model.runtime.graphInstantiate
        steps = list[Any]()

        def meanwhile(graph: int) -> int:
            model.runtime.graphInstantiate = make
            steps.append(model.rows.Steps([kernel], 0))
            return int(make(graph))

        model.runtime.graphInstantiate = meanwhile
        steps.append(model.rows.Steps([kernel], 0))
        ready = [model.rows.Rows(0, takes=True).another(steps[0]) for _ in range(2)]
        assert None not in ready
        assert len({id(row) for row in ready}) == 2


def test_queues_that_take_no_graphs_leave_none() -> None:
    """Else each device that is opened would add one to those that the process has."""
    with nodes({1: (8,)}) as model:
        steps = model.rows.Steps([model.rows.Step(1, (1, 1), 32, [model.rows.Given(0, 0)])], 1)
        before = dict(model.graphs)
        for _ in range(3):
            rows = model.open(takes=False)
            for value in range(20):
                steps.queue_on(model.queue, (value,))
            assert len(model.graphs) == len(before) + 2
            rows.close()
            assert model.graphs.keys() == before.keys()
        assert [ran[4] for ran in model.ran] == [(number(value),) for value in range(20)] * 3


def test_kernels_stay_as_long_as_the_steps_that_queue_them() -> None:
    """Without its function, a module is unloaded."""
    with nodes({1: (8,)}) as model:
        from zkrun.devices.cuda.functions.launch import Kernel

        class Function:
            ptr = 1

        function = Function()
        gone = weakref.ref(function)
        steps = model.rows.Steps([Kernel(function).step(1, 32, bytes(8))], 0)
        del function
        gc.collect()
        assert gone() is not None
        steps.queue_on(model.queue, ())
        assert len(model.ran) == 1


def test_others_run_while_the_driver_waits() -> None:
    """It does where it is far ahead of the GPU. In its place are functions of C that wait."""
    with nodes({}) as model:
        libc, most = ctypes.CDLL(None), 10  # seconds
        create = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32)(lambda *_: 0)
        poll, create_graph, wait = (
            ctypes.cast(function, ctypes.c_void_p).value or 0
            for function in (libc.poll, create, libc.sem_timedwait)
        )
        driver = model.rows._rows.Driver(poll, create_graph, 0, 0, wait, 0, 0)

        readable, writable = os.pipe()
        wanted = ctypes.create_string_buffer(struct.pack("<ihh", readable, select.POLLIN, 0))
        kernel, nothing = model.rows._rows.Kernels(0), model.rows._rows.Kernels(0)
        kernel.add(ctypes.addressof(wanted), 1, 1000 * most, 1, 0, b"", [], None)

        semaphore, row = ctypes.create_string_buffer(32), model.rows._rows.Row(driver, nothing)
        assert libc.sem_init(semaphore, 0, 0) == 0
        row.executable = ctypes.addressof(semaphore)
        until = ctypes.create_string_buffer(struct.pack("<2q", int(time.time()) + 3 * most, 0))

        for call, goes_on, expected in (
            (lambda: kernel.launch(driver, (), 0), lambda: os.write(writable, b"1"), 1),
            (
                lambda: row.queue(nothing, (), ctypes.addressof(until)),
                lambda: libc.sem_post(semaphore),
                0,
            ),
        ):
            found = list[int]()
            thread = threading.Thread(target=lambda call=call, found=found: found.append(call()))
            thread.start()
            time.sleep(0.05)  # it calls meanwhile
            goes_on()
            thread.join()
            assert found == [expected]  # it has not waited in vain
        os.close(readable)
        os.close(writable)


def test_calls_take_their_values_from_operands_and_from_the_queue() -> None:
    """With a graph or without one: views and addresses of values in memory, what is the queue's."""
    with nodes({1: (40, 8, 8), 2: (8, 8)}) as model:
        rows, given, step = model.rows, model.rows.Given, model.rows.Step
        scalars = [_data(1, 5000 + 96 * i, i) for i in range(3)]
        arrays = [_data(100, 1 << 40 | i, i) for i in range(3)]
        asked = list[int]()
        steps = rows.Steps(
            [
                step(1, (3, 1), 64, [[given(0), 7], given(1, 5), given(2, 8)]),
                step(2, (1, 1), 32, [given(3, 0), given(4, 1)]),
            ],
            5,
        )
        launch = steps.launch(
            *(rows.immutable_operand(1), rows.mutable_operand(0), rows.scratch_memory(64)),
            *(rows.COUNTER, rows.constant(9)),
        )

        def scratch(nbytes: int) -> int:
            asked.append(nbytes)
            return 700

        for takes in (True, False):  # the second has no graph at first
            model.open(takes)
            model.queue.scratch, model.queue.counter = scratch, lambda: 800
            for turn in range(12):
                array, scalar = arrays[turn % 3], scalars[turn % 2]
                model.ran.clear()
                launch(model.queue, [scalar], (None, array))
                packed = struct.pack("<4Q", array.address, 100, array.offset, 99)
                assert array.native == packed
                address = scalar.address + 32 * scalar.offset
                assert [ran[4] for ran in model.ran] == [
                    (packed + number(7), number(address + 5), number(708)),
                    (number(800), number(10)),
                ]
        assert asked == [64] * 24
        for operands in (([], (None, arrays[0])), ([scalars[0]], (None,)), ([None], (1, 2))):
            with pytest.raises((IndexError, TypeError)):
                launch(model.queue, *operands)
        with pytest.raises(ValueError, match="another number of values"):
            steps.launch(rows.COUNTER)


def _data(whole: int, address: int, offset: int) -> Data:
    device: Any = None
    typ = ScalarArray(whole)
    length = max(1, whole - 1)
    return Data(typ, Block(device, address, 32 * whole), address, 32, whole, offset, length)
