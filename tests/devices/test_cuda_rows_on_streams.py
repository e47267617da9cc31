"""Rows of kernels on streams that come and go, of several threads, on the model of the driver."""

from __future__ import annotations

import gc
import random
import struct
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from fake_nodes import Kernel, standing_in
from fake_streams import Setting, join, opened

from zkrun.devices.base import Cancelled

Seen = list[tuple[int, int]]
"""(function, argument) of the kernels that ran."""


class Nodes:
    """What the driver has for nodes of graphs. Kernels take a list to note in, and a number."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.driver, self.lists = setting, setting.driver, dict[int, Seen]()
        self.streams: dict[int, Counter[int]] = {}  # by graph: launches on their way, by stream
        self.templates = set[int]()
        self.by_rows = self.direct = 0

    def create(self) -> int:
        number: int = self.driver._handle()
        self.driver.graphs[number] = []
        self.templates.add(number)
        return number

    def add(self, graph: int, before: int | None, kernel: Kernel) -> int:
        self.driver.graphs[graph].append(lambda: None)
        return len(self.driver.graphs[graph])

    def change(self, graph: int, node: int, kernel: Kernel) -> int:
        self.driver.graphs[graph][node - 1] = self._kernel(kernel)
        return 0

    def _kernel(self, kernel: Kernel) -> Callable[[], None]:
        """It is given copies of its arguments."""
        name, argument = struct.unpack("<2Q", *kernel.arguments((16,)))
        return lambda: self.lists[name].append((kernel.function, argument))

    def launch_kernel(self, kernel: Kernel, stream: int) -> int:
        self.driver.call("_launch", stream, self._kernel(kernel))
        return 0

    def instantiate(self, graph: int) -> int:
        handle: int = self.driver._handle()
        self.driver.graphs[handle] = list(self.driver.graphs[graph])
        if graph in self.templates:
            self.streams[handle] = Counter()
        return handle

    def launch_graph(self, graph: int, stream: int) -> int:
        """It is not to be on its way on two streams at a time."""
        on_its_way = self.streams[graph]
        self.by_rows += 1
        if any(count for other, count in on_its_way.items() if other != stream):
            self.driver.misuse.append(f"graph {graph} is launched on two streams at a time")
        on_its_way[stream] += 1
        self.driver.call("_launch", stream, lambda: None)
        self.driver.call("graphLaunch", graph, stream)
        self.driver.call("_launch", stream, lambda: on_its_way.subtract([stream]))
        return 0

    def record_event(self, event: int, stream: int) -> int:
        self.direct += 1
        self.driver.call("eventRecord", event, stream)
        return 0

    def current_device(self) -> int:
        return int(self.driver.call("getDevice"))


@contextmanager
def nodes(gpus: int = 1) -> Iterator[tuple[Nodes, Any]]:
    with opened(gpus) as setting:
        from cupy.cuda import runtime

        from zkrun.devices.cuda.streams import rows

        model = Nodes(setting)
        runtime.graphInstantiate = model.instantiate
        runtime.graphUpload = lambda graph, stream: None
        with standing_in(rows, model):
            yield model, rows
        setting.driver.release()
        for gpu in setting.gpus:
            gpu.close()
        for spare in rows._spare.values():
            for row in spare:
                rows._destroy(row)


def bind(rows: Any, setting: Setting, steps: Any) -> Any:
    """As a device binds them: (an address; two more)."""
    operands = rows.mutable_operand(0), rows.immutable_operand(0), rows.immutable_operand(1)
    launch = steps.launch(*operands)

    def function(mutable: Sequence[int], immutable: Sequence[int]) -> None:
        launch(setting.current.here.queue, mutable, immutable)

    return rows._rows.Bound(launch, function)


@pytest.mark.parametrize("seed", range(6))
def test_streams_of_threads_run_what_they_were_given_in_order(seed: int) -> None:
    """However long work is on its way, and whatever other streams do meanwhile."""
    with nodes() as (model, rows):
        from zkrun.devices.cuda.functions.launch import Kernel

        setting, given = model.setting, rows.Given
        kernel = Kernel(type("Function", (), {"ptr": 9})())
        single = rows.Steps([kernel.step(1, 32, [given(0, 0), given(1, 0)])], 2)
        lengths = dict(enumerate((1, 2, 3, 3, 1), 1))
        all_steps = {
            kind: rows.Steps(
                [
                    rows.Step(10 * kind + i, (1, 1), 32, [[given(0, 0), given(1 + i % 2, 0)]])
                    for i in range(length)
                ],
                3,
            )
            for kind, length in lengths.items()
        }
        wrong = list[int]()
        bound = {kind: bind(rows, setting, steps) for kind, steps in all_steps.items()}

        def chain(name: int) -> None:
            """Work that is captured, and comes again as a graph."""
            bound[4]((name,), (1, 2))
            single.queue_on(setting.current.here.queue, (name, 3))

        def program(name: int) -> None:
            dice, expected = random.Random(f"{seed} {name}"), Seen()
            model.lists[name] = Seen()
            for _ in range(6):
                stream = setting.stream()
                for at in range(dice.choice((1, 30))):
                    a, b, kind = dice.randrange(3), dice.randrange(3), dice.choice([*lengths])
                    values = (name, 100 + a, 200 + b)
                    if dice.random() < 0.3:
                        stream.run(at, partial(all_steps[kind].queue_on, stream, values))
                    else:
                        stream.run(at, bound[kind], (name,), values[1:])
                    expected += [(10 * kind + i, values[1 + i % 2]) for i in range(lengths[kind])]
                    stream.run(at, partial(single.queue_on, stream, (name, at)))
                    expected.append((9, at))
                stream.run_all([(1000 * name + i, partial(chain, name)) for i in range(2)], name)
                expected += 2 * [(40, 1), (41, 2), (42, 1), (9, 3)]
                if dice.random() < 0.5:
                    stream.synchronize()
                stream.close()  # when all has passed, for nothing waits for the worker
                if model.lists[name] != expected:
                    wrong.append(name)

        with setting.driver.play(seed):
            join(setting.together(*(partial(program, name) for name in range(1, 4))))
        assert setting.driver.misuse == []
        assert wrong == []
        assert setting.driver.launches > model.by_rows  # those that were captured, too
        assert model.direct > 10
        assert setting.failures == []
        assert all(len(spare) <= 3 for spare in rows._spare.values())  # one a stream


def bound_kernel(model: Nodes, rows: Any) -> Any:
    """A bound function of one kernel that notes a number: ((list,), (number, 0))."""
    steps = rows.Steps([rows.Step(7, (1, 1), 32, [[rows.Given(0, 0), rows.Given(1, 0)]])], 3)
    model.lists[1] = Seen()
    return bind(rows, model.setting, steps)


@pytest.mark.parametrize("name", ["graphLaunch", "eventRecord"])
def test_bound_work_that_cannot_be_queued(name: str) -> None:
    """The stream fails there, and nothing comes after it."""
    with nodes() as (model, rows):
        setting, function = model.setting, bound_kernel(model, rows)
        stream = setting.stream(held=False)
        stream.run(0, function, (1,), (10, 0))
        setting.driver.failing[name] = 700
        stream.run(1, function, (1,), (11, 0))
        setting.driver.failing.clear()
        stream.run(2, function, (1,), (12, 0))
        assert [at for at, _ in setting.failures] == [1]
        assert (7, 12) not in model.lists[1]
        with pytest.raises(Cancelled):
            stream.synchronize()
        stream.close()


def test_bound_work_with_operands_that_are_none() -> None:
    with nodes() as (model, rows):
        setting, function = model.setting, bound_kernel(model, rows)
        stream = setting.stream(held=False)
        stream.run(0, function, (1,), (10, 0))
        stream.run(1, function, (1,), (10,))
        stream.run(2, function, (1,), (12, 0))
        assert [(at, type(error)) for at, error in setting.failures] == [(1, IndexError)]
        assert model.lists[1] == [(7, 10)]
        stream.close()


def test_bound_work_keeps_its_turn() -> None:
    """Behind what waits, and behind what cannot be queued at once."""
    with nodes() as (model, rows):
        setting, function = model.setting, bound_kernel(model, rows)
        stream, gate = setting.stream(held=False), setting.event()
        stream.run(0, function, (1,), (10, 0))
        stream.wait(1, gate)
        stream.run(2, function, (1,), (11, 0))
        stream.run(3, setting.blocking(lambda: model.lists[1].append((0, 0))))
        stream.run(4, function, (1,), (12, 0))
        assert model.lists[1] == [(7, 10)]
        gate.complete()
        stream.synchronize()
        assert model.lists[1] == [(7, 10), (7, 11), (0, 0), (7, 12)]
        stream.close()
        stream.run(5, function, (1,), (13, 0))
        assert len(model.lists[1]) == 4
        assert setting.failures == []


def test_more_bound_work_than_events_are_ready() -> None:
    """Events are made as they are needed, and all of it is queued in the same way."""
    with nodes() as (model, rows):
        setting, function = model.setting, bound_kernel(model, rows)
        stream = setting.stream(held=True)
        stream.run(0, function, (1,), (0, 0))  # by itself: the thread has another GPU, or none
        before = model.direct
        for at in range(1, 600):
            stream.run(at, function, (1,), (at, 0))
        assert model.direct - before == 599
        setting.driver.release()
        stream.synchronize()
        assert model.lists[1] == [(7, at) for at in range(600)]
        stream.close()
        assert setting.failures == []


def test_bound_work_on_several_gpus_by_one_thread() -> None:
    """Each time the other GPU is to be made the thread's first."""
    with nodes(gpus=2) as (model, rows):
        setting, function = model.setting, bound_kernel(model, rows)
        streams = [setting.stream(gpu, held=False) for gpu in range(2)]
        for at in range(20):
            streams[at % 3 % 2].run(at, function, (1,), (at, 0))
        for stream in streams:
            stream.synchronize()
            stream.close()
        assert sorted(model.lists[1]) == [(7, at) for at in range(20)]
        assert setting.failures == []


def test_a_stream_goes_when_nobody_has_it_any_more() -> None:
    """Also one that has failed with work on its way."""
    with nodes() as (model, rows):
        setting, function = model.setting, bound_kernel(model, rows)
        for fails in (False, True):
            stream = setting.stream(held=fails)
            stream.run(0, function, (1,), (10, 0))
            stream.record(1, setting.event())
            if fails:
                stream.cancel()
                setting.driver.release()
            stream.close()
            gone = weakref.ref(stream)
            setting.spans.clear()
            setting.events.clear()
            del stream
            gc.collect()
            assert gone() is None
