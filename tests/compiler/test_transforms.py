"""Transforms that undo each other, sums before transforms, scalings behind them."""

from __future__ import annotations

from counting import counts, same

from zkrun.compiler.type2.author import Coefficients, Lagrange, Polynomial, Proof
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.common import share_common
from zkrun.compiler.type2.passes.padding import pad_late
from zkrun.compiler.type2.passes.transforms import mend_transforms
from zkrun.program.types import PointArray, Scalar


def mended(graph: Graph) -> Graph:
    found = share_common(mend_transforms(graph))
    assert same(graph, found)
    return found


def inputs(*names: str, n: int = 8) -> tuple[Proof, list[Polynomial]]:
    proof = Proof("bls12_381")
    return proof, [proof.input(name, Coefficients(n)) for name in names]


def test_inverse_pairs() -> None:
    proof, (f,) = inputs("f")
    v = proof.input("v", Lagrange(8, 5))
    graph = proof.graph(
        (
            f.to_lagrange(8, 3).to_coefficients(),
            v.to_coefficients().to_lagrange(8, 5),
            f.to_lagrange(8, 3).to_coefficients().to_lagrange(8, 3).to_coefficients(),
            f.to_lagrange(16).to_coefficients(),
        )
    )
    assert counts(mended(graph)) == {"input": 2, "concatenate": 1}


def test_transforms_over_different_cosets_stay() -> None:
    proof, (f,) = inputs("f")
    moved = proof.call("ntt", {"inverse": True, "coset": 7}, [f.to_lagrange(8, 7)])
    other = proof.call(
        "ntt", {"inverse": True}, [f.to_lagrange(8, 3).as_coefficients().as_lagrange()]
    )
    assert counts(mended(proof.graph((moved, other))))["ntt"] == 2


def test_a_root_of_its_own_is_not_the_usual_one() -> None:
    proof, (f,) = inputs("f")
    root = pow(proof.root_of_unity(8), 3, proof.modulus)
    there = proof.call("ntt", {"root": hex(root)}, [f])
    assert counts(mended(proof.graph(there.to_coefficients())))["ntt"] == 2


def test_sums_before_transforms() -> None:
    proof, (f, g, h) = inputs("f", "g", "h")
    s = proof.input("s", Scalar())
    total = f.to_lagrange() * s - g.to_lagrange() + s * -h.to_lagrange()
    assert counts(mended(proof.graph(total)))["ntt"] == 1


def test_sums_of_transforms_that_others_need_stay() -> None:
    proof, (f, g) = inputs("f", "g")
    a = f.to_lagrange()
    assert counts(mended(proof.graph((a + g.to_lagrange(), a * a))))["ntt"] == 2
    doubled = a + a
    assert counts(mended(proof.graph(doubled)))["ntt"] == 1


def test_scalings_move_behind_transforms_into_arithmetic() -> None:
    proof, (f,) = inputs("f")
    s = proof.input("s", Scalar())
    v = proof.input("v", Lagrange(8))
    graph = mended(proof.graph((f.to_lagrange(), (f * s).to_lagrange() * v)))
    assert counts(graph)["ntt"] == 1  # that of f itself
    stays = proof.graph((f.to_lagrange(), (f * s).to_lagrange()))
    assert counts(mended(stays))["ntt"] == 2


def test_evaluations_of_multiples() -> None:
    proof, (f,) = inputs("f")
    s, x = proof.input("s", Scalar()), proof.input("x", Scalar())
    graph = mended(proof.graph((f(x), (f * s)(x), (-f)(x), f.padded(32)(x))))
    assert counts(graph)["evaluate"] == 1
    assert counts(graph)["concatenate"] == 0


def test_zeros_are_not_committed_to() -> None:
    proof, (f,) = inputs("f", n=4)
    bases = proof.input("bases", PointArray(8))
    graph = proof.graph(bases.commit_all([f.padded(8), f]))
    found = mend_transforms(graph)
    assert counts(found) == {"input": 2, "msm": 1}
    assert found.vertices[-1].operands[1] == found.vertices[-1].operands[2]


def test_two_parts_are_not_one_with_zeros_behind_it() -> None:
    proof, (f, g) = inputs("f", "g", n=4)
    graph = mended(proof.graph(proof.concatenate([f, g])(3)))
    assert counts(graph)["concatenate"] == 1


def test_padding_goes_behind_sums() -> None:
    proof, (f, g) = inputs("f", "g")
    s = proof.input("s", Scalar())
    graph = proof.graph(f.padded(32) * s + g.padded(32) - g)
    found = pad_late(graph)
    assert counts(found)["concatenate"] == 1
    assert same(graph, found)
