#!/usr/bin/env python3
"""A PLONKish prover in the way of halo2, written for zkrun's compiler.

    plonkish.py build --k 10 --out DIR

writes the proof as a graph, its constants, a verifying key, and a witness to prove. The circuit is
in plonkish_circuit.py. This file is the protocol, in the order of the halo2 book (The proving
system, Circuit commitments to Multipoint opening). Every value in it is a vertex of the graph:
nothing is computed here. A column with the value v[i] in row i is the polynomial p of degree below
n with p(ω^i) = v[i], so that p(ω^j·X) is the column j rows up.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import mul
from pathlib import Path
from typing import NamedTuple, TypeAlias

import command_line
from plonkish_circuit import ADVICE, FIXED, LEAST_K, PERMUTED, PUBLIC, ROWS, Circuit
from plonkish_files import write_files

from zkrun.algebra.curves import CURVES
from zkrun.compiler.type2.author import (
    Coefficients,
    Lagrange,
    Polynomial,
    Proof,
    ScalarValue,
    permute,
)
from zkrun.compiler.type2.codec import save_graph
from zkrun.compiler.type2.graph import Graph
from zkrun.errors import UsageError
from zkrun.program.types import PointArray

EXTENSION = 4
"""Constraints have degree 5 at most: 4n values determine their quotient by X^n − 1."""

CHUNK = 3
"""Columns in one running product of the permutation argument, whose constraint has two factors
more.
"""

SIGMA = tuple(f"sigma_{name}" for name in PERMUTED)

Columns: TypeAlias = dict[str, Polynomial]
"""Columns by name, all of them in one form."""

Rotation: TypeAlias = Callable[[str, int], Polynomial]
"""p(ω^j·X) by the name of p and j."""


class Challenges(NamedTuple):
    """What the arguments ask with: θ makes tuples numbers, β and γ sets of cells products."""

    theta: ScalarValue
    beta: ScalarValue
    gamma: ScalarValue


def prover(circuit: Circuit, folder: Path) -> Graph:
    """The graph: witness columns and public inputs in, the proof out.

    `folder` holds the files of `plonkish_files.write_files`.
    """
    n, usable = circuit.n, circuit.usable
    proof = Proof(circuit.curve, f"plonkish, 2^{circuit.k} rows", folder)
    srs = proof.constant("srs", PointArray(n), file="srs.bin")
    key = proof.constant("key", PointArray(len(FIXED + SIGMA)), file="key.bin")
    columns = {
        name: proof.constant(name, Lagrange(n), file=f"{name}.bin")
        for name in (*FIXED, *SIGMA, *ROWS)
    }
    public = proof.input("p", Lagrange(PUBLIC))
    columns["p"] = public.padded(n)

    # The proof is what is written into the transcript. Challenges depend on all that was absorbed
    # or written before, so that nothing can be chosen to suit them.
    transcript = proof.transcript("blake2b")
    transcript.absorb(key)
    transcript.absorb(public)

    def commit(committed: Columns) -> None:
        """Writes commitments to columns, each made random in the rows that nothing speaks of."""
        coefficients = [column.to_coefficients() for column in committed.values()]
        for point in srs.commit_all(coefficients):
            transcript.write(point)
        columns.update(committed)

    witness = {name: proof.input(name, Lagrange(n)) for name in ADVICE}
    commit({name: column.blind(usable, n) for name, column in witness.items()})

    theta = transcript.squeeze("theta")
    looked_up, table = lookup(columns, theta)
    looked_up_sorted, table_sorted = permute(looked_up, table, usable)
    commit(
        {
            "input'": looked_up_sorted.blind(usable, n),
            "table'": table_sorted.blind(usable, n),
        }
    )

    beta, gamma = transcript.squeeze("beta"), transcript.squeeze("gamma")
    challenges = Challenges(theta, beta, gamma)
    identity = proof.poly([0, 1])  # the polynomial X
    columns["X"] = identity.to_lagrange(n)
    products = permutation_products(circuit, columns, challenges)
    products["z_lookup"] = lookup_product(columns, looked_up, table, challenges)
    commit({name: z.blind(usable + 1, n) for name, z in products.items()})

    # A random polynomial, opened with the others, hides what their sums would tell.
    mask = proof.random(n, "coefficients").named("mask")
    transcript.write(srs.commit(mask))

    # All constraints hold in all rows if a random sum of them is a multiple of X^n − 1.
    y = transcript.squeeze("y")
    polynomials = {name: column.to_coefficients() for name, column in columns.items()}
    quotient = divide_by_vanishing(proof, circuit, polynomials, challenges, y)
    pieces = [quotient[i * n : (i + 1) * n] for i in range(EXTENSION)]
    for point in srs.commit_all(pieces):
        transcript.write(point)

    # If it is one at a random x, it is one. So all polynomials are opened at x and its rotations.
    x = transcript.squeeze("x")
    polynomials["mask"] = mask
    openings = opened(circuit)
    points = {by: x * pow(circuit.omega, by, circuit.r) for _, by in openings}
    for name, by in openings:
        transcript.write(polynomials[name](points[by]))

    # The quotient at x follows from the other values, its commitment from those of the pieces.
    polynomials["quotient"] = horner(pieces[::-1], x**n)
    openings.append(("quotient", 0))

    # A value is right if X − its point divides the polynomial minus it: one witness for all
    # polynomials that are opened at a point [GWC19, section 3].
    v = transcript.squeeze("v")
    witnesses = [
        horner([polynomials[name] for name, at in openings if at == by], v).divide_by_linear(point)
        for by, point in points.items()
    ]
    for commitment in srs.commit_all(witnesses):
        transcript.write(commitment)
    return proof.graph(transcript)


def opened(circuit: Circuit) -> list[tuple[str, int]]:
    """Which polynomials are opened at which ω^j·x, in the order of the proof."""
    end = circuit.usable - circuit.n  # the row in which running products end
    *products, last_product = (f"z_{j}" for j in range(len(chunks())))
    return [
        *((name, 0) for name in (*ADVICE, *FIXED, *SIGMA, "mask")),
        ("a", 1),
        *((name, by) for name in products for by in (0, 1, end)),
        *((name, by) for name in (last_product, "z_lookup") for by in (0, 1)),
        ("input'", 0),
        ("input'", -1),
        ("table'", 0),
    ]


# -- the arguments: of columns as values in the rows, or anywhere else -----------------------------


def gate(p: Columns, rotated: Rotation) -> Polynomial:
    """q·(a·b + c·a(ωX) − d)."""
    return p["q_gate"] * (p["a"] * p["b"] + p["c"] * rotated("a", 1) - p["d"])


def lookup(p: Columns, theta: ScalarValue) -> tuple[Polynomial, Polynomial]:
    """What is looked up and the table: pairs (b, e) and (t_0, t_1), as numbers."""
    return p["q_lookup"] * (theta * p["b"] + p["e"]), theta * p["t_0"] + p["t_1"]


def chunks() -> list[tuple[str, ...]]:
    """The columns of each running product of the permutation argument."""
    return [PERMUTED[i : i + CHUNK] for i in range(0, len(PERMUTED), CHUNK)]


def named(
    circuit: Circuit, p: Columns, columns: Sequence[str], challenges: Challenges
) -> tuple[Polynomial, Polynomial]:
    """Products over columns of value + β·name + γ: each cell with its own name, which is δ^j·ω^i,
    and each with the name of the cell that is to hold the same value.
    """
    _, beta, gamma = challenges
    own, next_ones = [], []
    for name in columns:
        shift = pow(circuit.delta, PERMUTED.index(name), circuit.r)
        own.append(p[name] + beta * shift * p["X"] + gamma)
        next_ones.append(p[name] + beta * p[f"sigma_{name}"] + gamma)
    return reduce(mul, own), reduce(mul, next_ones)


def permutation_products(circuit: Circuit, p: Columns, challenges: Challenges) -> Columns:
    """The running products of own / next, each going on where the one before ends.

    The last one ends with 1 if all copies hold, and else for hardly any β and γ.
    """
    products: Columns = {}
    start: ScalarValue | int = 1
    for j, columns in enumerate(chunks()):
        own, next_ones = named(circuit, p, columns, challenges)
        z = (own / next_ones).running_product(start)
        products[f"z_{j}"] = z
        start = z[circuit.usable]
    return products


def lookup_product(
    p: Columns, looked_up: Polynomial, table: Polynomial, challenges: Challenges
) -> Polynomial:
    """The running product that ends with 1 if the sorted columns hold what the others do."""
    _, beta, gamma = challenges
    ratio = (looked_up + beta) * (table + gamma) / ((p["input'"] + beta) * (p["table'"] + gamma))
    return ratio.running_product(1)


def constraints(
    circuit: Circuit, p: Columns, rotated: Rotation, challenges: Challenges
) -> Iterator[Polynomial]:
    """What is zero in every row."""
    theta, beta, gamma = challenges
    first, last, usable = (p[name] for name in ROWS)
    yield gate(p, rotated)

    end = circuit.usable - circuit.n
    for j, columns in enumerate(chunks()):
        z, z_next = p[f"z_{j}"], rotated(f"z_{j}", 1)
        own, next_ones = named(circuit, p, columns, challenges)
        yield first * (z - (rotated(f"z_{j - 1}", end) if j else 1))
        yield usable * (z_next * next_ones - z * own)
    yield last * (z * z - z)  # 1; or 0, should a cell be −γ

    z, z_next = p["z_lookup"], rotated("z_lookup", 1)
    looked_up, table = lookup(p, theta)
    looked_up_sorted, table_sorted = p["input'"], p["table'"]
    sorted_ones = (looked_up_sorted + beta) * (table_sorted + gamma)
    yield first * (z - 1)
    yield usable * (z_next * sorted_ones - z * (looked_up + beta) * (table + gamma))
    yield last * (z * z - z)

    # A value of input' is the one in its row of table', or that above it: all are in the table.
    difference = looked_up_sorted - table_sorted
    yield first * difference
    yield usable * difference * (looked_up_sorted - rotated("input'", -1))


def divide_by_vanishing(
    proof: Proof, circuit: Circuit, polynomials: Columns, challenges: Challenges, y: ScalarValue
) -> Polynomial:
    """The sum of all constraints, times powers of y, over X^n − 1: coefficients.

    It is computed value by value on a coset of 4n points, where X^n − 1 is never zero. As X goes
    through them, X^n repeats four values.
    """
    r, size = circuit.r, EXTENSION * circuit.n
    g = CURVES[circuit.curve].scalar.generator
    values = {name: f.to_lagrange(size, coset=g) for name, f in polynomials.items()}

    def rotated(name: str, by: int) -> Polynomial:
        return values[name].rotate(EXTENSION * by)

    total = horner(list(constraints(circuit, values, rotated, challenges)), y)
    x_to_n = [pow(g * pow(proof.root_of_unity(size), i, r), circuit.n, r) for i in range(EXTENSION)]
    inverses = [pow(x - 1, -1, r) for x in x_to_n]
    vanishing = proof.constant("vanishing_inverses", Coefficients(EXTENSION), values=inverses)
    return total.distribute_powers(vanishing).to_coefficients()


def horner(values: Sequence[Polynomial], s: ScalarValue) -> Polynomial:
    """values[0]·s^(m−1) + … + values[m−2]·s + values[m−1]."""
    return reduce(lambda total, value: total * s + value, values)


# -- the command ---------------------------------------------------------------------------------


def build(circuit: Circuit, folder: Path, seed: int) -> tuple[Path, list[Path]]:
    """Writes everything; the paths of the graph and of its inputs."""
    most = CURVES[circuit.curve].scalar.two_adicity - EXTENSION.bit_length() + 1
    if not LEAST_K <= circuit.k <= most:
        raise UsageError(f"--k is between {LEAST_K} and {most}")
    inputs = write_files(circuit, folder, seed)
    path = folder / "plonkish.graph"
    save_graph(prover(circuit, folder), path)
    return path, inputs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="write the graph, its constants and inputs")
    command.add_argument("--k", type=int, default=10, help="2^k rows (default 10)")
    command.add_argument("--curve", choices=sorted(CURVES), default="bn254")
    command.add_argument("--seed", type=int, default=0, help="chooses the witness (default 0)")
    command.add_argument("--out", type=Path, required=True, help="the folder to write to")
    args = parser.parse_args()
    graph, inputs = build(Circuit(args.curve, args.k), args.out, args.seed)
    program = graph.with_name("plonkish.program")
    print(f"zkrun compile {graph} -o {program} --memory gpu:0=2GiB --explain")
    print(f"zkrun exec {program}", *(f"--input {path.stem}={path}" for path in inputs))


if __name__ == "__main__":
    command_line.run(main)
