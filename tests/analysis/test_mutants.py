"""Every mutant of a correct program is refused, or is shown to do the same in the same order.

Each instruction that synchronises or allocates is left out, moved, or put on another stream, one at
a time. What the analysis says of the mutant is compared with `brute`, which looks at all pairs of
accesses of an explicit graph: it must refuse exactly what that finds unsafe, and where it does not,
all accesses that conflict must come in the order that they have in the original.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import test_buffers_of_calls
import test_lifetimes
import test_order
from brute import Pair, Unsafe, orders
from correct_programs import program, queues
from sample_programs import SAMPLES, files_of_zeros
from short_programs import document

from zkrun.analysis import analyse
from zkrun.compiler import Coefficients, Proof
from zkrun.compiler.compile import compile_graph
from zkrun.compiler.machine import Machine
from zkrun.program.decode import decode
from zkrun.program.document import Program
from zkrun.program.encode import program_to_raw, to_json

RULES = Path(__file__).parent / "rules"
MUTATED = {"Record", "Wait", "Fork", "Join", "Allocate", "Deallocate"}
STREAMED = {"Record", "Wait", "Transfer", "GetScalarFromArray", "Deallocate"}
BEYOND = {"ZK025", "ZK026", "ZK027", "ZK028", "ZK029", "ZK031", "ZK032", "ZK033"}
"""Rules of operands, of which the slow check knows nothing."""

COMPILED = 1 << 12  # elements: what transforms work in has a place in the plan from here on
PROGRAMS, PARTS, MOST = 120, 4, 30  # programs, of each so many mutants
MANY = 300  # mutants of a written program

Raw = dict[str, Any]


def tagged(raw: Raw) -> Raw:
    """The program with the path of each instruction as its `source`, by which it stays known."""
    raw = copy.deepcopy(raw)
    for path, body, at in places(raw):
        body[at]["source"] = path
    return raw


def places(raw: Raw) -> Iterator[tuple[str, list[Raw], int]]:
    """(path, the list that it stands in, index) of each instruction."""
    rest = [("/instructions", raw["instructions"])]
    while rest:
        prefix, body = rest.pop()
        for at, instruction in enumerate(body):
            yield f"{prefix}/{at}", body, at
            if instruction["op"] == "Fork":
                rest.append((f"{prefix}/{at}/instructions", instruction["instructions"]))


def mutants(raw: Raw) -> Iterator[tuple[str, Raw]]:
    """All mutants of a tagged program, each with what was done."""
    streams = {
        (instruction["device"], instruction["id"])
        for _, body, at in places(raw)
        if (instruction := body[at])["op"] == "Allocate" and instruction["typ"]["kind"] == "Stream"
    }
    devices = {id: device for device, id in streams}
    for number, (path, body, at) in enumerate(places(raw)):
        instruction = body[at]
        if instruction["op"] in MUTATED:
            yield f"{path} left out", changed(raw, number, lambda body, at: body.pop(at))
            end = len(body) - (body[-1]["op"] == "Return")
            for to in {0, at - 2, at - 1, at + 1, at + 2, end - 1} - {at}:
                if 0 <= to < end:
                    yield f"{path} moved to {to}", changed(raw, number, mover(to))
        own = instruction.get("stream") if instruction["op"] in STREAMED else None
        called = instruction["op"] == "FuncCall" and instruction["arg"][-1:]
        if called and called[0] in devices:
            own = called[0]
        if own is None:
            continue
        if not called:
            yield f"{path} off its stream", changed(raw, number, put(None))
        for device, id in sorted(streams):
            if id != own and device == devices.get(own):
                yield f"{path} on stream {id}", changed(raw, number, put(id))


def changed(raw: Raw, number: int, change: Any) -> Raw:
    mutant = copy.deepcopy(raw)
    _, body, at = list(places(mutant))[number]
    change(body, at)
    return mutant


def mover(to: int) -> Any:
    return lambda body, at: body.insert(to, body.pop(at))


def put(stream: int | None) -> Any:
    def change(body: list[Raw], at: int) -> None:
        instruction = body[at]
        if instruction["op"] == "FuncCall":
            instruction["arg"][-1] = stream
        elif stream is not None:
            instruction["stream"] = stream
        else:
            del instruction["stream"]
            if instruction["op"] == "Wait":
                instruction["slave"] = "cpu"

    return change


class Tally:
    """Judges mutants, and counts how each was classified."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()

    def judge(self, original: Raw, folder: Path | None = None, most: int | None = None) -> None:
        raw = tagged(original)
        wanted = order_of(raw, folder)
        found = list(mutants(raw))
        if most is not None and len(found) > most:
            found = random.Random(len(found)).sample(found, most)
        elif len(found) > MANY:  # each instruction is left out, some are moved
            rest = [one for one in found if not one[0].endswith("left out")]
            found = [one for one in found if one[0].endswith("left out")]
            found += random.Random(len(rest)).sample(rest, MANY - len(found))
        for what, mutant in found:
            self.counted[self.verdict(what, mutant, wanted, folder)] += 1

    def verdict(self, what: str, mutant: Raw, wanted: dict[Any, bool], folder: Path | None) -> str:
        program = decode(json.dumps(mutant).encode(), folder)
        analysis = analyse(program, check_image=unchecked)
        errors = [one for one in analysis.diagnostics if one.severity == "error"]
        self.rules.update({one.rule for one in errors})
        if errors and all(one.rule in BEYOND for one in errors):
            return "operands"
        order, unsafe = slow_check(program)
        if order is None:
            assert errors, f"{what} is accepted: {unsafe}\n{json.dumps(mutant)}"
            return "refused"
        assert not errors, f"{what} is refused: {errors[0]}\n{json.dumps(mutant)}"
        both = [pair for pair in order if pair in wanted]
        assert all(order[pair] == wanted[pair] for pair in both), what
        left = {body[at]["source"] for _, body, at in places(mutant)}
        survive = {pair for pair in wanted if pair[1] in left and pair[2] in left}
        assert of_bytes(survive) == of_bytes(order), f"{what} changes which accesses conflict"
        return "equivalent"


def slow_check(program: Program) -> tuple[dict[Pair, bool] | None, str]:
    try:
        return orders(program), ""
    except Unsafe as unsafe:
        return None, str(unsafe)


def of_bytes(pairs: Iterable[Pair]) -> set[Pair]:
    return {pair for pair in pairs if pair[0].startswith(("memory", "arena"))}


def unchecked(*image: object) -> None:
    """Constants are those of the original: to look at their points each time would take minutes."""


def order_of(raw: Raw, folder: Path | None) -> dict[Any, bool]:
    program = decode(json.dumps(raw).encode(), folder)
    assert analyse(program, check_image=unchecked).valid
    return orders(program)


def concurrent(raw: Raw) -> bool:
    return any(
        body[at]["op"] == "Fork" or body[at].get("typ") == {"kind": "Stream"}
        for _, body, at in places(raw)
    )


GOLDEN = {
    path.stem: (raw, RULES)
    for path in sorted(RULES.glob("*-accept.json"))
    if path.stem not in ("ZK001-accept", "ZK036-accept")
    and concurrent(raw := json.loads(path.read_bytes()))
}
SHORT = {
    name: (document(*body, memory={"gpu:0": 256}), None)
    for name, body in {**test_order.VALID, **test_lifetimes.VALID}.items()
}
BUFFERS = {
    name: (document(*body, memory={"gpu:0": 1024}), None)
    for name, body in test_buffers_of_calls.VALID.items()
}


@pytest.mark.parametrize("name", [*SAMPLES, *GOLDEN, *SHORT, *BUFFERS])
def test_mutants_of_written_programs(name: str, tmp_path: Path) -> None:
    samples = {name: (raw, None) for name, raw in SAMPLES.items()}
    raw, folder = {**samples, **GOLDEN, **SHORT, **BUFFERS}[name]
    if name in SAMPLES:
        files_of_zeros(raw, folder := tmp_path)
    tally = Tally()
    tally.judge(raw, folder)
    assert tally.counted or not concurrent(raw)


def compiled() -> Raw:
    """A program as the compiler writes it, with too little memory on its GPU for all at once."""
    proof = Proof("bn254")
    f, g = (proof.input(name, Coefficients(COMPILED)) for name in "fg")
    transcript = proof.transcript("blake2b")
    kept = []
    for _ in range(3):
        transcript.write(f(7))
        values = f.to_lagrange(coset=5) * transcript.squeeze()
        kept.append(values)
        f, g = g + proof.random(COMPILED, "coefficients"), values.to_coefficients()
    graph = proof.graph((transcript, kept[0] + kept[1].rotate(1) + kept[2], f))
    most = compile_graph(graph, Machine({"gpu:0": None, "cpu": None})).peak["gpu:0"] // 2
    found = compile_graph(graph, Machine({"gpu:0": most, "cpu": None}))
    assert found.evicted
    raw: Raw = json.loads(to_json(program_to_raw(found.program)))
    assert any(body[at].get("typ", {}).get("kind") == "GpuBuffer" for _, body, at in places(raw))
    return raw


def test_mutants_of_a_compiled_program() -> None:
    tally = Tally()
    tally.judge(compiled())
    assert tally.counted["refused"] >= 100


@pytest.mark.parametrize("part", range(PARTS))
def test_mutants_of_generated_programs(part: int) -> None:
    tally = Tally()
    for seed in range(part, PROGRAMS, PARTS):
        raw = program(random.Random(seed), threads=3, streams=3, least=15, most=40)
        tally.judge(raw, most=MOST)
    # Over all parts at least two thousand mutants, of which many are refused and many are not.
    assert tally.counted["refused"] * PARTS >= 1000
    assert tally.counted["equivalent"] * PARTS >= 500


def test_each_rule_of_the_order_refuses_mutants() -> None:
    """Of programs that use the same few bytes again and again, on streams of several threads."""
    tally = Tally()
    for seed in range(40):
        raw = program(random.Random(seed), threads=3, streams=3, least=20, crowded=True)
        tally.judge(raw, most=40)
    wanted = {"ZK060", "ZK071", "ZK074", "ZK075", "ZK083"}
    wanted |= {"ZK100", "ZK101", "ZK102", "ZK103", "ZK104", "ZK105"}
    assert wanted <= set(tally.rules)


def test_queues_that_threads_share() -> None:
    """Every order of the queues is tried: a program passes if none gets stuck, and only then."""
    tally = Tally()
    for seed in range(400):
        raw = queues(random.Random(seed))
        program = decode(json.dumps(tagged(raw)).encode())
        safe = slow_check(program)[0] is not None
        assert analyse(program).valid == safe, seed
        if safe and seed % 2:
            tally.judge(raw, most=20)
    assert tally.rules["ZK105"] >= 10
