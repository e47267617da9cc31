"""The EIP-4844 programs against ckzg, bit for bit, over the setup of the Ethereum ceremony."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ckzg
import pytest
import yaml
from scripts_of_programs import SCRIPTS, load_script, real_gpus

import zkrun
from zkrun.algebra.curves import BLS12_381
from zkrun.program.document import Program

R = BLS12_381.r
N = 4096
VECTORS = os.environ.get("ZKRUN_KZG_VECTORS")
"""A folder with the test vectors of the consensus specifications, where there is one."""


eip4844 = load_script("eip4844")


@pytest.fixture(scope="session")
def trusted_setup() -> Any:
    return ckzg.load_trusted_setup(str(eip4844.default_setup()), 0)


@pytest.fixture(scope="session", params=["gpu:0", "cpu"])
def programs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Program, Program]:
    folder = tmp_path_factory.mktemp("programs")
    commit, proof = eip4844.build(eip4844.default_setup(), folder, request.param)
    return zkrun.load(commit), zkrun.load(proof)


def blobs() -> Iterator[tuple[str, list[int]]]:
    yield "zero", [0] * N
    yield "ones", [1] * N
    yield "constant", [0x1234567890ABCDEF << 128] * N
    yield "largest", [R - 1] * N
    for index in (0, 1, 2, 2047, 2048, 4095):
        yield f"one hot {index}", [int(i == index) for i in range(N)]
    yield "hot and largest", [R - 1 if i == 77 else 0 for i in range(N)]
    yield "alternating", [(R - 1) * (i & 1) for i in range(N)]
    yield "counting", list(range(N))
    source = random.Random(4844)
    for index in range(40):
        yield f"random {index}", [source.randrange(R) for _ in range(N)]


BLOBS = list(blobs())
assert len(BLOBS) >= 50


def big_endian(elements: list[int]) -> bytes:
    return b"".join(element.to_bytes(32, "big") for element in elements)


def points_for(name: str) -> list[int]:
    """Points to open at: outside the domain, in it (where the quotient is special), 0, 1, r − 1."""
    source = random.Random(name)
    root = pow(7, (R - 1) // N, R)
    return {
        "zero": [0, 1],
        "largest": [R - 1],
        "counting": [0, 1, R - 1, pow(root, 5, R), pow(root, 4095, R)],
        "one hot 1": [pow(root, 2048, R)],
        "alternating": [pow(root, source.randrange(N), R)],
    }.get(name, [source.randrange(R)])


def compressed(values: Any) -> bytes:
    point = None if values is None else (int(values[0], 16), int(values[1], 16))
    return bytes(eip4844.compress(point))


VIRTUAL = zkrun.Options(gpu="virtual")


every_blob = pytest.mark.parametrize(("name", "blob"), BLOBS, ids=[name for name, _ in BLOBS])


@every_blob
def test_equal_to_ckzg(
    programs: tuple[Program, Program], trusted_setup: Any, name: str, blob: list[int]
) -> None:
    check_equal(programs, trusted_setup, name, blob, VIRTUAL)


@pytest.mark.gpu
@every_blob
def test_equal_to_ckzg_on_a_real_gpu(
    programs: tuple[Program, Program], trusted_setup: Any, name: str, blob: list[int]
) -> None:
    if not real_gpus():
        pytest.skip("needs an NVIDIA GPU and CuPy")
    check_equal(programs, trusted_setup, name, blob, zkrun.Options(gpu="real"))


def check_equal(
    programs: tuple[Program, Program],
    trusted_setup: Any,
    name: str,
    blob: list[int],
    options: zkrun.Options,
) -> None:
    commit, proof = programs
    outcome = zkrun.run(commit, {"blob": blob}, options)
    expected = ckzg.blob_to_kzg_commitment(big_endian(blob), trusted_setup)
    assert compressed(outcome.result.values) == expected
    for z in points_for(name):
        outcome = zkrun.run(proof, {"blob": blob, "z": z}, options)
        opening, y = outcome.result.values
        expected, value = ckzg.compute_kzg_proof(
            big_endian(blob), z.to_bytes(32, "big"), trusted_setup
        )
        assert compressed(opening) == expected
        assert int(y, 16) == int.from_bytes(value, "big")


@pytest.mark.parametrize("element", [R, R + 1, 2**256 - 1])
def test_an_element_at_or_above_r_is_refused(
    programs: tuple[Program, Program], tmp_path: Path, element: int
) -> None:
    blob = [0] * N
    blob[1234] = element
    path = tmp_path / "blob.bin"
    path.write_bytes(b"".join(value.to_bytes(32, "little") for value in blob))
    with pytest.raises(zkrun.InvalidProgram, match="1234"):
        zkrun.run(programs[0], {"blob": path}, VIRTUAL)
    with pytest.raises(zkrun.InvalidProgram, match="1234"):
        zkrun.run(programs[0], {"blob": blob}, VIRTUAL)


def test_programs_are_valid_without_a_warning(programs: tuple[Program, Program]) -> None:
    for program in programs:
        assert not zkrun.validate(program).diagnostics


def test_blob_files() -> None:
    elements = [i * 3 for i in range(N)]
    raw = big_endian(elements)
    assert eip4844.blob_elements(raw) == elements
    assert eip4844.blob_elements(b"0x" + raw.hex().encode() + b"\n") == elements
    packed = eip4844.blob_elements(b"any text" * 100)
    assert packed[0] == int.from_bytes((b"any text" * 4)[:31], "big")
    assert len(packed) == N
    assert max(packed) < R


def challenge(blob: bytes, commitment: bytes) -> int:
    """The point of compute_blob_kzg_proof (deneb/polynomial-commitments.md)."""
    degree = N.to_bytes(16, "big")
    digest = hashlib.sha256(b"FSBLOBVERIFY_V1_" + degree + blob + commitment).digest()
    return int.from_bytes(digest, "big") % R


@pytest.mark.skipif(VECTORS is None, reason="ZKRUN_KZG_VECTORS names no folder of vectors")
def test_vectors_of_the_consensus_specifications(programs: tuple[Program, Program]) -> None:
    commit, proof = programs
    assert VECTORS is not None
    seen = {"commit": 0, "proof": 0, "refused": 0}
    for path in sorted(Path(VECTORS).glob("**/data.yaml")):
        case = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        raw = bytes.fromhex(case["input"]["blob"].removeprefix("0x"))
        expected = case["output"] and bytes.fromhex(case["output"].removeprefix("0x"))
        blob = [int.from_bytes(raw[i : i + 32], "big") for i in range(0, len(raw), 32)]
        if "invalid_commitment" in str(path) or len(raw) % 32:
            continue  # not something that the program's inputs can say
        if expected is None:
            with pytest.raises(zkrun.InvalidProgram):
                zkrun.run(commit, {"blob": blob}, VIRTUAL)
            seen["refused"] += 1
        elif "commitment" in case["input"]:
            commitment = bytes.fromhex(case["input"]["commitment"].removeprefix("0x"))
            z = challenge(raw, commitment)
            opening, _ = zkrun.run(proof, {"blob": blob, "z": z}, VIRTUAL).result.values
            assert compressed(opening) == expected
            seen["proof"] += 1
        else:
            assert compressed(zkrun.run(commit, {"blob": blob}, VIRTUAL).result.values) == expected
            seen["commit"] += 1
    assert all(seen.values()), seen


def test_committed_programs_are_what_the_script_writes(tmp_path: Path) -> None:
    for path in eip4844.build(eip4844.default_setup(), tmp_path, "gpu:0"):
        committed = SCRIPTS.parent / "programs" / path.parent.name / path.name
        assert committed.read_text() == path.read_text(), "run eip4844.py build"
