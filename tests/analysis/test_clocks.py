"""The chain clocks and the byte-range detector against a brute-force closure of the order."""

from __future__ import annotations

import random

import pytest

from zkrun.analysis.accesses import Access, Space
from zkrun.analysis.clocks import Node, Order, Strand
from zkrun.analysis.effort import Effort
from zkrun.analysis.values import POISON


class Thread:
    """A thread, and how many nodes it has made."""

    def __init__(self, strand: Strand) -> None:
        self.strand = strand
        self.count = 0

    def step(self) -> Node:
        self.count += 1
        return self.strand.node(self.count - 1)


class Oracle:
    """All nodes with explicit edges; reachability by transitive closure over bit sets."""

    def __init__(self) -> None:
        self.before: list[int] = []  # bit i: node i happens before (or is) this node

    def add(self, *predecessors: int) -> int:
        index = len(self.before)
        bits = 1 << index
        for predecessor in predecessors:
            bits |= self.before[predecessor]
        self.before.append(bits)
        return index

    def ordered(self, a: int, b: int) -> bool:
        return bool(self.before[b] >> a & 1)


class Random:
    """A random program, told to the order and to the oracle alike."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.order = Order()
        self.oracle = Oracle()
        root = self.oracle.add()
        self.threads: list[tuple[Thread, int]] = [(Thread(self.order.main), root)]
        self.nodes: list[tuple[Node, int]] = []
        self.events: list[tuple[Node, int]] = []
        self.streams: dict[int, list[tuple[int, int]]] = {0: [], 1: []}  # (issue, execution)

    def step(self, k: int, *extra: int) -> tuple[Node, int]:
        thread, last = self.threads[k]
        node = thread.step()
        index = self.oracle.add(last, *extra)
        self.threads[k] = thread, index
        self.nodes.append((node, index))
        return node, index

    def queue(self, k: int, waits: tuple[Node, int] | None) -> tuple[Node, int]:
        issue, issued = self.step(k)
        stream = self.random.randrange(2)
        earlier = [e for i, e in self.streams[stream] if self.oracle.ordered(i, issued)]
        node = self.order.execute(stream, issue, waits[0] if waits else None)
        index = self.oracle.add(issued, *earlier, *([waits[1]] if waits else []))
        self.streams[stream].append((issued, index))
        self.nodes.append((node, index))
        return node, index

    def run(self, length: int) -> None:
        for _ in range(length):
            k = self.random.randrange(len(self.threads))
            match self.random.randrange(8):
                case 0 if len(self.threads) < 5:
                    node, last = self.step(k)
                    child = Thread(self.order.fork(self.threads[k][0].strand, node))
                    self.threads.append((child, self.oracle.add(last)))
                case 1 if len(self.threads) > 1:
                    parent, child = self.random.sample(range(len(self.threads)), 2)
                    if child == 0:
                        continue
                    thread, last = self.threads[parent]
                    ended, joined = self.threads[child]
                    self.order.join(thread.strand, ended.strand, ended.count)
                    self.threads[parent] = thread, self.oracle.add(last, joined)
                    del self.threads[child]
                case 2 if self.events:
                    event = self.random.choice(self.events)
                    thread, last = self.threads[k]
                    thread.strand.learn(event[0])
                    self.threads[k] = thread, self.oracle.add(last, event[1])
                case 3:
                    self.events.append(self.step(k))
                case 4:
                    self.events.append(self.queue(k, None))
                case 5 if self.events:
                    self.queue(k, self.random.choice(self.events))
                case 6:
                    self.queue(k, None)
                case _:
                    self.step(k)


@pytest.mark.parametrize("seed", range(60))
def test_clocks_agree_with_the_closure(seed: int) -> None:
    program = Random(seed)
    program.run(120)
    for b, (node_b, index_b) in enumerate(program.nodes):
        for node_a, index_a in program.nodes[: b + 1]:
            assert node_b.after(node_a) == program.oracle.ordered(index_a, index_b)


@pytest.mark.parametrize("seed", range(60))
def test_races_are_found_exactly(seed: int) -> None:
    program = Random(seed)
    program.run(100)
    choice = random.Random(seed)
    space = Space(12, Effort())
    history: list[tuple[int, bool, set[int]]] = []
    for node, index in program.nodes:
        start, end = sorted(choice.sample(range(13), 2))
        write = choice.random() < 0.4
        touched = set(range(start, end))
        expected = any(
            (write or other_write) and touched & bytes_ and not program.oracle.ordered(other, index)
            for other, other_write, bytes_ in history
        )
        note = (space.write if write else space.read)(start, end, Access(node, POISON, write))
        if expected:
            assert note is not None
            return  # past the first race only some are reported
        assert note is None
        history.append((index, write, touched))


def test_sequential_forks_share_one_chain() -> None:
    order = Order()
    for k in range(1000):
        child = order.fork(order.main, order.main.node(k))
        order.join(order.main, child, 1)
    assert len(order.main.clock) == 1


def test_streams_that_follow_one_another_share_one_chain() -> None:
    order = Order()
    event = None
    for stream in range(1000):
        event = order.execute(stream, order.main.node(stream), event)
    assert event is not None
    assert event.position == 999
    assert len(event.clock) == 1
