"""poly_reverse: the coefficients of a polynomial backwards, X^(n−1)·a(1/X)."""

from collections.abc import Iterable, Sequence

from zkrun.devices import host
from zkrun.devices.base import Data, Function
from zkrun.program.signature import Argument, Call, Cost, Signature
from zkrun.program.types import length, size

__all__ = ["implementations", "signature"]


def _check(call: Call) -> Iterable[str]:
    if length(call.mutable[0]) != length(call.immutable[0]):
        yield "b and a must be equally long"


signature = Signature(
    "poly_reverse",
    "b[i] ← a[n − 1 − i].",
    mutable=(Argument("b", ("ScalarArray",), "writes"),),
    immutable=(Argument("a", ("ScalarArray",)),),
    check=_check,
    cost=lambda call: Cost(bytes=2 * size(call.immutable[0], call.curve)),
)


def _on_the_cpu(call: Call) -> Function:
    item = call.curve.scalar.bytes

    def run(mutable: Sequence[Data], immutable: Sequence[Data]) -> None:
        source = host.read(immutable[0])
        elements = [source[at : at + item] for at in range(0, len(source), item)]
        host.write(mutable[0], b"".join(reversed(elements)))

    return run


implementations = {"cpu": _on_the_cpu}
