"""Budgets that cannot work are refused, with the smallest that can."""

from __future__ import annotations

import re

import pytest

from zkrun.compiler.compile import Machine, compile_graph
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, Graph
from zkrun.compiler.type2.types import Poly
from zkrun.errors import ResourceLimit, UsageError

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
    with pytest.raises(ResourceLimit):
        compile_graph(place(transform()), virtual(gpu_0=enough - enough // 64))


def place(graph: Graph) -> Graph:
    """The graph with its transform on the GPU, which the CPU would do as well."""
    from dataclasses import replace

    vertices = list(graph.vertices)
    vertices[-1] = replace(vertices[-1], device="gpu:0")
    return replace(graph, vertices=tuple(vertices))


def test_the_cpu_has_a_budget_too() -> None:
    with pytest.raises(ResourceLimit, match="cpu: 1024 bytes are too little"):
        compile_graph(transform(), Machine({"cpu": 1024}))
    assert compile_graph(transform(), Machine({"cpu": 2 * BYTES})).peak["cpu"] <= 2 * BYTES


def test_a_device_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"mine.py:4: call is placed on gpu:0"):
        compile_graph(place(transform()), Machine({"cpu": None}))
