"""The peak of memory over every legal order, against a simulator that tries them all."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from short_programs import (
    Instruction,
    allocate,
    array,
    check,
    document,
    fork,
    free,
    join,
    record,
    stream,
    wait,
)

from zkrun.analysis import DeviceForecast, analyse
from zkrun.analysis.clocks import Order
from zkrun.analysis.order import Place, Thread
from zkrun.analysis.peak import Change, find_peak
from zkrun.program.decode import decode
from zkrun.runtime.engine import run
from zkrun.runtime.options import Options

GPU = "gpu:0"
STREAMS = (0, 1)


def random_program(seed: int) -> dict[str, Any]:
    """Two or three threads that allocate, free and synchronise; each event is recorded before the
    Waits for it are written, so that nothing can deadlock."""
    choice = random.Random(seed)
    bodies: list[list[Instruction]] = [[] for _ in range(choice.randint(1, 3))]
    owned: list[list[int]] = [[] for _ in bodies]
    events = 0
    for id in range(10, 10 + choice.randint(6, 15)):
        k = choice.randrange(len(bodies))
        body, mine = bodies[k], owned[k]
        on = choice.choice(STREAMS) if choice.random() < 0.6 else None
        match choice.randrange(5):
            case 0 | 1:
                body.append(allocate(id, array(2 * choice.randint(1, 6)), GPU))
                mine.append(id)
            case 2 if mine:
                victim = mine.pop(choice.randrange(len(mine)))
                body.append(free(victim, **({} if on is None else {"stream": on})))
            case 3:
                body.append(record(events, on))
                events += 1
            case 4 if events:
                body.append(wait(choice.randrange(events), on))
    forks = [fork(k, *body) for k, body in enumerate(bodies) if k]
    at = choice.randint(0, len(bodies[0])) if choice.random() < 0.5 else 0
    main = [*bodies[0][:at], *forks, *bodies[0][at:]]
    joins = [join(k) for k in range(1, len(bodies)) if choice.random() < 0.5]
    return document(*(stream(id) for id in STREAMS), *main, *joins)


class Simulator:
    """Runs a program in every order: threads step by step, each stream item by item."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.bodies: dict[int | None, Sequence[Instruction]] = {None: raw["instructions"]}
        for instruction in raw["instructions"]:
            if instruction["op"] == "Fork":
                self.bodies[instruction["new_thread"]] = instruction["instructions"]
        self.sizes = {
            i["id"]: 32 * i["typ"].get("len", 0)
            for body in self.bodies.values()
            for i in body
            if i["op"] == "Allocate"
        }

    def peak(self) -> int:
        """Depth first over the states: (places of threads, queues, events, live memory)."""
        start = (((None, 0),), ((), ()), frozenset(), frozenset())
        seen, stack, most = {start}, [start], 0
        while stack:
            state = stack.pop()
            most = max(most, sum(self.sizes[id] for id in state[3]))
            for following in self.steps(state):
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return most

    def steps(self, state: Any) -> Any:
        threads, queues, events, live = state
        for index, (thread, at) in enumerate(threads):
            if at < len(self.bodies[thread]):
                instruction = self.bodies[thread][at]
                moved = (*threads[:index], (thread, at + 1), *threads[index + 1 :])
                yield from self.run(instruction, moved, queues, events, live)
        for index, queue in enumerate(queues):
            if queue:
                rest = (*queues[:index], queue[1:], *queues[index + 1 :])
                kind, id = queue[0]
                if kind == "Record":
                    yield threads, rest, events | {id}, live
                elif kind == "Deallocate":
                    yield threads, rest, events, live - {id}
                elif id in events:
                    yield threads, rest, events, live

    def run(self, i: Instruction, threads: Any, queues: Any, events: Any, live: Any) -> Any:
        op = i["op"]
        id = i.get("event", i.get("id"))
        if "stream" in i:
            on = i["stream"]
            yield threads, (*queues[:on], (*queues[on], (op, id)), *queues[on + 1 :]), events, live
        elif op == "Allocate":
            yield threads, queues, events, live | {id} if self.sizes[id] else live
        elif op == "Deallocate":
            yield threads, queues, events, live - {id}
        elif op == "Record":
            yield threads, queues, events | {id}, live
        elif op == "Fork":
            yield (*threads, (i["new_thread"], 0)), queues, events, live
        elif op == "Wait":
            if id in events:
                yield threads, queues, events, live
        elif op == "Join":
            if (i["thread"], len(self.bodies[i["thread"]])) in threads:
                yield threads, queues, events, live
        else:
            yield threads, queues, events, live


@pytest.mark.parametrize("seed", range(300))
def test_random_programs(seed: int) -> None:
    raw = random_program(seed)
    analysis = check(raw)
    need = analysis.forecast.get(GPU, DeviceForecast())
    if analysis.valid:
        expected = Simulator(raw).peak()
        assert need.pool == expected if need.exact else need.pool >= expected


def test_random_programs_are_mostly_valid_and_exact() -> None:
    found = [check(random_program(seed)) for seed in range(100)]
    exact = [one for one in found if one.valid and one.forecast.get(GPU, DeviceForecast()).exact]
    assert len(exact) > 80


@pytest.mark.parametrize("seed", range(60))
def test_the_order_that_is_told_reaches_the_peak(seed: int) -> None:
    raw = random_program(seed)
    need = check(raw).forecast.get(GPU, DeviceForecast())
    held = 0
    for path in need.alive:
        instruction = raw
        for part in path.split("/")[1:]:
            instruction = instruction[int(part) if isinstance(instruction, list) else part]
        assert instruction["op"] == "Allocate"
        held += 32 * instruction["typ"]["len"]
    assert held == need.pool


@pytest.mark.parametrize("seed", range(40))
def test_no_run_takes_more(seed: int) -> None:
    """As the virtual GPU's account has it; the sizes here are those that its allocator gives."""
    raw = random_program(seed)
    program = decode(json.dumps(raw).encode())
    analysis = analyse(program, operands=True)
    if not analysis.valid:
        return
    inputs = {"array": [1] * 8, "scalar": 1, "points": [None] * 8}
    for shuffle in range(5):
        options = Options(gpu="virtual", shuffle=shuffle, timeout=60)
        for device in run(program, inputs, options, analysis).trace.devices:
            need = analysis.forecast.get(device.name, DeviceForecast())
            assert device.peak <= need.total


def test_two_threads_on_two_streams_in_opposite_order() -> None:
    """Each free at the head of one queue stands behind another thread's in the other queue, so
    one of the two others has passed as well: the closure of the order does not see that."""
    raw = document(
        stream(0),
        stream(1),
        *(allocate(id, array(1), GPU) for id in (10, 11, 12, 13)),
        fork(1, free(10, stream=0), free(11, stream=1), record(0, 1)),
        fork(2, free(12, stream=1), free(13, stream=0), record(1, 0)),
        wait(0),
        wait(1),
        allocate(14, array(9), GPU),
    )
    need = check(raw).forecast[GPU]
    assert Simulator(raw).peak() == 10 * 32
    assert (need.pool, need.exact) == (11 * 32, False)


def changes_of_rounds(rounds: int, chains: int) -> list[Change]:
    """Threads that each hold a buffer until the next one of the round has its own."""
    order, found = Order(), []
    strands = [order.main]
    for _ in range(chains - 1):
        strands.append(order.fork(order.main, order.main.node(0)))
    places = [Place(Thread(k, f"/{k}", (), strand), 0) for k, strand in enumerate(strands)]
    for at in range(1, 2 * rounds, 2):
        for k, strand in enumerate(strands):
            taken = strand.node(at)
            found.append(Change(taken, 10, places[k]._replace(at=at), places[k]._replace(at=at)))
            strands[(k + 1) % chains].learn(taken)
        for k, strand in enumerate(strands):
            given = strand.node(at + 1)
            place = places[k]._replace(at=at + 1)
            found.append(Change(given, -10, place, places[k]._replace(at=at)))
            strands[(k + 1) % chains].learn(given)
    return found


def test_a_bound_where_the_search_is_given_no_time() -> None:
    changes = changes_of_rounds(200, 6)
    exact = find_peak(changes)
    assert exact.exact
    bound = find_peak(changes, steps=0)
    assert bound.nbytes >= exact.nbytes
    tight = find_peak(changes, steps=200)
    assert exact.nbytes <= tight.nbytes
