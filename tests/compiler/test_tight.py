"""Tight plans: what the vertex takes that demands most is enough, and less is not."""

from __future__ import annotations

import random

import pytest
from graphs import Case, random_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_compile_graphs import check_program, on_devices

from zkrun.compiler.footprint import Footprint
from zkrun.compiler.machine import Machine
from zkrun.compiler.placed import compile_placed
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, Graph
from zkrun.compiler.type2.types import Poly, memory_type
from zkrun.compiler.type3.residence import DoesNotFit
from zkrun.program import types


def largest(graph: Graph) -> int:
    """The bytes of a graph's largest value, in whole pages."""
    typs = (memory_type(typ) for vertex in graph.vertices for typ in vertex.types)
    return -(-max(types.size(typ, graph.curve_record) for typ in typs) // 4096) * 4096


@settings(suppress_health_check=list(HealthCheck))
@given(case=random_cases(), seed=st.integers(0, 2**32), gpus=st.integers(1, 2), disk=st.booleans())
def test_what_vertices_demand_is_enough(case: Case, seed: int, gpus: int, disk: bool) -> None:
    devices = ["cpu", *(f"gpu:{number}" for number in range(gpus))]
    placed = on_devices(case.graph, random.Random(seed), devices)
    limited = devices if disk else devices[1:]
    asked = Machine(dict.fromkeys(devices) | dict.fromkeys(limited, 1), disk=disk)
    needs = Footprint(placed, asked, tight=True).needs()
    assert needs.keys() == set(limited)
    memory = {device: needs[device].nbytes if device in needs else None for device in devices}
    if disk:  # values on their way to the disk may take more of the CPU
        memory["cpu"] = (memory["cpu"] or 0) + largest(placed)
    compiled = compile_placed(placed, Machine(memory, disk=disk), tight=True)
    for device, most in memory.items():
        assert most is None or compiled.peak[device] <= most
    check_program(compiled, case, seed)


@settings(suppress_health_check=list(HealthCheck))
@given(case=random_cases(), seed=st.integers(0, 2**32), tight=st.booleans())
def test_less_is_not_enough(case: Case, seed: int, tight: bool) -> None:
    """For no plan: what vertices demand is a lower bound of those that are not tight, too."""
    placed = on_devices(case.graph, random.Random(seed), ["cpu", "gpu:0"])
    need = Footprint(placed, Machine({"cpu": None, "gpu:0": 1}), tight=True).needs()["gpu:0"]
    assert (need.vertex is None) == (need.nbytes == 0)
    if need.vertex is not None:
        with pytest.raises(DoesNotFit):
            compile_placed(placed, Machine({"cpu": None, "gpu:0": need.nbytes - 1}), tight)


def test_what_is_empty_takes_room_too() -> None:
    """It counted as nothing, so that a page that is full had no room for it."""
    builder = Builder("bn254")
    builder.inputs = {"f": Poly(128, "coefficients"), "nothing": Poly(0, "coefficients")}
    operands = [builder.add(op.Input(name)) for name in builder.inputs]
    graph = builder.graph(builder.add(op.call("poly_add"), operands, device="gpu:0"))
    machine = Machine({"cpu": None, "gpu:0": 1}, gpu="virtual")
    need = Footprint(graph, machine, tight=True).needs()["gpu:0"]
    limited = machine.with_memory("gpu:0", need.nbytes)
    assert compile_placed(graph, limited, tight=True).peak["gpu:0"] == need.nbytes == 2 * 4096
