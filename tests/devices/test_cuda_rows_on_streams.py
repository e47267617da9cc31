"""Rows of kernels on streams that come and go, of several threads, on the model of the driver."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from fake_nodes import Kernel, standing_in
from fake_streams import Setting, join, opened

Seen = list[tuple[int, int]]
"""(function, argument) of the kernels that ran."""


class Nodes:
    """What the driver has for nodes of graphs. Kernels take a list to note in, and a number."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.driver, self.lists = setting, setting.driver, dict[int, Seen]()
        self.streams: dict[int, Counter[int]] = {}  # by graph: launches on their way, by stream
        self.templates = set[int]()
        self.by_rows = 0

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


@contextmanager
def nodes() -> Iterator[tuple[Nodes, Any]]:
    with opened() as setting:
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

        def chain(name: int) -> None:
            """Work that is captured, and comes again as a graph."""
            queue = setting.current.here.queue
            all_steps[4].queue_on(queue, (name, 1, 2))
            single.queue_on(queue, (name, 3))

        def program(name: int) -> None:
            dice, expected = random.Random(f"{seed} {name}"), Seen()
            model.lists[name] = Seen()
            for _ in range(6):
                stream = setting.stream()
                for at in range(dice.choice((1, 30))):
                    a, b, kind = dice.randrange(3), dice.randrange(3), dice.choice([*lengths])
                    values = (name, 100 + a, 200 + b)
                    stream.run(at, partial(all_steps[kind].queue_on, stream, values))
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
        assert setting.failures == []
        assert all(len(spare) <= 3 for spare in rows._spare.values())  # one a stream
