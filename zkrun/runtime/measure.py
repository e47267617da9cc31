"""The rates of this machine, measured in a moment: what its CPU reaches at usual work."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter

from zkrun.algebra.curves import Curve
from zkrun.analysis.cost import Field
from zkrun.analysis.rates import Rates
from zkrun.devices.base import Data
from zkrun.devices.cpu.device import CpuDevice
from zkrun.devices.cpu.native_module import native
from zkrun.program import types
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.runtime.images import from_canonical, parse, wide_reduce
from zkrun.runtime.record import machine
from zkrun.runtime.views import whole

__all__ = ["measure"]

_SCALARS = 1 << 16  # two megabytes: the caches hold them
_BASES = 1 << 12
_POINTS = 1 << 8  # different ones
_COPIED = 64 << 20  # bytes
_TIMES = 3


def measure(curve: Curve, virtual: bool = False) -> Rates:
    """Multiplications a second in `ntt` and `msm`, and bytes a second of a copy; the best of a few.

    Takes some tenths of a second. GPUs, the disk and the links to them are not measured;
    `virtual` ones are the same CPU.
    """
    cpu = CpuDevice("cpu")
    try:
        scalars = types.ScalarArray(_SCALARS)
        bases, few, point = types.PointArray(_BASES), types.ScalarArray(_BASES), types.Point()
        scalar = _rate(cpu, curve, "ntt", (scalars,), ())
        base = _rate(cpu, curve, "msm", (point,), (bases, few))
        target, source = (_fresh(cpu, curve, types.ScalarArray(_COPIED // 32)) for _ in range(2))
        copied = _COPIED / _best(lambda: cpu.copy(target, source))
    finally:
        cpu.close()
    multiplications: dict[tuple[str, Field], float] = {}
    traffic: dict[str, float] = {}
    kinds = ("cpu", "gpu") if virtual else ("cpu",)
    for kind in kinds:
        multiplications[kind, "scalar"] = scalar
        multiplications[kind, "base"] = base
        traffic[kind] = 2 * copied  # each byte is read and written
    links = {f"{source}->{target}": copied for source in kinds for target in kinds}
    name = f"{machine()['cpu']}, with virtual GPUs" if virtual else machine()["cpu"]
    return Rates(name, multiplications, traffic, links, native().threads())


def _rate(
    cpu: CpuDevice,
    curve: Curve,
    name: str,
    mutable: tuple[types.Typ, ...],
    immutable: tuple[types.Typ, ...],
) -> float:
    """Multiplications a second of a function, by its own count."""
    call, problems = resolve_call(FunctionEntry(name=name, params={}), curve, mutable, immutable)
    assert call is not None, problems
    function = cpu.bind(call)
    outs = [_fresh(cpu, curve, typ) for typ in mutable]
    ins = [_fresh(cpu, curve, typ) for typ in immutable]
    return call.signature.cost(call).multiplications / _best(lambda: function(outs, ins))


def _fresh(cpu: CpuDevice, curve: Curve, typ: types.Typ) -> Data:
    """A value with contents: random scalars, points of the curve."""
    data = whole(typ, curve, cpu.allocate(types.size(typ, curve), None))
    n = types.length(typ)
    if isinstance(typ, types.PointArray):
        some = parse(types.PointArray(_POINTS), _points(curve), curve)
        from_canonical(types.PointArray(_POINTS), some, curve, points=False)
        cpu.write(data, bytes(some) * (n // _POINTS))
    elif isinstance(typ, types.ScalarArray):
        some = wide_reduce(os.urandom(64 * min(n, _SCALARS)), curve)
        cpu.write(data, bytes(some) * (n // (len(some) // 32)))
    return data


def _points(curve: Curve) -> list[list[str]]:
    """The first points of the curve y² = x³ + b, whatever their order; p is 3 modulo 4."""
    found: list[list[str]] = []
    p, x = curve.base.modulus, 0
    while len(found) < _POINTS:
        x += 1
        square = (x**3 + curve.b) % p
        y = pow(square, (p + 1) // 4, p)
        if y * y % p == square:
            found.append([str(x), str(y)])
    return found


def _best(work: Callable[[], None]) -> float:
    """The shortest of a few times, in seconds."""
    times = []
    for _ in range(_TIMES):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return max(min(times), 1e-9)
