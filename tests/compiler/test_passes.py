"""Every pass, alone and in any company, keeps what a graph computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from graphs import Case, random_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreter import interpret

from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes import PASSES, Target

TARGETS = (
    Target(),
    Target(devices=("cpu", "gpu:0"), most=256),
    Target(devices=("cpu", "gpu:0", "gpu:1"), most=64),
)
often = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def check(case: Case, *passes: Callable[[Graph], Graph]) -> None:
    wanted = interpret(case.graph, case.inputs, case.drawn)
    graph = case.graph
    for one in passes:
        graph = one(graph)
    assert interpret(graph, case.inputs, case.drawn) == wanted


@pytest.mark.parametrize("name", list(dict.fromkeys(one.name for one in PASSES)))
@often
@given(random_cases(), st.sampled_from(TARGETS))
def test_each_pass(name: str, case: Case, target: Target) -> None:
    found = next(one for one in PASSES if one.name == name)
    check(case, lambda graph: found.run(graph, target))


@often
@given(random_cases(), st.sampled_from(TARGETS), st.data())
def test_any_passes(case: Case, target: Target, data: st.DataObject) -> None:
    flags = data.draw(st.lists(st.booleans(), min_size=len(PASSES), max_size=len(PASSES)))
    wanted = [one for one, flag in zip(PASSES, flags, strict=True) if flag]
    check(case, *[lambda graph, one=one: one.run(graph, target) for one in wanted])


@often
@given(random_cases(), st.sampled_from(TARGETS))
def test_all_passes(case: Case, target: Target) -> None:
    check(case, *[lambda graph, one=one: one.run(graph, target) for one in PASSES])
