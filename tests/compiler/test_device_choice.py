"""Devices by cost: arrays where they are computed fastest, with their copies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graphs import Case, random_cases
from hypothesis import given
from hypothesis import strategies as st

from zkrun.compiler.rates import DEFAULT_RATES
from zkrun.compiler.type2.author import Coefficients, Lagrange, Proof
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.devices import choose_devices
from zkrun.compiler.type2.placement import may_run_on
from zkrun.program.types import PointArray

ONE = ("cpu", "gpu:0")
TWO = ("cpu", "gpu:0", "gpu:1")
NOWHERE = {"input", "constant", "number", "rotate", "slice", "view"}


def devices(graph: Graph, *names: str) -> dict[str, list[str | None]]:
    """The devices of vertices by their operation, in order."""
    found: dict[str, list[str | None]] = {}
    for vertex in graph.vertices:
        function = getattr(vertex.operation, "function", vertex.operation.name)
        found.setdefault(function, []).append(vertex.device)
    return {name: found[name] for name in names}


@given(random_cases(), st.sampled_from([("cpu",), ONE, TWO]))
def test_every_vertex_has_a_device_that_it_may_run_on(case: Case, names: tuple[str, ...]) -> None:
    graph = choose_devices(case.graph, names, DEFAULT_RATES)
    for vertex in graph.vertices:
        if vertex.operation.name in NOWHERE:
            assert vertex.device is None
        else:
            assert vertex.device in names
            assert may_run_on(graph, vertex, vertex.device)


def test_a_commitment_on_the_gpu_and_its_transcript_on_the_cpu() -> None:
    n = 1 << 16
    proof = Proof("bn254")
    v, bases = proof.input("v", Lagrange(n)), proof.input("bases", PointArray(n))
    transcript = proof.transcript("blake2b")
    transcript.write(bases.commit((v * v).to_coefficients()))
    x = transcript.squeeze()
    graph = choose_devices(proof.graph((transcript, x * x + 1)), ONE, DEFAULT_RATES)
    assert devices(graph, "ntt", "msm", "write_transcript", "squeeze_scalar", "add") == {
        "ntt": ["gpu:0"],
        "msm": ["gpu:0"],
        "write_transcript": ["cpu"],
        "squeeze_scalar": ["cpu"],
        "add": ["cpu"],
    }


def test_without_a_gpu_all_is_on_the_cpu() -> None:
    proof = Proof("bn254")
    f = proof.input("f", Coefficients(8))
    graph = choose_devices(proof.graph(f.to_lagrange()), ("cpu",), DEFAULT_RATES)
    assert devices(graph, "input", "ntt") == {"input": [None], "ntt": ["cpu"]}


@pytest.mark.parametrize(("link", "device"), [(50e9, "gpu:0"), (1e6, "cpu")])
def test_copies_count(link: float, device: str) -> None:
    proof = Proof("bn254")
    f = proof.input("f", Coefficients(1 << 16))
    rates = replace(DEFAULT_RATES, links={"cpu->gpu": link, "gpu->cpu": link})
    graph = choose_devices(proof.graph(f.to_lagrange()), ONE, rates)
    assert devices(graph, "ntt") == {"ntt": [device]}


def test_a_device_that_was_given_stays() -> None:
    proof = Proof("bn254")
    f = proof.input("f", Coefficients(1 << 16))
    graph = proof.graph(f.to_lagrange())
    first, second = graph.vertices
    given_one = replace(graph, vertices=(first, replace(second, device="cpu")))
    assert devices(choose_devices(given_one, ONE, DEFAULT_RATES), "ntt") == {"ntt": ["cpu"]}


def test_independent_sums_go_to_several_gpus() -> None:
    n = 1 << 18
    proof = Proof("bn254")
    bases = proof.input("bases", PointArray(n))
    polynomials = [proof.input(name, Coefficients(n)) for name in "abcd"]
    graph = proof.graph(tuple(bases.commit(f) for f in polynomials))
    found = devices(choose_devices(graph, TWO, DEFAULT_RATES), "msm")["msm"]
    assert sorted(map(str, found)) == ["gpu:0"] * 2 + ["gpu:1"] * 2


def test_a_chain_stays_on_one_gpu() -> None:
    proof = Proof("bn254")
    v = proof.input("v", Lagrange(1 << 16))
    for i in range(6):
        v = (v * v + i).to_coefficients().to_lagrange(1 << 16, 5).as_coefficients().as_lagrange()
    found = devices(choose_devices(proof.graph(v), TWO, DEFAULT_RATES), "ntt", "multiply")
    assert set(found["ntt"]) | set(found["multiply"]) == {"gpu:0"}
