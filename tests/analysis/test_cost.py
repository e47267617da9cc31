"""Costs of programs: totals, the critical path against all chains, and the time on a machine."""

from __future__ import annotations

import itertools
import json
import random
import re
from typing import Any

import pytest
from short_programs import (
    SCALAR,
    Instruction,
    allocate,
    blind,
    call,
    check,
    document,
    element,
    fork,
    free,
    join,
    load,
    record,
    stream,
    transfer,
    wait,
)

from zkrun.algebra.curves import CURVES, Curve
from zkrun.analysis.clocks import Order
from zkrun.analysis.cost import Task, critical_path, totals
from zkrun.analysis.rates import Estimate, Rates, estimate
from zkrun.errors import UsageError
from zkrun.runtime.measure import measure


def tasks(*instructions: Instruction, **more: Any) -> list[Task]:
    return check(document(*instructions, **more), operands=True, tasks=True).tasks


def multiplications(task: Task) -> float:
    return task.multiplications


def critical(*instructions: Instruction) -> tuple[float, list[str]]:
    found = tasks(*instructions)
    cost, path = critical_path(found, multiplications)
    return cost, [found[at].path.removeprefix("/instructions/") for at in path]


def squarings(*ids: int) -> list[Instruction]:
    """8 multiplications each."""
    return [call("poly_mul", [id], [id, id]) for id in ids]


HOST = [allocate(0), blind(0), allocate(1), blind(1)]


def test_totals() -> None:
    found = totals(
        tasks(
            load("array", 0),
            stream(1),
            allocate(2, device="gpu:0"),
            transfer(0, 2, "cpu", "gpu:0", stream=1),
            call("poly_mul", [2], [2, 2, 1]),
            allocate(3, SCALAR),
            element(2, 3, 0, stream=1),
            allocate(4),
            blind(4, 0, 3),
            free(2, stream=1),
        )
    )
    assert found.multiplications == {("gpu:0", "scalar"): 8}
    assert found.moved == {("cpu", "gpu:0"): 8 * 32, ("gpu:0", "cpu"): 32}
    assert found.traffic == {"gpu:0": 3 * 8 * 32, "cpu": 3 * 32}


def test_points_count_in_the_base_field() -> None:
    raw = document(
        load("points", 0),
        load("array", 1),
        allocate(2, {"kind": "Point"}),
        {"op": "FuncCall", "func_id": 0, "arg_mut": [2], "arg": [0, 1]},
        free(2),
        functions=[{"name": "msm"}],
    )
    found = totals(check(raw, operands=True, tasks=True).tasks)
    assert [key for key, count in found.multiplications.items() if count] == [("cpu", "base")]


def test_one_thread_is_one_chain() -> None:
    assert critical(*HOST, *squarings(0, 1, 0)) == (24, ["4", "5", "6"])


def test_threads_run_side_by_side() -> None:
    body = [*HOST, fork(1, *squarings(0, 0)), *squarings(1), join(1), *squarings(1)]
    assert critical(*body) == (24, ["4/instructions/0", "4/instructions/1", "7"])


def test_streams_run_side_by_side_until_one_waits_for_another() -> None:
    start = [
        stream(0),
        stream(1),
        *(allocate(id, device="gpu:0") for id in (2, 3)),
        *(call("fill", [id], [id - 2]) for id in (2, 3)),
    ]
    first = [call("poly_mul", [2], [2, 2, 0])] * 3
    second = [call("poly_mul", [3], [3, 3, 1])] * 2
    assert critical(*start, *first, *second)[0] == 24
    assert critical(*start, *first, record(0, 0), wait(0, 1, "gpu:0"), *second)[0] == 40
    # the host reaches the later calls only once it has waited
    assert critical(*start, *first, record(0, 0), wait(0), *second)[0] == 40


def test_nothing_costs_nothing() -> None:
    assert critical(allocate(0), free(0)) == (0, [])
    assert estimate([], Rates()) == Estimate(0.0, 0.0, (), {}, ())


@pytest.mark.parametrize("seed", range(40))
def test_the_critical_path_is_the_costliest_of_all_chains(seed: int) -> None:
    choice = random.Random(seed)
    order = Order()
    strands = [order.main, *(order.fork(order.main, order.main.node(0)) for _ in range(3))]
    steps = [0] * 4
    found: list[Task] = []
    for _ in range(30):
        k = choice.randrange(4)
        if found and choice.random() < 0.4:
            strands[k].learn(choice.choice(found).node)
        steps[k] += 1
        node = strands[k].node(steps[k])
        if choice.random() < 0.5:
            node = order.execute(choice.randrange(2), node)
        found.append(Task(f"/{len(found)}", node, "cpu", "scalar", choice.randrange(9), 0))
    best: list[int] = []
    for index, task in enumerate(found):
        before = [best[i] for i in range(index) if task.node.after(found[i].node)]
        best.append(task.multiplications + max(before, default=0))
    cost, path = critical_path(found, multiplications)
    assert cost == max(best)
    assert sum(found[at].multiplications for at in path) == cost
    assert all(found[b].node.after(found[a].node) for a, b in itertools.pairwise(path))


MACHINE = {
    "schema": "zkrun-machine/1",
    "name": "slow",
    "devices": {"cpu": {"scalar": 4, "bytes": 1e9}, "gpu": {"scalar": 16}},
    "links": {"cpu->gpu": 128, "gpu:1->cpu": 64},
}


def test_the_least_time_is_that_of_the_path_or_of_what_is_busiest() -> None:
    rates = Rates.from_json(MACHINE)
    found = tasks(*HOST, *squarings(0, 1))
    assert estimate(found, rates).seconds == pytest.approx(4.0, abs=1e-3)
    # side by side in the program, but on one CPU
    found = tasks(*HOST, fork(1, *squarings(0)), *squarings(1), join(1))
    best = estimate(found, rates)
    assert best.path_seconds == pytest.approx(2.0, abs=1e-3)
    assert best.seconds == best.busy["cpu"] == pytest.approx(4.0, abs=1e-3)


def test_links_and_kinds_of_devices() -> None:
    rates = Rates.from_json(MACHINE)
    found = tasks(
        load("array", 0),
        allocate(1, device="gpu:1"),
        transfer(0, 1, "cpu", "gpu:1"),
        allocate(2),
        transfer(1, 2, "gpu:1", "cpu"),
        allocate(3, device="gpu:0"),
        transfer(1, 3, "gpu:1", "gpu:0"),
    )
    best = estimate(found, rates)
    assert best.busy == {"cpu->gpu:1": 2.0, "gpu:1->cpu": 4.0, "gpu:1->gpu:0": 0.0}
    assert best.unknown == ("gpu:1->gpu:0",)
    assert best.seconds == 6.0


def test_a_machine_is_what_its_description_says() -> None:
    assert Rates.from_json(MACHINE).to_json() == MACHINE
    server = MACHINE | {"threads": 96}
    assert Rates.from_json(server).threads == 96
    assert Rates.from_json(server).to_json() == server
    assert Rates.from_json(json.loads('{"schema": "zkrun-machine/1"}')) == Rates()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "zkrun-machine/2"}, 'a map with "schema": "zkrun-machine/1"'),
        ({"speed": 1}, 'unknown key "speed" at /speed'),
        ({"device": {}}, 'did you mean "devices"?'),
        ({"devices": []}, "a map belongs at /devices, not a list"),
        ({"devices": {"cpu": 3}}, "a map belongs at /devices/cpu, not the integer 3"),
        ({"devices": {"cpu": {"scalar": 0}}}, "the integer 0 at /devices/cpu/scalar is no rate"),
        ({"devices": {"cpu": {"scalar": True}}}, "a boolean at /devices/cpu/scalar is no rate"),
        ({"devices": {"cpu": {"speed": 1}}}, "at /devices/cpu/speed (scalar, base and bytes are"),
        ({"links": {"cpu->gpu": "fast"}}, 'the text "fast" at /links/cpu->gpu is no rate'),
        ({"links": 1}, "a map belongs at /links, not the integer 1"),
        ({"threads": 0}, "the integer 0 at /threads is no number of threads: write 1 to 4096"),
        ({"threads": True}, "a boolean at /threads is no number of threads"),
        ({"threads": 1.5}, "at /threads is no number of threads"),
    ],
)
def test_what_describes_no_machine(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        Rates.from_json(MACHINE | change)


@pytest.mark.parametrize(
    "rate", ["1e-300", "0.5", "NaN", "Infinity", "-1", "1e400", "1" + "0" * 99]
)
def test_rates_that_no_machine_has_are_refused(rate: str) -> None:
    text = f'{{"schema": "zkrun-machine/1", "devices": {{"gpu:0": {{"base": {rate}}}}}}}'
    with pytest.raises(UsageError, match=r"at /devices/gpu:0/base is no rate: write"):
        Rates.from_json(json.loads(text))


def test_costs_are_only_there_where_they_are_asked_for() -> None:
    raw = document(*HOST)
    assert check(raw).tasks == []


@pytest.mark.parametrize("curve", CURVES.values(), ids=list(CURVES))
def test_this_machine_is_measured(curve: Curve) -> None:
    rates = measure(curve)
    assert min(*rates.multiplications.values(), *rates.bytes.values(), *rates.links.values()) > 0
    assert rates.multiplication("gpu:0", "scalar") is None
    virtual = measure(curve, virtual=True)
    assert virtual.multiplication("gpu:0", "base") == virtual.multiplication("cpu", "base")
    assert virtual.link("gpu:1", "cpu") == virtual.link("cpu", "gpu:0")
