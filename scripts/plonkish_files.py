"""The files that the graph of `plonkish.py` names: a setup, the columns of a circuit, a witness.

The setup is of a τ that everyone knows, so a proof over it convinces nobody: it is for tests. In
return commitments take no time: that to p is p(τ)·G.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from plonkish_circuit import FIXED, PERMUTED, Circuit

from zkrun.algebra.curves import CURVES
from zkrun.devices.cpu.native_module import native

__all__ = ["TAU", "write_files"]

TAU = 0x1F3A9C5E7B2D4608A1C3E5F7092B4D6E8FA1B3C5D7E9F0A2B4C6D8EAFC0E1234
"""The secret of the setup, which here is none."""

Words = NDArray[np.uint64]


def write_files(circuit: Circuit, folder: Path, seed: int) -> list[Path]:
    """Writes all constants, `verifying_key.json` and the inputs; returns the files of the inputs.

    `seed` chooses the witness.
    """
    folder.mkdir(parents=True, exist_ok=True)
    r, curve = circuit.r, CURVES[circuit.curve]
    powers = accumulate([1] + [TAU % r] * (circuit.n - 1), lambda a, b: a * b % r)
    multiples(circuit.curve, "g1", list(powers)).tofile(folder / "srs.bin")

    columns = {**circuit.fixed(), **circuit.sigma()}
    for name, column in columns.items():
        words([value << 256 for value in column], r, 32).tofile(folder / f"{name}.bin")

    basis = lagrange_at_tau(circuit)
    committed = [*FIXED, *(f"sigma_{name}" for name in PERMUTED)]
    at_tau = [sum(map(int.__mul__, columns[name], basis)) % r for name in committed]
    commitments = multiples(circuit.curve, "g1", at_tau)
    commitments.tofile(folder / "key.bin")
    tau_g2 = multiples(circuit.curve, "g2", [TAU % r])
    key = {
        "curve": curve.name,
        "k": circuit.k,
        "commitments": dict(zip(committed, coordinates(circuit.curve, commitments), strict=True)),
        "tau_g2": coordinates(circuit.curve, tau_g2)[0],
    }
    (folder / "verifying_key.json").write_text(json.dumps(key, indent=1) + "\n")

    inputs = []
    for name, column in circuit.witness(seed).items():
        inputs.append(folder / f"{name}.npy")
        np.save(inputs[-1], words(column, r, 32))
    return inputs


def words(values: Sequence[int], modulus: int, size: int) -> Words:
    """Values modulo the modulus as little-endian 64-bit words, `size` bytes each."""
    data = b"".join((value % modulus).to_bytes(size, "little") for value in values)
    return np.frombuffer(data, dtype="<u8").reshape(len(values), size // 8)


def lagrange_at_tau(circuit: Circuit) -> list[int]:
    """l_i(τ) = ω^i·(τ^n − 1) / (n·(τ − ω^i)) for all rows i, with one inversion."""
    r, n = circuit.r, circuit.n
    powers = list(accumulate([1] + [circuit.omega] * (n - 1), lambda a, b: a * b % r))
    differences = [(TAU - power) % r for power in powers]
    before = list(accumulate([1, *differences], lambda a, b: a * b % r))
    inverse = pow(before.pop() * n, -1, r) * (pow(TAU, n, r) - 1) % r
    basis = [0] * n
    for i in reversed(range(n)):
        basis[i] = inverse * before[i] % r * powers[i] % r
        inverse = inverse * differences[i] % r
    return basis


def multiples(curve: str, group: Literal["g1", "g2"], factors: Sequence[int]) -> Words:
    """factor·G of every factor, as points lie in memory."""
    module, record = native(), CURVES[curve]
    functions = getattr(getattr(module, curve), group)
    flat = record.g1 if group == "g1" else [c for pair in record.g2 for c in pair]
    size = record.base.bytes
    radix = record.base.montgomery_radix
    generator = words([c * radix for c in flat], record.q, size).reshape(1, -1).copy()
    scalars = words([factor << 256 for factor in factors], record.r, 32).copy()
    points = np.zeros((len(factors), generator.shape[1]), dtype=np.uint64)

    def some(rows: range) -> None:
        context: Any = module.Context()
        base = module.View(generator.ctypes.data, 1, 0, 1)
        for i in rows:
            point = module.View(points.ctypes.data, len(points), i, 1)
            scalar = module.View(scalars.ctypes.data, len(scalars), i, 1)
            functions.scale(context, point, base, scalar)

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, [range(i, len(factors), threads) for i in range(threads)]))
    return points


def coordinates(curve: str, points: Words) -> list[Any]:
    """Points as JSON has them: [x, y], in G2 [[x0, x1], [y0, y1]], 0x text."""
    base = CURVES[curve].base
    inverse = pow(base.montgomery_radix, -1, base.modulus)
    found = []
    for row in points:
        image = row.tobytes()
        parts = [
            hex(int.from_bytes(image[i : i + base.bytes], "little") * inverse % base.modulus)
            for i in range(0, len(image), base.bytes)
        ]
        found.append(parts if len(parts) == 2 else [parts[:2], parts[2:]])
    return found
