"""Waits between tracks: as many as needed, and none that is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from zkrun.analysis.analyse import analyse
from zkrun.compiler.compile import Compiled, Machine, compile_graph
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, Graph, Value
from zkrun.compiler.type2.types import Poly
from zkrun.program.instructions import Fork, FuncCall, Join, MoveRegister, Record, Wait

N = 1 << 12


def chain(rounds: int) -> Graph:
    """Rounds of transforms whose values are all taken at the end, and a challenge for each."""
    builder = Builder("bn254")
    builder.inputs = {name: Poly(N, "coefficients") for name in "fg"}
    f, g = (builder.add(op.Input(name)) for name in builder.inputs)
    transcript = builder.add(op.NewTranscript("blake2b"))
    blinding = builder.add(op.Random(N, "coefficients"))
    kept = []
    for _ in range(rounds):
        value = builder.add(op.call("evaluate"), [f, builder.add(op.Number(7))])
        transcript = builder.add(op.call("write_transcript"), [transcript, value])
        squeezed = builder.add(op.call("squeeze_scalar"), [transcript])
        transcript, challenge = squeezed, Value(squeezed.vertex, 1)
        e = builder.add(op.call("ntt", {"coset": 5}), [f])
        kept.append(e)
        product = builder.add(op.Multiply(), [e, challenge])
        f = builder.add(op.call("ntt", {"inverse": True, "coset": 5}), [product])
        f, g = g, builder.add(op.Add(), [f, blinding])
    total = kept[0]
    for one in kept[1:]:
        total = builder.add(op.Add(), [total, builder.add(op.Rotate(1), [one])])
    return builder.graph((transcript, total, f))


def compiled(rounds: int, share: float, gpu: Literal["virtual", "real"] = "virtual") -> Compiled:
    machine = Machine({"gpu:0": None, "cpu": None}, gpu=gpu)
    most = int(compile_graph(chain(rounds), machine).peak["gpu:0"] * share)
    return compile_graph(chain(rounds), machine.with_memory("gpu:0", most))


@pytest.mark.parametrize("gpu", ["virtual", "real"])
@pytest.mark.parametrize("share", [1.0, 0.6, 0.4])
def test_no_wait_can_be_left_out(share: float, gpu: Literal["virtual", "real"]) -> None:
    program = compiled(5, share, gpu).program
    assert analyse(program).diagnostics == ()
    waits = [i for i, one in enumerate(program.instructions) if isinstance(one, Wait)]
    assert waits
    for index in waits:
        rest = program.instructions[:index] + program.instructions[index + 1 :]
        assert analyse(replace(program, instructions=rest)).diagnostics, program.instructions[index]


def test_no_wait_is_within_a_stream_and_every_record_is_waited_for() -> None:
    program = compiled(5, 0.4).program
    queue_of = {one.event: one.stream for one in program.instructions if isinstance(one, Record)}
    waits = [one for one in program.instructions if isinstance(one, Wait)]
    assert all(queue_of[one.event] != one.stream for one in waits)
    assert {one.event for one in waits} == set(queue_of)


def test_many_random_elements_are_drawn_aside() -> None:
    program = compiled(2, 1.0).program
    kinds = [type(one) for one in program.instructions]
    assert kinds.count(Fork) == kinds.count(Join) == 1
    # something is computed in between
    between = kinds[kinds.index(Fork) : kinds.index(Join)]
    assert FuncCall in between


def test_memory_is_renamed_once_the_thread_that_fills_it_has_ended() -> None:
    """A sum in the place of random elements took their name while they were being drawn."""
    builder = Builder("bn254")
    builder.inputs = {"f": Poly(N, "coefficients")}
    blinding = builder.add(op.Random(N, "coefficients"))
    f = builder.add(op.Input("f"))
    values = builder.add(op.call("ntt"), [f], device="gpu:0")
    total = builder.add(op.Add(), [f, blinding], device="cpu")
    machine = Machine({"gpu:0": None, "cpu": None}, gpu="virtual")
    program = compile_graph(builder.graph((values, total)), machine).program
    assert analyse(program).diagnostics == ()
    kinds = [type(one) for one in program.instructions]
    assert kinds.index(Fork) < kinds.index(Join) < kinds.index(MoveRegister)


def test_copies_and_calls_are_on_streams_of_their_own() -> None:
    program = compiled(5, 0.4).program
    streams = {
        one.track: one.stream for one in program.instructions if getattr(one, "stream", None)
    }
    names = {program.variables[f"{stream}"] for stream in streams.values()}
    assert {"ToGpu of gpu:0", "FromGpu of gpu:0"} <= names
