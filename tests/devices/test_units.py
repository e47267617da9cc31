"""Which units of kernels a call needs: what is compiled before a cold run, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from fake_nodes import standing_in
from fake_streams import opened

from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.cuda.kernels.sources import Unit
from zkrun.devices.cuda.kernels.units import all_units, units_of
from zkrun.devices.cuda.plans.msm import MOST_POINTS
from zkrun.devices.cuda.plans.permute import MOST_ROWS
from zkrun.errors import ZkrunError
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.signature import Call
from zkrun.program.types import Point, PointArray, Scalar, ScalarArray, Typ

Operands = tuple[list[Typ], list[Typ]]

# Of runs, tiles, buckets and kept multiples the most, and one more; and more than a call may have.
EDGES = (1 << 13, 1 << 17, 1 << 19, 1 << 24, MOST_POINTS, MOST_ROWS)
LENGTHS = (0, 1, 1000, 1 << 22, 1 << 25, *(n + more for n in EDGES for more in (0, 1)))


class _Nothing:
    """A driver that takes everything."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: 0


class _Loaded(list[Unit]):
    def clear(self) -> None:
        """Of a process that has loaded nothing."""
        from zkrun.devices.cuda.functions import msm

        msm._kernels.cache_clear()
        super().clear()


def _without_memory(allocate: Callable[[int], int]) -> Callable[[int], int]:
    """For large tables, which nothing fills: addresses alone."""
    addresses = count(1 << 60, 1 << 40)
    return lambda nbytes: allocate(nbytes) if nbytes < 1 << 20 else next(addresses)


@contextmanager
def loading() -> Iterator[tuple[Any, Any, list[Unit]]]:
    """A GPU, what binds functions to it, and the units that have been loaded since a clear()."""
    loaded = _Loaded()

    def load(unit: Unit) -> dict[str, Any]:
        loaded.append(unit)
        return {name: SimpleNamespace(ptr=1) for name, _ in unit.kernels}

    with opened() as setting:
        import cupy
        from cupy.cuda import driver, runtime

        from zkrun.devices.cuda.functions import launch
        from zkrun.devices.cuda.functions.table import FACTORIES
        from zkrun.devices.cuda.streams import rows

        here = SimpleNamespace(id=0, attributes={"MultiProcessorCount": 132})
        runtime.graphInstantiate = runtime.graphUpload = lambda *_: 1
        for module, name, stand_in in (
            *((cupy.cuda, "Device", lambda: here), (launch, "load", load)),
            *((driver, "funcSetAttribute", lambda *_: None), (rows, "_destroy", lambda *_: None)),
        ):
            setattr(module, name, stand_in)
        nothing: Any = _Nothing()
        pool: Any = setting.gpus[0].pool
        pool.allocate = _without_memory(pool.allocate)
        with standing_in(rows, nothing):
            yield setting.gpus[0], FACTORIES, loaded


def call(curve: Curve, name: str, operands: Operands, **params: object) -> Call:
    found, problems = resolve_call(FunctionEntry(name, params), curve, *operands)
    assert found is not None, problems
    return found


def calls(curve: Curve) -> Iterator[Call]:
    scalar = Scalar()
    for n in LENGTHS:
        a = ScalarArray(n)
        for name in ("poly_add", "poly_sub", "poly_mul"):
            yield call(curve, name, ([a], [a, a]))
        yield call(curve, "poly_scale", ([a], [a, scalar]))
        yield call(curve, "distribute_powers", ([a], [a]))
        yield call(curve, "fill", ([a], []), value="one_coef")
        yield call(curve, "scan_mul", ([a], [a, scalar]))
        yield call(curve, "kate_division", ([a], [a, scalar]))
        yield call(curve, "evaluate", ([scalar], [a, scalar]))
        yield call(curve, "batch_invert", ([a], []))
        yield call(curve, "permute", ([a, a], [a, a]), usable=n)
        for group in ("g1", "g2"):
            for multiples in (False, True):
                operands: Operands = [Point(group)], [PointArray(n, group), a]
                yield call(curve, "msm", operands, multiples=multiples)
    for k in (0, 2, 3, 8, 16, 17, 18, 24, 25):
        for params in ({}, {"coset": 7}, {"inverse": True}, {"tables": False, "inverse": True}):
            yield call(curve, "ntt", ([ScalarArray(1 << k)], []), **params)
    yield call(curve, "ntt", ([ScalarArray(1 << 10)], [ScalarArray(1 << 9)]))
    yield call(curve, "scalar_invert", ([scalar], []))
    yield call(curve, "scalar_pow", ([scalar], []), exp="5")
    yield call(curve, "fused_arith", ([a], [a, a]), expr="y0 = x0 * x1")


@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
def test_a_call_loads_what_is_foreseen_and_no_more(curve: Curve) -> None:
    needed = dict[str, set[Unit]]()
    with loading() as (gpu, factories, loaded):
        for one in calls(curve):
            loaded.clear()
            with suppress(ZkrunError):  # of what no GPU takes
                factories[one.signature.name](one, gpu)
            # by what they say, for the modules of the GPU's are imported anew
            assert {repr(unit) for unit in loaded} == {repr(unit) for unit in units_of(one)}, one
            needed.setdefault(one.signature.name, set()).update(units_of(one))
        assert needed.keys() == factories.keys()
    assert set.union(*needed.values()) - set(all_units([curve])) == needed["fused_arith"]
    assert set(all_units([curve])) - set.union(*needed.values()) == set()
