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
from fake_nodes import Kernel, stand_in
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

    def launch_kernel(self, function: int, *numbers: int) -> None:
        *_, stream, pointers, _ = numbers
        self.driver.call("_launch", stream, self._kernel(Kernel(function, 0, 0, 0, pointers)))

    def instantiate(self, graph: int) -> int:
        handle: int = self.driver._handle()
        self.driver.graphs[handle] = list(self.driver.graphs[graph])
        if graph in self.templates:
            self.streams[handle] = Counter()
        return handle

    def launch(self, graph: int, stream: int) -> None:
        """A graph is not to be on its way on two streams at a time."""
        if graph not in self.streams:
            self.driver.call("graphLaunch", graph, stream)
            return
        on_its_way = self.streams[graph]
        self.by_rows += 1
        if any(count for other, count in on_its_way.items() if other != stream):
            self.driver.misuse.append(f"graph {graph} is launched on two streams at a time")
        on_its_way[stream] += 1
        self.driver.call("_launch", stream, lambda: None)
        self.driver.call("graphLaunch", graph, stream)
        self.driver.call("_launch", stream, lambda: on_its_way.subtract([stream]))


@contextmanager
def nodes() -> Iterator[tuple[Nodes, Any]]:
    with opened() as setting:
        from cupy.cuda import driver, runtime

        from zkrun.devices.cuda import rows

        model = Nodes(setting)
        driver.launchKernel = model.launch_kernel
        runtime.graphInstantiate, runtime.graphLaunch = model.instantiate, model.launch
        runtime.graphUpload = lambda graph, stream: None
        stand_in(rows, model)
        yield model, rows
        setting.driver.release()
        for gpu in setting.gpus:
            gpu.close()
        for spare in rows._spare.values():
            for row in spare:
                row.close()


@pytest.mark.parametrize("seed", range(6))
def test_streams_of_threads_run_what_they_were_given_in_order(seed: int) -> None:
    """However long work is on its way, and whatever other streams do meanwhile."""
    with nodes() as (model, rows):
        from zkrun.devices.cuda.launch import Kernel

        setting, given = model.setting, rows.Given
        single = Kernel(type("Function", (), {"ptr": 9})())
        all_steps = [
            rows.Steps(
                [
                    rows.Step(10 * kind + i, (1, 1), 32, [[given(0, 0), given(1 + i % 2, 0)]])
                    for i in range(length)
                ],
                3,
            )
            for kind, length in enumerate((1, 2, 3, 3, 1), 1)
        ]

        wrong = list[int]()

        def chain(name: int) -> None:
            """Work that is captured, and comes again as a graph."""
            handle = setting.current.queue.handle
            all_steps[3].queue((name, 1, 2), handle)
            single(handle, 1, 32, struct.pack("<2Q", name, 3))

        def program(name: int) -> None:
            dice, expected = random.Random(f"{seed} {name}"), Seen()
            model.lists[name] = Seen()
            for _ in range(6):
                stream = setting.stream()
                for at in range(dice.choice((1, 30))):
                    a, b, steps = dice.randrange(3), dice.randrange(3), dice.choice(all_steps)
                    values = (name, 100 + a, 200 + b)
                    stream.run(at, partial(steps.queue, values, stream.handle))
                    expected += [
                        (step.function, values[1 + i % 2]) for i, step in enumerate(steps.steps)
                    ]
                    payload = struct.pack("<2Q", name, at)
                    stream.run(at, partial(single, stream.handle, 1, 32, payload))
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
