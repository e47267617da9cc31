"""The page on graphs: what is generated is current, its steps run, and their proof holds."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from group_law import sum_of_products
from interpreter import document_values, interpret, values_of

import zkrun
from zkrun.algebra.curves import CURVES
from zkrun.compiler import GraphError, load_graph
from zkrun.compiler.compile import compile_graph
from zkrun.compiler.type2 import operations
from zkrun.compiler.type2.document import OPERATIONS
from zkrun.compiler.type2.reference import SECTIONS
from zkrun.compiler.type2.text import lines
from zkrun.program.reference import refreshed

PAGE = Path(__file__).parents[2] / "programs" / "GRAPHS.md"
TAU = 0x1234567
BN254 = CURVES["bn254"]


def codes() -> dict[str, str]:
    """The files of the page by their names."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"`(\w+\.py)`[^`]*```python\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in found] == ["product.py", "srs.py"]
    assert len(found) == text.count("```python")
    return dict(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which every step of the page was taken as it stands there."""
    folder = tmp_path_factory.mktemp("page")
    for name, code in codes().items():
        (folder / name).write_text(code)
    (steps,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    commands = {
        "python": [sys.executable, "-W", "error"],
        "zkrun": [sys.executable, "-W", "error", "-m", "zkrun"],
    }
    for step in steps.splitlines():
        command, *arguments = shlex.split(step)
        subprocess.run([*commands[command], *arguments], cwd=folder, check=True, timeout=60)
    return folder


def example(folder: Path) -> str:
    return "```\n" + "\n".join(lines(load_graph(folder / "product.json"))) + "\n```"


def test_the_page_is_current(folder: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    sections = {**SECTIONS, "example": lambda: example(folder)}
    for name in sections:
        assert f"<!-- begin generated: {name} -->" in text
    if os.environ.get("ZKRUN_BLESS"):
        PAGE.write_text(refreshed(text, sections), encoding="utf-8")
    assert refreshed(PAGE.read_text(encoding="utf-8"), sections) == PAGE.read_text(encoding="utf-8")


def test_every_operation_is_documented() -> None:
    assert list(OPERATIONS) == [
        name for name in vars(operations) if name in operations.__all__ and name in OPERATIONS
    ]
    assert all(not (cls.__doc__ or "").startswith(name) for name, cls in OPERATIONS.items())


def test_the_example_is_a_proof(folder: Path) -> None:
    graph = load_graph(folder / "product.json")
    inputs = {"a": [3, 1, 4, 1], "b": [5, 9, 2, 6]}
    outcome = zkrun.run(compile_graph(graph).program, inputs)
    proof = document_values(interpret(graph, inputs))
    assert json.loads((folder / "proof.json").read_text())["values"] == proof
    assert outcome.result.values == proof
    assert len(bytes.fromhex(proof)) == 3 * 32

    # C − y·G = (τ − z)·W, which the pairing would tell a verifier who does not know τ
    values = values_of(graph, inputs)
    calls: dict[str, list[Any]] = {}
    for vertex, results in zip(graph.vertices, values, strict=True):
        if isinstance(vertex.operation, operations.Call):
            calls.setdefault(vertex.operation.function, []).append(results[-1])
    (commitment, opening), (z,), (y,) = calls["msm"], calls["squeeze_scalar"], calls["evaluate"]
    left = sum_of_products("bn254", "g1", [commitment, BN254.g1], [1, BN254.r - y])
    assert left == sum_of_products("bn254", "g1", [opening], [(TAU - z) % BN254.r])
    product = [15, 32, 35, 61, 23, 26, 6, 0]
    at_tau = sum(c * TAU**i for i, c in enumerate(product)) % BN254.r
    assert commitment == sum_of_products("bn254", "g1", [BN254.g1], [at_tau])


def test_the_setup_is_that_of_the_secret(folder: Path) -> None:
    image = b""
    for i in range(8):
        point: Any = sum_of_products("bn254", "g1", [BN254.g1], [TAU**i])
        image += b"".join(int(coordinate).to_bytes(32, "little") for coordinate in point)
    assert (folder / "srs.bin").read_bytes() == image


def test_a_mistake_is_told_as_the_page_says() -> None:
    code = codes()["product.py"]
    wrong = code.replace("a.to_lagrange(8) * b.to_lagrange(8)", "a * b")
    assert wrong != code
    with pytest.raises(
        GraphError, match=r"^product\.py:8: the product of two polynomials in coefficients"
    ):
        exec(compile(wrong, "product.py", "exec"), {"__name__": "product"})
