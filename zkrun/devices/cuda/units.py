"""All kernels that are known before any program: what is compiled ahead of time, and by CI."""

from __future__ import annotations

from collections.abc import Iterable

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.cuda import msm
from zkrun.devices.cuda.compile import Unit
from zkrun.devices.cuda.elementwise import elementwise_unit
from zkrun.devices.cuda.ntt import ntt_unit
from zkrun.devices.cuda.permute import permutation_unit
from zkrun.devices.cuda.recurrences import inversion_unit, recurrence_unit

__all__ = ["all_units", "scalar_units"]


def scalar_units(curve: Curve) -> tuple[Unit, ...]:
    """The kernels over a curve's scalar field, without those of fused_arith."""
    return (
        ntt_unit(curve),
        elementwise_unit(curve),
        recurrence_unit(curve),
        inversion_unit(curve),
        permutation_unit(curve),
    )


def all_units(curves: Iterable[Curve] = CURVES.values()) -> tuple[Unit, ...]:
    """Each once, the slowest to compile first."""
    units = [
        unit
        for curve in curves
        for unit in (
            *scalar_units(curve),
            *msm.units(curve, "g1"),
            *msm.units(curve, "g2"),
        )
    ]
    return tuple(dict.fromkeys(units))
