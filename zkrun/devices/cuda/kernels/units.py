"""Which kernels there are, unit by unit: what is compiled ahead of time, and by the tests.

Those of `fused_arith` are generated for each expression: fused_unit.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.cuda.kernels.fused_unit import fused_of
from zkrun.devices.cuda.kernels.groups import curve_type, field_type, group_type
from zkrun.devices.cuda.kernels.sources import Unit
from zkrun.devices.cuda.plans.msm import MOST_POINTS, sums_of
from zkrun.devices.cuda.plans.ntt import HELD, has_factors_apart, held_by
from zkrun.devices.cuda.plans.permute import LONG, MOST_ROWS, SHORT, Tiles, plan_permutation
from zkrun.devices.cuda.plans.recurrence import LONG_RUNS, SHORT_RUNS, Runs, runs_of
from zkrun.program.signature import Call
from zkrun.program.types import length

__all__ = [
    "all_units",
    "elementwise_unit",
    "evaluation_unit",
    "inversion_unit",
    "msm_units",
    "ntt_units",
    "permutation_units",
    "recurrence_unit",
    "scalar_units",
    "units_of",
]


def all_units(curves: Iterable[Curve] = CURVES.values()) -> tuple[Unit, ...]:
    """All that are known before any program, each once."""
    units = [
        unit
        for curve in curves
        for unit in (
            *msm_units(curve, "g2", keeps=True),
            *msm_units(curve, "g1", keeps=True),
            *scalar_units(curve),
        )
    ]
    return tuple(dict.fromkeys(units))


def units_of(call: Call) -> tuple[Unit, ...]:
    """What is loaded when a call is bound, and no more: what it launches, for its lengths.

    Nothing for a call that is refused then, and of functions that installed packages bring.
    """
    curve, name = call.curve, call.signature.name
    if name in _ELEMENTWISE:
        return (elementwise_unit(curve),)
    match name:
        case "msm":
            sums = sums_of(call)
            fits = 0 < sums.points <= MOST_POINTS
            return msm_units(curve, sums.group, sums.keeps) if fits else ()
        case "ntt":
            return _units_of_transform(call)
        case "fused_arith":
            return (fused_of(call).unit,)
        case "scan_mul" | "kate_division":
            return (recurrence_unit(curve, name, runs_of(length(call.mutable[0]))),)
        case "permute":
            if call.params.usable > MOST_ROWS:
                return ()
            layout = plan_permutation(call.params.usable)
            return permutation_units(curve, layout.tiles, in_buckets=layout.buckets > 0)
        case "batch_invert":
            return (inversion_unit(curve),)
        case "evaluate":
            return (evaluation_unit(curve),)
    return ()


_ELEMENTWISE = {
    *("poly_add", "poly_sub", "poly_mul", "poly_scale", "distribute_powers", "fill"),
    *("scalar_invert", "scalar_pow"),
}


def _units_of_transform(call: Call) -> tuple[Unit, ...]:
    k, params = length(call.mutable[0]).bit_length() - 1, call.params
    units = ntt_units(call.curve, held_by(k))
    if has_factors_apart(k, params.coset != 1, params.inverse, params.tables):
        units += (elementwise_unit(call.curve),)
    return units


def scalar_units(curve: Curve) -> tuple[Unit, ...]:
    """The kernels over a curve's scalar field, without those of fused_arith."""
    return (
        *(unit for held in HELD for unit in ntt_units(curve, held)),
        elementwise_unit(curve),
        *(recurrence_unit(curve, name, runs) for name in _LAWS for runs in (SHORT_RUNS, LONG_RUNS)),
        evaluation_unit(curve),
        inversion_unit(curve),
        *(
            unit
            for tiles in (SHORT, LONG)
            for unit in permutation_units(curve, tiles, in_buckets=True)
        ),
    )


def ntt_units(curve: Curve, held: int) -> tuple[Unit, ...]:
    """The kernels of ntt.cuh over the curve's scalar field for threads of 2^held elements; of 0
    bits for transforms too short for threads to share them. Each pass takes seconds to compile."""
    field = field_type(curve, "scalar")
    short = (
        ("tiny", f"ntt_tiny<{field}>"),
        ("table", f"power_table<{field}>"),
        ("check", f"check_powers<{field}>"),
    )
    passes = [(("pass", f"ntt_pass<{field}, {held}>"),)] if held else []
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


_LAWS = {"scan_mul": "ProductLaw", "kate_division": "HornerLaw"}


def recurrence_unit(curve: Curve, function: str, runs: Runs) -> Unit:
    """The kernels of recurrence.cuh over the curve's scalar field, for the law of a function."""
    field = field_type(curve, "scalar")
    recur = f"recur<{field}, zkrun::{_LAWS[function]}<{field}>, zkrun::log_{runs.name}_run>"
    return Unit("recurrence.cuh", (("recur", recur), ("clear_words", "clear_words")))


def evaluation_unit(curve: Curve) -> Unit:
    """The kernels of evaluate.cuh over the curve's scalar field."""
    field = field_type(curve, "scalar")
    return Unit("evaluate.cuh", (("evaluate", f"evaluate<{field}>"),))


def inversion_unit(curve: Curve) -> Unit:
    """The kernels of batch_invert.cuh over the curve's scalar field."""
    field = field_type(curve, "scalar")
    return Unit("batch_invert.cuh", (("invert_runs", f"invert_runs<{field}>"),))


def permutation_units(curve: Curve, tiles: Tiles, in_buckets: bool) -> tuple[Unit, ...]:
    """The kernels of permute.cuh over the curve's scalar field, for tiles of one length, and those
    that try it with buckets first."""
    field = field_type(curve, "scalar")
    names = ("fill_buckets", "sort_buckets", "place_table") if in_buckets else ()
    buckets = [(name, f"{name}<{field}>") for name in names]
    order = [
        (name, f"{name}<{field}, zkrun::{tiles.name}_{run}>")
        for name, run in (
            *(("sort_by_keys", "sort_run"), ("sort_by_integers", "sort_run")),
            *(("match_rows", "match_run"), ("list_rows", "match_run")),
        )
    ]
    order += [(name, f"{name}<{field}>") for name in ("list_alike", "order_runs", "place_left")]
    return tuple(Unit("permute.cuh", tuple(kernels)) for kernels in (buckets, order) if kernels)


def msm_units(curve: Curve, group: str, keeps: bool) -> tuple[Unit, ...]:
    """What a multi-scalar multiplication over this group compiles, which may keep multiples of its
    bases, if there is memory for them."""
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
        *([("msm_multiples.cuh", "keep_multiples")] if keeps else []),
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
