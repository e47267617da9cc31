"""What C++ calls the curves, fields and groups, in full."""

from zkrun.algebra.curves import Curve


def curve_type(curve: Curve) -> str:
    """``zkrun::Bls12381`` for bls12_381."""
    return "zkrun::" + "".join(part.capitalize() for part in curve.name.split("_"))


def field_type(curve: Curve, kind: str) -> str:
    """``zkrun::Fp<zkrun::Bn254ScalarField>`` for the kind "scalar", and so for "base"."""
    return f"zkrun::Fp<{curve_type(curve)}{kind.capitalize()}Field>"


def group_type(curve: Curve, group: str) -> str:
    """``zkrun::G1<zkrun::Bn254>`` for the group "g1"."""
    return f"zkrun::{group.upper()}<{curve_type(curve)}>"
