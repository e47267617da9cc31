"""Which kernels there are, unit by unit: what is compiled ahead of time, and by the tests.

Those of `fused_arith` are generated for each expression: fused_unit.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.cuda.kernels.fused_unit import fused_of
from zkrun.devices.cuda.kernels.groups import curve_type, field_type, group_type
from zkrun.devices.cuda.kernels.sources import Unit
from zkrun.program.signature import Call
from zkrun.program.types import PointArray

__all__ = [
    "all_units",
    "elementwise_unit",
    "evaluation_unit",
    "inversion_unit",
    "msm_units",
    "ntt_units",
    "permutation_unit",
    "recurrence_unit",
    "scalar_units",
    "units_of",
]


def all_units(curves: Iterable[Curve] = CURVES.values()) -> tuple[Unit, ...]:
    """All that are known before any program, each once."""
    units = [
        unit
        for curve in curves
        for unit in (*msm_units(curve, "g2"), *msm_units(curve, "g1"), *scalar_units(curve))
    ]
    return tuple(dict.fromkeys(units))


def units_of(call: Call) -> tuple[Unit, ...]:
    """What one call needs; nothing of functions that installed packages bring."""
    curve, name = call.curve, call.signature.name
    if name == "msm":
        bases = call.immutable[0]
        assert isinstance(bases, PointArray)
        return msm_units(curve, bases.group)
    if name == "fused_arith":
        return (fused_of(call).unit,)
    if name == "ntt":
        return ntt_units(curve)
    one = {
        "permute": permutation_unit,
        "batch_invert": inversion_unit,
        "evaluate": evaluation_unit,
        "kate_division": recurrence_unit,
        "scan_mul": recurrence_unit,
    }.get(name)
    if one is not None:
        return (one(curve),)
    return (elementwise_unit(curve),) if name in _ELEMENTWISE else ()


_ELEMENTWISE = {
    *("poly_add", "poly_sub", "poly_mul", "poly_scale", "distribute_powers", "fill"),
    *("scalar_invert", "scalar_pow"),
}


def scalar_units(curve: Curve) -> tuple[Unit, ...]:
    """The kernels over a curve's scalar field, without those of fused_arith."""
    return (
        *ntt_units(curve),
        elementwise_unit(curve),
        recurrence_unit(curve),
        evaluation_unit(curve),
        inversion_unit(curve),
        permutation_unit(curve),
    )


def ntt_units(curve: Curve) -> tuple[Unit, ...]:
    """The kernels of ntt.cuh over the curve's scalar field. Each pass takes seconds to compile."""
    field = field_type(curve, "scalar")
    short = (
        ("tiny", f"ntt_tiny<{field}>"),
        ("table", f"power_table<{field}>"),
        ("check", f"check_powers<{field}>"),
    )
    passes = [((f"pass{held}", f"ntt_pass<{field}, {held}>"),) for held in (1, 2, 3)]
    return tuple(Unit("ntt.cuh", names) for names in (*passes, short))


def elementwise_unit(curve: Curve) -> Unit:
    """The kernels of elementwise.cuh over the curve's scalar field."""
    field = field_type(curve, "scalar")
    pairs = [
        (operation, f"pairwise<{field}, zkrun::PairwiseOperation::{operation}>")
        for operation in ("add", "subtract", "multiply")
    ]
    names = (
        *("multiply_all", "multiply_cyclic", "multiply_strided", "multiply_geometric"),
        *("fill", "invert_scalar", "raise_scalar"),
    )
    return Unit("elementwise.cuh", (*pairs, *((name, f"{name}<{field}>") for name in names)))


def recurrence_unit(curve: Curve) -> Unit:
    """The kernels of recurrence.cuh over the curve's scalar field."""
    field = field_type(curve, "scalar")
    laws = (("product", f"zkrun::ProductLaw<{field}>"), ("horner", f"zkrun::HornerLaw<{field}>"))
    kernels = tuple(
        (f"recur_{law}_{run}", f"recur<{field}, {typ}, zkrun::log_{run}_run>")
        for law, typ in laws
        for run in ("short", "long")
    )
    return Unit("recurrence.cuh", (("clear_words", "clear_words"), *kernels))


def evaluation_unit(curve: Curve) -> Unit:
    """The kernels of evaluate.cuh over the curve's scalar field."""
    field = field_type(curve, "scalar")
    return Unit("evaluate.cuh", (("evaluate", f"evaluate<{field}>"),))


def inversion_unit(curve: Curve) -> Unit:
    """The kernels of batch_invert.cuh over the curve's scalar field."""
    field = field_type(curve, "scalar")
    return Unit("batch_invert.cuh", (("invert_runs", f"invert_runs<{field}>"),))


def permutation_unit(curve: Curve) -> Unit:
    """The kernels of permute.cuh and what it includes, over the curve's scalar field."""
    field = field_type(curve, "scalar")
    names = (
        *("fill_buckets", "sort_buckets", "place_table"),
        *("list_alike", "order_runs", "place_left"),
    )
    kernels = [(name, f"{name}<{field}>") for name in names]
    for length in ("short", "long"):
        for name, run in (
            *(("sort_by_keys", "sort_run"), ("sort_by_integers", "sort_run")),
            *(("match_rows", "match_run"), ("list_rows", "match_run")),
        ):
            kernels.append((f"{name}_{length}", f"{name}<{field}, zkrun::{length}_{run}>"))
    return Unit("permute.cuh", tuple(kernels))


def msm_units(curve: Curve, group: str) -> tuple[Unit, ...]:
    """What a multi-scalar multiplication over this group compiles."""
    typ = group_type(curve, group)
    sort_kernels = (
        "clear_words",
        "lay_out_partitions",
        "partition_digits",
        "count_buckets",
        "lay_out_buckets",
        "sort_partitions",
    )
    group_kernels = (
        ("msm_digits.cuh", "fill_endomorphism_table"),
        ("msm_multiples.cuh", "keep_multiples"),
        ("msm_accumulate.cuh", "accumulate_buckets"),
        ("msm_accumulate.cuh", "merge_heads"),
        ("msm_reduce.cuh", "fold_points"),
        ("msm_reduce.cuh", "sum_blocks"),
        ("msm_reduce.cuh", "add_windows"),
    )
    return (
        Unit("msm_sort.cuh", tuple((name, name) for name in sort_kernels)),
        Unit("msm_digits.cuh", (("digits", f"split_into_digits<{curve_type(curve)}>"),)),
        *(Unit(source, ((name, f"{name}<{typ}>"),)) for source, name in group_kernels),
    )
