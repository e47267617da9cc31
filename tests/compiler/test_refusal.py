"""Budgets that cannot work are refused, with the smallest that can."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal

import pytest
from graphs import random_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zkrun.compiler import placed
from zkrun.compiler.compile import Machine, compile_graph
from zkrun.compiler.rates import DEFAULT_RATES
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, Graph
from zkrun.compiler.type2.types import Poly
from zkrun.compiler.type3.plan import Plan, plan
from zkrun.errors import ResourceLimit, UsageError
from zkrun.program.types import PointArray, Scalar

N = 1 << 10
BYTES = 32 * N


def transform() -> Graph:
    builder = Builder("bn254")
    builder.inputs = {"f": Poly(N, "coefficients")}
    f = builder.add(op.Input("f"), source="mine.py:3")
    return builder.graph(builder.add(op.call("ntt"), [f], source="mine.py:4", label="values"))


def virtual(**memory: int | None) -> Machine:
    budget = {device.replace("_", ":"): nbytes for device, nbytes in memory.items()}
    return Machine({"cpu": None, **budget}, gpu="virtual")


def test_the_smallest_budget_is_said_and_works() -> None:
    with pytest.raises(ResourceLimit) as refused:
        compile_graph(place(transform()), virtual(gpu_0=BYTES // 2))
    text = str(refused.value)
    assert "gpu:0" in text
    assert "mine.py:4" in text
    assert "values" in text
    enough = int(re.findall(r"(\d+) would do", text)[0])
    compiled = compile_graph(place(transform()), virtual(gpu_0=enough))
    assert BYTES <= compiled.peak["gpu:0"] <= enough < 2 * BYTES
    assert f"{enough} would do, and nothing less." in text
    with pytest.raises(ResourceLimit):
        compile_graph(place(transform()), virtual(gpu_0=enough - 1))


def place(graph: Graph) -> Graph:
    """The graph with its transform on the GPU, which the CPU would do as well."""
    vertices = list(graph.vertices)
    vertices[-1] = replace(vertices[-1], device="gpu:0")
    return replace(graph, vertices=tuple(vertices))


def test_the_cpu_has_a_budget_too() -> None:
    with pytest.raises(ResourceLimit, match="cpu: 1024 bytes are too little"):
        compile_graph(transform(), Machine({"cpu": 1024}))
    # The input, the result, and what the transform takes beside it.
    assert compile_graph(transform(), Machine({"cpu": 4 * BYTES})).peak["cpu"] <= 4 * BYTES
    with pytest.raises(ResourceLimit):
        compile_graph(transform(), Machine({"cpu": 2 * BYTES}))


def test_a_device_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"mine.py:4: call is placed on gpu:0"):
        compile_graph(place(transform()), Machine({"cpu": None}))


def suggested(refused: ResourceLimit) -> dict[str, int]:
    """What would do, by device."""
    found = re.findall(r"(\S+): \d+ bytes? (?:is|are) too little; (\d+) would do", str(refused))
    assert found, refused
    return {device: int(nbytes) for device, nbytes in found}


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    graph=random_graph(),
    shares=st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100)),
    gpu=st.sampled_from(["real", "virtual"]),
    disk=st.booleans(),
)
def test_what_is_said_to_do_does(
    graph: Graph, shares: tuple[int, int, int], gpu: Literal["real", "virtual"], disk: bool
) -> None:
    """A refused CPU was told that its own budget would do, for ways that had not been tried."""
    for devices in (("cpu",), ("gpu:0", "cpu"), ("gpu:0", "gpu:1", "cpu")):
        free = compile_graph(graph, Machine(dict.fromkeys(devices), gpu=gpu)).peak
        memory: dict[str, int | None] = {
            device: max(1, free[device] * share // 100)
            for device, share in zip(devices, shares, strict=False)
        }
        try:
            compile_graph(graph, Machine(memory, disk, gpu=gpu))
        except ResourceLimit as refused:
            enough = suggested(refused)
            assert enough.keys() <= memory.keys()
            assert all(enough[device] > (memory[device] or 0) for device in enough)
            found = compile_graph(graph, Machine({**memory, **enough}, disk, gpu=gpu))
            assert all(found.peak[device] <= nbytes for device, nbytes in enough.items())


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(
    graph=random_graph(),
    device=st.sampled_from(["cpu", "gpu:0"]),
    gpu=st.sampled_from(["real", "virtual"]),
    disk=st.booleans(),
)
def test_a_little_less_than_what_is_said_to_do_does_not(
    graph: Graph, device: str, gpu: Literal["real", "virtual"], disk: bool
) -> None:
    """Of some graphs an eighth less did, by ways that had not been tried."""
    machine = Machine({device: 1, "cpu": 1 if device == "cpu" else None}, disk=disk, gpu=gpu)
    try:
        compile_graph(graph, machine)
    except ResourceLimit as refused:
        enough = suggested(refused)[device]
        exact = "and nothing less" in str(refused)
    else:  # nothing of it is on the GPU
        return
    assert exact or device == "cpu"
    compile_graph(graph, machine.with_memory(device, enough))
    less = [enough - sixteenths * max(enough // 16, 64) for sixteenths in (1, 2, 3, 4)]
    for nbytes in (enough - 1, *less) if exact else less:
        if nbytes > 0:
            with pytest.raises(ResourceLimit):
                compile_graph(graph, machine.with_memory(device, nbytes))


def test_a_gpu_that_is_too_small_does_not_hinder_a_larger_one() -> None:
    """Everything was cut for the smaller one, and refused, though the larger alone would do."""
    graph = place(transform())
    alone = compile_graph(graph, virtual(gpu_0=2 * BYTES))
    both = compile_graph(graph, virtual(gpu_0=2 * BYTES, gpu_1=64))
    assert both.peak == {**alone.peak, "gpu:1": 0}
    with pytest.raises(ResourceLimit, match="gpu:0: 65 bytes"):
        compile_graph(graph, virtual(gpu_0=65, gpu_1=64))


def commitment(points: int) -> Graph:
    builder = Builder("bn254")
    builder.inputs = {"f": Poly(points, "coefficients"), "bases": PointArray(points, "g1")}
    f, bases = (builder.add(op.Input(name)) for name in ("f", "bases"))
    return builder.graph(builder.add(op.call("msm"), [bases, f], source="mine.py:5"))


def test_what_would_do_is_said_of_all_devices_together() -> None:
    """The CPU was told what does with a GPU without a limit: with the GPU's own, more is summed
    up on the CPU, whose kernels take memory for each thread."""
    memory: dict[str, int | None] = {"gpu:0": 1000, "cpu": 1000}
    with pytest.raises(ResourceLimit) as refused:
        compile_graph(commitment(256), Machine(memory, gpu="virtual"))
    enough = suggested(refused.value)
    assert enough.keys() == memory.keys()
    compile_graph(commitment(256), Machine({**memory, **enough}, gpu="virtual"))


def test_what_would_do_is_said_of_two_gpus_together() -> None:
    """The second GPU was told what does while the first has no limit."""
    graph = commitment(1 << 10)
    memory: dict[str, int | None] = {"gpu:0": 100 << 10, "gpu:1": 3 << 10, "cpu": None}
    with pytest.raises(ResourceLimit) as refused:
        compile_graph(graph, Machine(memory))
    compile_graph(graph, Machine({**memory, **suggested(refused.value)}))


def test_a_device_that_has_enough_once_the_others_have_is_not_named() -> None:
    """It was told that as many bytes as it has would do."""
    memory: dict[str, int | None] = {"gpu:0": 1000, "cpu": 1000}
    with pytest.raises(ResourceLimit) as refused:
        compile_graph(commitment(256), Machine(memory, gpu="virtual"))
    enough = suggested(refused.value)
    with pytest.raises(ResourceLimit) as refused:
        compile_graph(commitment(256), Machine({**enough, "gpu:0": 1000}, gpu="virtual"))
    assert suggested(refused.value).keys() == {"gpu:0"}


def test_what_takes_the_scratch_of_kernels_or_is_the_largest_input_is_named() -> None:
    """Only that the scratch, inputs and constants take more was said."""
    with pytest.raises(ResourceLimit, match=r"With less, msm at mine.py:5 has no room\."):
        compile_graph(commitment(256), Machine({"cpu": 100 << 10}))
    builder = Builder("bn254")
    builder.inputs = {"few": Poly(1, "coefficients"), "many": Poly(8, "coefficients")}
    values = [
        builder.add(op.Input(name), source=f"mine.py:{line}")
        for line, name in enumerate(("few", "many"))
    ]
    with pytest.raises(ResourceLimit, match=r"the input many at mine.py:1 has no room\."):
        compile_graph(builder.graph(tuple(values)), Machine({"cpu": 100}))


def test_more_points_than_a_gpu_takes_at_once_are_cut() -> None:
    """It ended in an error of the plan of one pass."""
    machine = Machine({"gpu:0": 80 << 30, "cpu": None})
    calls = [
        vertex
        for vertex in compile_graph(commitment(1 << 28), machine).graph.vertices
        if getattr(vertex.operation, "function", "") == "msm" and vertex.device == "gpu:0"
    ]
    assert len(calls) >= 2


@pytest.mark.parametrize("log", [30, 60])
def test_more_points_than_any_machine_holds(log: int) -> None:
    compiled = compile_graph(commitment(1 << log), Machine({"cpu": None}))
    assert compiled.peak["cpu"] >= 96 << log
    with pytest.raises(ResourceLimit) as refused:
        compile_graph(commitment(1 << log), Machine({"cpu": 8 << 30}))
    assert suggested(refused.value)["cpu"] >= 96 << log


def test_what_no_pass_cuts_is_refused_without_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder("bn254")
    builder.inputs = {"f": Poly(N, "coefficients"), "x": Scalar()}
    f, x = (builder.add(op.Input(name)) for name in ("f", "x"))
    quotient = builder.add(op.call("kate_division"), [f, x], source="mine.py:6", device="gpu:0")
    graph = builder.graph(quotient)
    plans: list[Any] = []

    def counted(*given: Any, **named: Any) -> Plan:
        plans.append(given)
        return plan(*given, **named)

    monkeypatch.setattr(placed, "plan", counted)
    with pytest.raises(ResourceLimit, match=r"gpu:0: 40 bytes are too little.*mine.py:6"):
        compile_graph(graph, virtual(gpu_0=40))
    binding = [budgets["gpu:0"] for _, _, budgets, *_ in plans if budgets["gpu:0"] is not None]
    assert plans
    assert all(nbytes >= 2 * BYTES for nbytes in binding)  # the operand and the result


def test_before_nothing_less_is_said_transforms_have_dropped_their_tables() -> None:
    """Where most is demanded by a vertex that nothing cuts, that was not tried, and less did."""
    builder = Builder("bn254")
    builder.inputs = {"f": Poly(N, "lagrange"), "x": Scalar()}
    f, x = (builder.add(op.Input(name)) for name in ("f", "x"))
    products = builder.add(op.call("scan_mul"), [f, x], source="mine.py:6", device="gpu:0")
    inverse = op.call("ntt", {"inverse": True})
    graph = builder.graph((products, builder.add(inverse, [f], device="gpu:0")))
    with pytest.raises(ResourceLimit, match=r"nothing less.*scan_mul at mine.py:6") as refused:
        compile_graph(graph, Machine({"gpu:0": 1, "cpu": None}))
    enough = suggested(refused.value)["gpu:0"]
    compiled = compile_graph(graph, Machine({"gpu:0": enough, "cpu": None}))
    assert enough - 4096 < compiled.peak["gpu:0"] <= enough
    for less in (1, 512, 4096):
        with pytest.raises(ResourceLimit):
            compile_graph(graph, Machine({"gpu:0": enough - less, "cpu": None}))


def test_kernels_of_the_cpu_take_memory_for_each_thread() -> None:
    """What they take beside operands was not in the plan: a run held five times its budget."""
    graph = commitment(1 << 12)
    peaks = [
        compile_graph(graph, Machine(rates=replace(DEFAULT_RATES, threads=threads))).peak["cpu"]
        for threads in (1, 2, 32)
    ]
    assert 96 << 12 < peaks[0] < peaks[1] < peaks[2]
