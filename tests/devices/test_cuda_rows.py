"""Rows of kernels as graphs whose nodes are set anew, on a model of the driver for nodes."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from fake_cupy import installed
from fake_nodes import Kernel, stand_in

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

    def launch_kernel(self, *numbers: int) -> None:
        function, x, y, z, threads, _, _, shared, stream, pointers, extra = numbers
        assert (z, stream, extra) == (1, STREAM, 0)
        self.ran.append(self._read(Kernel(function, x * y, threads, shared, pointers)))

    def graph_launch(self, graph: int, stream: int) -> None:
        assert stream == STREAM
        self.ran += self.graphs[graph]


@contextmanager
def nodes(sizes: dict[int, tuple[int, ...]]) -> Iterator[Nodes]:
    with installed():
        from cupy.cuda import driver, runtime

        from zkrun.devices.cuda import rows

        model = Nodes(rows, runtime, sizes)
        driver.launchKernel = model.launch_kernel
        runtime.graphInstantiate = lambda graph: _copy(model, graph)
        runtime.graphDestroy = runtime.graphExecDestroy = model.graphs.pop
        runtime.graphLaunch = model.graph_launch
        runtime.graphUpload = lambda graph, stream: None
        stand_in(rows, model)
        rows.running[STREAM] = rows.Rows(0, takes=True)
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
            first.queue((a, address, other), STREAM)
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
        second.queue((view(4), view(5)), STREAM)
        assert [ran[4] for ran in model.ran] == [(view(4),), (view(5),)]
        assert queue(view(3), 2000, 0) == 2
        assert len(model.graphs) == 2  # one, and what it was made from


def test_kernels_one_by_one_and_as_a_row_take_turns() -> None:
    with nodes({1: (8,), 2: (16,)}) as model:
        row = model.rows.Row([model.rows.Step(1, (1, 1), 32, [bytes(8)])])
        steps = model.rows.Steps([model.rows.Step(2, (4, 1), 64, [[model.rows.Given(0, 0), 1]])], 1)
        for turn in range(3):
            row.queue_one(1, 7 + turn // 2, 32, number(turn), 0, STREAM)
            row.queue(steps, (50,), STREAM)
            row.queue(steps, (50,), STREAM)
        singles = [(1, 7 + turn // 2, 32, 0, (number(turn),)) for turn in range(3)]
        twice = [(2, 4, 64, 0, (number(50) + number(1),))] * 2
        assert model.ran == [ran for single in singles for ran in (single, *twice)]


def test_nodes_that_could_not_be_set_are_set_again() -> None:
    with nodes({1: (8,)}) as model:
        parts = [model.rows.Step(1, (1, 1), 32, [model.rows.Given(i, 0)]) for i in range(2)]
        steps = model.rows.Steps(parts, 2)
        steps.queue((1, 2), STREAM)
        model.failing = 700
        with pytest.raises(model.runtime.CUDARuntimeError):
            steps.queue((3, 2), STREAM)
        model.failing = 0
        model.ran.clear()
        steps.queue((1, 2), STREAM)
        assert [ran[4] for ran in model.ran] == [(number(1),), (number(2),)]


@pytest.mark.parametrize("refusing", [False, True])
def test_a_stream_makes_a_graph_when_it_pays(refusing: bool) -> None:
    """Where there is no memory for one it goes on without, and does not ask again."""
    with nodes({1: (8,)}) as model:
        steps = model.rows.Steps([model.rows.Step(1, (1, 1), 32, [model.rows.Given(0, 0)])] * 3, 1)
        ready = model.rows.running[STREAM]
        steps.queue((1,), STREAM)
        assert model.sets == 3  # the one that was made before
        model.rows.running[STREAM] = model.rows.Rows(0, takes=True)
        model.refusing = refusing
        for value in range(20):
            steps.queue((value,), STREAM)
        assert [ran[4] for ran in model.ran[3:]] == [
            (number(value),) for value in range(20) for _ in range(3)
        ]
        assert len(model.graphs) == (2 if refusing else 4)
        ready.close()
        model.rows.running[STREAM] = model.rows.Rows(0, takes=True)
        steps.queue((1,), STREAM)  # has what the first stream has left
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
            steps.queue((value,), STREAM)
        assert [ran[4] for ran in model.ran] == [(number(value),) for value in range(20)]
        assert len(model.graphs) == (0 if status == 2 else 2)


def test_nodes_that_could_not_get_other_kernels_get_their_own_again() -> None:
    with nodes({1: (8,)}) as model:
        given, step = model.rows.Given, model.rows.Step
        steps = model.rows.Steps([step(1, (1, 1), 32, [given(i, 0)]) for i in range(2)], 2)
        row = model.rows.running[STREAM].row(steps.steps)
        steps.queue((1, 2), STREAM)
        others = [step(1, (7, 1), 64, [number(9)]), step(1, (1, 1), 32, [bytes(9999)])]
        with pytest.raises(ValueError, match="structure"):  # the second does not fit
            row.queue(model.rows.Steps(others, 0), (), STREAM)
        model.ran.clear()
        steps.queue((4, 3), STREAM)
        assert model.ran == [(1, 1, 32, 0, (number(value),)) for value in (4, 3)]


def test_two_threads_make_a_graph_ready_at_once() -> None:
    """None is lost: whatever is made while another is, streams find it."""
    with nodes({1: (8,)}) as model:
        kernel, make = model.rows.Step(1, (1, 1), 32, [bytes(8)]), model.runtime.graphInstantiate

        def meanwhile(graph: int) -> int:
            model.runtime.graphInstantiate = make
            model.rows.make_ready([kernel])
            return int(make(graph))

        model.runtime.graphInstantiate = meanwhile
        model.rows.make_ready([kernel])
        ready = [model.rows.Rows(0, takes=True).row([kernel]) for _ in range(2)]
        assert None not in ready
        assert len({id(row) for row in ready}) == 2


def test_queues_that_take_no_graphs_leave_none() -> None:
    """Else each device that is opened would add one to those that the process has."""
    with nodes({1: (8,)}) as model:
        steps = model.rows.Steps([model.rows.Step(1, (1, 1), 32, [model.rows.Given(0, 0)])], 1)
        before = dict(model.graphs)
        for _ in range(3):
            model.rows.running[STREAM] = rows = model.rows.Rows(0, takes=False)
            for value in range(20):
                steps.queue((value,), STREAM)
            assert len(model.graphs) == len(before) + 2
            rows.close()
            assert model.graphs.keys() == before.keys()
        assert [ran[4] for ran in model.ran] == [(number(value),) for value in range(20)] * 3


def test_kernels_stay_as_long_as_the_steps_that_queue_them() -> None:
    """Without its function, a module is unloaded."""
    with nodes({1: (8,)}) as model:
        from zkrun.devices.cuda.launch import Kernel

        class Function:
            ptr = 1

        function = Function()
        gone = weakref.ref(function)
        steps = model.rows.Steps([Kernel(function).step(1, 32, bytes(8))], 0)
        del function
        gc.collect()
        assert gone() is not None
        steps.queue((), STREAM)
        assert len(model.ran) == 1
