"""The PLONKish prover: its proofs verify, by the oracle and compiled for little memory, and nothing
else does.

ZKRUN_PLONKISH_K, such as "12,14,16", names more sizes for which the compiled prover is run.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import pytest
from group_law import coordinates, pairing_product_is_one, sum_of_products
from interpreter import Fails, constant_value, drawn_by, interpret, transform
from plonkish_verifier import Refused, verify

import zkrun
from zkrun.algebra.curves import CURVES
from zkrun.analysis.analyse import analyse
from zkrun.compiler.compile import Machine, compile_graph
from zkrun.compiler.type2.codec import load_graph
from zkrun.compiler.type2.graph import Graph
from zkrun.errors import ResourceLimit

SCRIPTS = Path(__file__).parents[2] / "scripts"
MORE = [int(k) for k in os.environ.get("ZKRUN_PLONKISH_K", "").split(",") if k]
SHARES = (1000, 500, 250, 125)  # thousandths of what the proof takes on a GPU without a limit


class Case(NamedTuple):
    """What `plonkish.py build` has written, and what its proof is made from."""

    graph: Graph
    key: dict[str, Any]
    inputs: dict[str, Path]
    witness: dict[str, list[int]]


def script(name: str) -> ModuleType:
    """A module of the folder of scripts, whose modules import one another."""
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    return importlib.import_module(name)


def build(folder: Path, curve: str, k: int) -> Case:
    circuit = script("plonkish").Circuit(curve, k)
    path, inputs = script("plonkish").build(circuit, folder, seed=k)
    key = json.loads((folder / "verifying_key.json").read_text())
    files = {file.stem: file for file in inputs}
    return Case(load_graph(path), key, files, circuit.witness(seed=k))


@pytest.fixture(scope="module", params=list(CURVES))
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("small"), request.param, 4)


def prove(case: Case, witness: dict[str, list[int]], seed: int = 0) -> bytes:
    """The proof, as the oracle has it."""
    source = random.Random(seed)
    r = CURVES[case.graph.curve].r
    drawn = [source.randrange(r) for _ in range(drawn_by(case.graph))]
    proof: bytes = interpret(case.graph, witness, drawn).proof
    return proof


def refused(case: Case, public: list[int], proof: bytes) -> bool:
    try:
        verify(case.key, public, proof)
    except Refused:
        return True
    return False


def test_proofs_verify_and_are_blinded(small: Case) -> None:
    proofs = [prove(small, small.witness, seed) for seed in (1, 2)]
    assert proofs[0] != proofs[1]
    for proof in proofs:
        verify(small.key, small.witness["p"], proof)


def elements(curve: str) -> Iterator[int]:
    """The bytes of each element of a proof: points, values, and the four witnesses."""
    size = CURVES[curve].base.bytes
    yield from [size] * 15
    yield from [32] * 27
    yield from [size] * 4


def test_whatever_is_changed_is_refused(small: Case) -> None:
    """Each element by another valid one and by noise, each public input, and the length."""
    curve, r, public = small.graph.curve, CURVES[small.graph.curve].r, small.witness["p"]
    proof = prove(small, small.witness)
    another = prove(small, small.witness, seed=1)
    start = 0
    for size in elements(curve):
        end = start + size
        assert refused(small, public, proof[:start] + another[start:end] + proof[end:]), start
        value = int.from_bytes(proof[start:end], "little") ^ 1
        changed = value.to_bytes(size, "little")
        assert refused(small, public, proof[:start] + changed + proof[end:]), start
        start = end
    assert start == len(proof)
    for index in range(len(public)):
        for value in (0, (public[index] + 1) % r, r):
            wrong = [*public[:index], value, *public[index + 1 :]]
            assert refused(small, wrong, proof)
    assert refused(small, public[:-1], proof)
    assert refused(small, public, proof[:-1])
    assert refused(small, public, proof + b"\0")
    assert refused(small, public, b"")


def test_scalars_beyond_the_modulus_are_refused(small: Case) -> None:
    curve, r = small.graph.curve, CURVES[small.graph.curve].r
    proof = prove(small, small.witness)
    start = 15 * CURVES[curve].base.bytes
    value = int.from_bytes(proof[start : start + 32], "little") + r
    if value < 1 << 256:
        same = value.to_bytes(32, "little")
        with pytest.raises(Refused, match="too large"):
            verify(small.key, small.witness["p"], proof[:start] + same + proof[start + 32 :])


@pytest.mark.parametrize("column", ["a", "b", "c", "d", "e", "p"])
def test_a_witness_that_breaks_the_circuit_proves_nothing(small: Case, column: str) -> None:
    r = CURVES[small.graph.curve].r
    for row in (0, 2):
        witness = {name: list(values) for name, values in small.witness.items()}
        witness[column][row] = (witness[column][row] + 1) % r
        try:
            proof = prove(small, witness)
        except Fails:  # what is looked up is not in the table
            assert column in "be"
        else:
            assert refused(small, witness["p"], proof)


def test_a_broken_copy_alone_is_found(small: Case) -> None:
    """A start that is not the public one, and all that follows from it."""
    other = script("plonkish").Circuit(small.graph.curve, 4).witness(seed=99)
    proof = prove(small, {**other, "p": small.witness["p"]})
    assert refused(small, small.witness["p"], proof)
    assert refused(small, other["p"], proof)
    verify(small.key, other["p"], prove(small, other))


def test_the_key_and_the_setup_are_what_they_say(small: Case) -> None:
    """Powers by the pairing, commitments by transforms and sums of products over them."""
    curve, graph = small.graph.curve, small.graph
    record = CURVES[curve]

    def constant(name: str) -> Any:
        return constant_value(graph.constants[name], curve, graph.folder)

    srs = constant("srs")
    tau: Any = tuple(tuple(int(part, 16) for part in c) for c in small.key["tau_g2"])
    assert srs[0] == record.g1
    for low, high in pairwise(srs):
        negative = sum_of_products(curve, "g1", [high], [record.r - 1])
        assert pairing_product_is_one(curve, [(low, tau), (negative, record.g2)])

    n, r = len(srs), record.r
    inverse_root = pow(record.scalar.generator, r - 1 - (r - 1) // n, r)
    key_points = constant("key")
    assert len(key_points) == len(small.key["commitments"]) == 10
    for point, (name, written) in zip(key_points, small.key["commitments"].items(), strict=True):
        coefficients = [c * pow(n, -1, r) for c in transform(constant(name), inverse_root, 1, r)]
        assert point == sum_of_products(curve, "g1", srs, [c % r for c in coefficients])
        assert coordinates(point, "g1") == [int(c, 16) for c in written]


def measured(outcome: zkrun.Outcome, device: str) -> int:
    """The most bytes that a device held."""
    (peak,) = (use.peak for use in outcome.trace.devices if use.name == device)
    return peak


@pytest.mark.parametrize(
    ("curve", "k", "shares"),
    [
        ("bn254", 8, SHARES),
        ("bn254", 10, (250,)),
        ("bls12_381", 6, (500,)),
        *(("bn254", k, SHARES) for k in MORE),
    ],
)
def test_compiled_proofs_are_the_same_in_little_memory(
    curve: str, k: int, shares: tuple[int, ...], tmp_path: Path
) -> None:
    """On the CPU, on a GPU, and on one with less and less of what it would take."""
    case = build(tmp_path, curve, k)
    machines = [Machine(), Machine({"cpu": None, "gpu:0": None}, gpu="virtual")]
    programs = [compile_graph(case.graph, machine) for machine in machines]
    most = programs[1].peak["gpu:0"]
    budgets = [most * share // 1000 for share in shares]
    programs += [
        compile_graph(case.graph, machines[1].with_memory("gpu:0", nbytes)) for nbytes in budgets
    ]
    proofs = set()
    for compiled, budget in zip(programs, [None, None, *budgets], strict=True):
        assert [d.to_json() for d in analyse(compiled.program).diagnostics] == []
        options = zkrun.Options(gpu="virtual", seed=k)
        outcome = zkrun.run(compiled.program, case.inputs, options)
        proofs.add(outcome.result.values)
        if budget is not None:
            assert measured(outcome, "gpu:0") <= budget
    (proof,) = proofs
    verify(case.key, case.witness["p"], bytes.fromhex(proof))


def said_to_do(graph: Graph, machine: Machine) -> dict[str, int]:
    """The bytes of each device that a refusal says, if nothing less does."""
    with pytest.raises(ResourceLimit) as refused:
        compile_graph(graph, machine)
    said = re.findall(r"(\S+): \d+ bytes are .*?(\d+) would do, and", str(refused.value))
    return {device: int(enough) for device, enough in said}


@pytest.mark.parametrize("gpu", ["real", "virtual"])
def test_nothing_less_does_than_what_is_said_to_do(
    tmp_path: Path, gpu: Literal["real", "virtual"]
) -> None:
    """A third less did: plans put arrays together on the GPU, and left holes between others."""
    case = build(tmp_path, "bn254", 10)
    machine = Machine({"cpu": None, "gpu:0": None}, gpu=gpu)
    enough = said_to_do(case.graph, machine.with_memory("gpu:0", 4096))["gpu:0"]
    compiled = compile_graph(case.graph, machine.with_memory("gpu:0", enough))
    assert compiled.peak["gpu:0"] == enough
    assert [d.to_json() for d in analyse(compiled.program).diagnostics] == []
    outcome = zkrun.run(compiled.program, case.inputs, zkrun.Options(gpu="virtual", seed=8))
    assert measured(outcome, "gpu:0") <= enough
    verify(case.key, case.witness["p"], bytes.fromhex(outcome.result.values))
    for less in (1, enough // 16, enough // 4):
        with pytest.raises(ResourceLimit):
            compile_graph(case.graph, machine.with_memory("gpu:0", enough - less))


def test_two_gpus_with_too_little_are_refused(tmp_path: Path) -> None:
    """It took for ever: what did for the one alone did not with however much for the other."""
    graph = build(tmp_path, "bn254", 10).graph
    machine = Machine({"gpu:0": 200 << 10, "gpu:1": 100 << 10, "cpu": None})
    enough = said_to_do(graph, machine)
    assert enough.keys() == {"gpu:0", "gpu:1"}
    for less in (0, 1):
        memory = {**machine.memory, "gpu:0": enough["gpu:0"] - less, "gpu:1": enough["gpu:1"]}
        if less:
            with pytest.raises(ResourceLimit):
                compile_graph(graph, Machine(memory))
        else:
            peak = compile_graph(graph, Machine(memory)).peak
            assert all(peak[device] <= nbytes for device, nbytes in enough.items())


def test_the_commands_that_the_script_prints(tmp_path: Path) -> None:
    folder = tmp_path / "proof"

    def run(*command: str | Path) -> str:
        return subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    printed = run(SCRIPTS / "plonkish.py", "build", "--k", "4", "--out", folder)
    compiling, running = (shlex.split(line)[1:] for line in printed.splitlines())
    run("-m", "zkrun", *compiling)
    result = json.loads(run("-m", "zkrun", *running, "--gpu", "virtual"))
    key = json.loads((folder / "verifying_key.json").read_text())
    public = script("plonkish").Circuit("bn254", 4).witness(seed=0)["p"]
    verify(key, public, bytes.fromhex(result["values"]))


def test_the_table_of_budgets(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPTS / "plonkish_budgets.py", "--k", "6", "--gpu", "virtual"]
    command += ["--iterations", "1", "--shares", "1,0.25"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["no", "100.0%", "25.0%"]


@pytest.mark.parametrize("k", ["3", "27"])
def test_sizes_that_cannot_be(k: str, tmp_path: Path) -> None:
    command = [sys.executable, SCRIPTS / "plonkish.py", "build", "--k", k, "--out", tmp_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--k is between 4 and 26" in done.stderr
