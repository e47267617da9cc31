"""The functions of the table on the host's memory, through the native module.

One factory a function: it gets a call and the tools of its device, converts the parameters once,
and returns the Function that the engine calls. Types and lengths were checked before, so a factory
checks nothing; what only the values can show (a repeated x, the inverse of zero) fails the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zkrun.algebra.curves import Curve
from zkrun.devices import host
from zkrun.devices.base import Data, Function, Value
from zkrun.errors import RunFailed
from zkrun.program.functions.expr import compile_expr
from zkrun.program.signature import Call
from zkrun.program.types import PointArray

if TYPE_CHECKING:
    from zkrun.devices.cpu.transcripts import Transcript

__all__ = ["FACTORIES", "Factory", "Tools"]


@dataclass(frozen=True, slots=True)
class Tools:
    """What implementations work with: the native module and the device's Context."""

    native: ModuleType
    context: Any

    def kernel(self, call: Call, name: str, group: str | None = None) -> Any:
        """A native function of the call's curve, or of one of its groups. RunFailed without it."""
        module = getattr(self.native, call.curve.name, None)
        if group is not None:
            module = getattr(module, group, None)
        found = getattr(module, name, None)
        if found is None:
            raise RunFailed(
                f"{call.signature.name}: the CPU extension ({self.native.isa}) lacks its kernel; "
                "reinstall zkrun so that the two match"
            )
        return found

    def view(self, data: Data) -> Any:
        """The native View of a value, made once."""
        if data.native is None:
            data.native = self.native.View(data.address, data.whole, data.offset, data.length)
        return data.native


Factory = Callable[[Call, Tools], Function]
Values = Sequence[Value]


def _direct(name: str) -> Factory:
    """A native function whose arguments are the call's, written ones first."""

    def factory(call: Call, tools: Tools) -> Function:
        native, context, view = tools.kernel(call, name), tools.context, tools.view

        def run(mutable: Values, immutable: Values) -> None:
            native(context, *map(view, mutable), *map(view, immutable))

        return run

    return factory


def _ntt(call: Call, tools: Tools) -> Function:
    native, context, view = tools.kernel(call, "ntt"), tools.context, tools.view
    curve, params, inverse = call.curve, call.params, call.params.inverse
    coset = None if params.coset == 1 else _montgomery(params.coset, curve)
    root = None if params.root is None else _montgomery(params.root, curve)

    def run(mutable: Values, immutable: Values) -> None:
        twiddles = view(immutable[0]) if immutable else None
        try:
            native(context, view(mutable[0]), inverse, coset, root, twiddles)
        except ValueError as error:
            raise RunFailed(f"ntt: {error}") from None

    return run


def _msm(call: Call, tools: Tools) -> Function:
    bases = call.immutable[0]
    assert isinstance(bases, PointArray)
    native, context, view = tools.kernel(call, "msm", bases.group), tools.context, tools.view

    def run(mutable: Values, immutable: Values) -> None:
        scalars = [view(s) for s in immutable[1:]]
        native(context, [view(p) for p in mutable], view(immutable[0]), scalars)

    return run


def _fused_arith(call: Call, tools: Tools) -> Function:
    native, context, view = tools.kernel(call, "fused"), tools.context, tools.view
    code = compile_expr(call)

    def run(mutable: Values, immutable: Values) -> None:
        native(context, [view(y) for y in mutable], [view(x) for x in immutable], code)

    return run


def _scalar_invert(call: Call, tools: Tools) -> Function:
    native, context, view = tools.kernel(call, "scalar_invert"), tools.context, tools.view

    def run(mutable: Values, immutable: Values) -> None:
        if not native(context, view(mutable[0])):
            raise RunFailed("scalar_invert: zero has no inverse")

    return run


def _scalar_pow(call: Call, tools: Tools) -> Function:
    native, context, view = tools.kernel(call, "scalar_pow"), tools.context, tools.view
    exponent: int = call.params.exp
    encoded = exponent.to_bytes((exponent.bit_length() + 7) // 8, "little")

    def run(mutable: Values, immutable: Values) -> None:
        native(context, view(mutable[0]), encoded)

    return run


def _permute(call: Call, tools: Tools) -> Function:
    native, context, view = tools.kernel(call, "permute"), tools.context, tools.view
    usable = call.params.usable

    def run(mutable: Values, immutable: Values) -> None:
        arrays = [view(value) for value in (*mutable, *immutable)]
        missing = native(context, *arrays, usable)
        if missing >= 0:
            raise RunFailed(f"permute: the value of row {missing} is not in the table")

    return run


def _interpolate(call: Call, tools: Tools) -> Function:
    native, context, view = tools.kernel(call, "interpolate"), tools.context, tools.view
    count = len(call.immutable) // 2

    def run(mutable: Values, immutable: Values) -> None:
        values = [view(value) for value in immutable]
        if not native(context, view(mutable[0]), values[:count], values[count:]):
            raise RunFailed("interpolate: two of the points have the same x")

    return run


def _assemble(call: Call, tools: Tools) -> Function:
    def run(mutable: Values, immutable: Values) -> None:
        host.write(mutable[0], b"".join([host.read(element) for element in immutable]))

    return run


_FILLS = {"zero": 0, "one_lagrange": 1, "one_coef": 2}


def _fill(call: Call, tools: Tools) -> Function:
    native, context, view = tools.kernel(call, "fill"), tools.context, tools.view
    kind = _FILLS[call.params.value]

    def run(mutable: Values, immutable: Values) -> None:
        native(context, view(mutable[0]), kind)

    return run


def _transcript(write: bool) -> Factory:
    def factory(call: Call, tools: Tools) -> Function:
        context = tools.context

        def run(mutable: Values, immutable: Values) -> None:
            transcript: Transcript = mutable[0]
            transcript.absorb(immutable[0], write, context)

        return run

    return factory


def _squeeze_scalar(call: Call, tools: Tools) -> Function:
    field = call.curve.scalar

    def run(mutable: Values, immutable: Values) -> None:
        transcript: Transcript = mutable[0]
        challenge = transcript.squeeze() * field.montgomery_radix % field.modulus
        host.write(mutable[1], challenge.to_bytes(field.bytes, "little"))

    return run


FACTORIES: dict[str, Factory] = {
    **{
        name: _direct(name)
        for name in (
            "poly_add",
            "poly_sub",
            "poly_mul",
            "poly_scale",
            "batch_invert",
            "evaluate",
            "kate_division",
            "scan_mul",
            "distribute_powers",
        )
    },
    "ntt": _ntt,
    "msm": _msm,
    "fused_arith": _fused_arith,
    "scalar_invert": _scalar_invert,
    "scalar_pow": _scalar_pow,
    "permute": _permute,
    "interpolate": _interpolate,
    "assemble_points": _assemble,
    "assemble_poly": _assemble,
    "fill": _fill,
    "hash_transcript": _transcript(write=False),
    "write_transcript": _transcript(write=True),
    "squeeze_scalar": _squeeze_scalar,
}
"""Every function of the table by its name."""


def _montgomery(value: int, curve: Curve) -> bytes:
    """A parameter that is a scalar, as in memory."""
    field = curve.scalar
    return (value * field.montgomery_radix % field.modulus).to_bytes(field.bytes, "little")
