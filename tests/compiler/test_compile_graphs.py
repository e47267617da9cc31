"""Compiled programs: valid without a warning, and their results those of the oracle.

Vertices are put on random devices with random budgets, so that values are evicted, brought back,
sliced on the way and written in place in every order.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from Crypto.Cipher import ChaCha20
from graphs import Case, random_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreter import document_values, interpret

import zkrun
from zkrun.algebra.curves import CURVES
from zkrun.analysis.analyse import analyse
from zkrun.compiler.machine import Machine
from zkrun.compiler.placed import Compiled, compile_placed
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.placement import may_run_on
from zkrun.compiler.type3 import tracks
from zkrun.compiler.type3.residence import DoesNotFit
from zkrun.runtime.random import key

SEED = 11


def drawn(graph: Graph) -> list[int]:
    """What the Randoms of a graph draw under SEED, in order."""
    randoms = [v.operation.n for v in graph.vertices if isinstance(v.operation, op.Random)]
    found = []
    for number, n in enumerate(randoms):
        cipher = ChaCha20.new(key=key(SEED), nonce=number.to_bytes(12, "little"))
        stream = cipher.encrypt(bytes(64 * n))
        words = (stream[i : i + 64] for i in range(0, len(stream), 64))
        found += [int.from_bytes(word, "little") % CURVES[graph.curve].r for word in words]
    return found


def run(program: Any, inputs: dict[str, Any], **options: Any) -> zkrun.Outcome:
    return zkrun.run(program, inputs, zkrun.Options(gpu="virtual", seed=SEED, **options))


def on_devices(graph: Graph, choose: random.Random, devices: list[str]) -> Graph:
    """Every vertex on a random one of the devices that it may run on."""
    return replace(
        graph,
        vertices=tuple(
            replace(
                vertex,
                device=choose.choice(
                    [one for one in devices if may_run_on(graph, vertex, one)] or ["cpu"]
                ),
            )
            for vertex in graph.vertices
        ),
    )


def check_program(compiled: Compiled, case: Case, seed: int) -> None:
    """Valid, its result the oracle's in any order, and never more held than was planned."""
    expected = document_values(interpret(case.graph, case.inputs, drawn(case.graph)))
    assert [d.to_json() for d in analyse(compiled.program).diagnostics] == []
    inputs = {name: case.inputs[name] for name in case.graph.inputs}
    assert run(compiled.program, inputs, sanitize=True).result.values == expected
    outcome = run(compiled.program, inputs, shuffle=seed)
    assert outcome.result.values == expected
    for use in outcome.trace.devices:
        assert use.name == "disk" or use.peak <= compiled.peak[use.name], use.name


@settings(suppress_health_check=list(HealthCheck))
@given(case=random_cases(), seed=st.integers(0, 2**32), share=st.integers(10, 100))
def test_results_on_random_devices_with_random_budgets(case: Case, seed: int, share: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        check(case, seed, share, patch)


def check(case: Case, seed: int, share: int, patch: pytest.MonkeyPatch) -> None:
    graph = case.graph
    choose = random.Random(seed)
    devices = choose.choice([["cpu"], ["gpu:0"], ["cpu", "gpu:0"], ["cpu", "gpu:0", "gpu:1"]])
    placed = on_devices(graph, choose, devices)
    if choose.random() < 0.5:  # as if there were many random elements, which threads draw
        patch.setattr(tracks, "_MANY", 1)
    memory: dict[str, int | None] = dict.fromkeys(("cpu", *devices))
    compiled = compile_placed(placed, Machine(memory))
    if choose.random() < 0.8:
        tight = {
            device: nbytes * share // 100
            for device, nbytes in compiled.peak.items()
            if device in memory
        }
        try:
            compiled = compile_placed(placed, Machine(tight, disk=choose.random() < 0.8))
        except DoesNotFit:
            pass
        else:
            for device, most in tight.items():
                assert compiled.peak.get(device, 0) <= most
    check_program(compiled, case, seed)
