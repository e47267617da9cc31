"""The kernel that is generated for an expression of `fused_arith`."""

from __future__ import annotations

from zkrun.algebra.curves import Curve
from zkrun.devices.cuda.groups import field_type
from zkrun.devices.cuda.sources import Unit
from zkrun.errors import RunFailed
from zkrun.program.functions.expr import parse
from zkrun.program.functions.graph import Graph
from zkrun.program.signature import Call
from zkrun.program.types import Scalar

__all__ = ["fused_unit", "unit_of"]

_MOST_VIEWS = 1000  # of 32 bytes, in the 32764 bytes that the struct of a kernel may have
_INLINED = 24  # multiplications, of about 4 KB of machine code each


def unit_of(call: Call) -> Unit:
    """The kernel of a call. RunFailed where it has more operands than a kernel can take."""
    views = len(call.mutable) + len(call.immutable)
    if views > _MOST_VIEWS:
        raise RunFailed(
            f"fused_arith: on a GPU one call takes {_MOST_VIEWS} arrays and scalars, not {views}; "
            "split the expression"
        )
    graph = parse(call.params.expr, call.curve.r)
    scalars = tuple(isinstance(typ, Scalar) for typ in call.immutable)
    return fused_unit(graph, call.curve, scalars, len(call.mutable))


def fused_unit(graph: Graph, curve: Curve, scalars: tuple[bool, ...], outputs: int) -> Unit:
    """The kernel `fused` of an expression; `scalars` says which inputs are single elements."""
    field = field_type(curve, "scalar")
    job = f"Fused<Field, {outputs}, {max(1, len(scalars))}>"
    lines = [
        "namespace zkrun {",
        f"using Field = {field};",
        "__global__ void __launch_bounds__(elementwise_threads)",
        f"    fused(const {job} job) {{",
        "  const uint64_t number = element_number();",
        "  // The threads behind the last element take it as well, and store nothing.",
        "  const uint64_t i = number < job.count ? number : job.count - 1;",
        *(f"  {line}" for line in _statements(graph, curve, scalars)),
        *(
            f"  store_element(job.out[{output}], number, v{node});"
            for output, node in enumerate(graph.outputs)
        ),
        "}",
        "}  // namespace zkrun",
        "",
    ]
    return Unit("fused.cuh", (("fused", "fused"),), "\n".join(lines))


def _statements(graph: Graph, curve: Curve, scalars: tuple[bool, ...]) -> list[str]:
    """One line a node. All inputs are read before any output is written, which may be one."""
    call = graph.multiplications > _INLINED
    product = "multiply_call({}, {})" if call else "{} * {}"
    lines = []
    for index, (operation, a, b) in enumerate(graph.nodes):
        match operation:
            case "input":
                value = f"load(job.in[{a}].at({0 if scalars[a] else 'i'}))"
            case "constant":
                value = _constant(a, curve)
            case "*":
                value = product.format(f"v{a}", f"v{b}")
            case "square":
                value = product.format(f"v{a}", f"v{a}") if call else f"v{a}.square()"
            case "negate":
                value = f"-v{a}"
            case "double":
                value = f"v{a}.dbl()"
            case _:
                value = f"v{a} {operation} v{b}"
        lines.append(f"const Field v{index} = {value};")
    return lines


def _constant(value: int, curve: Curve) -> str:
    field = curve.scalar
    word = value * field.montgomery_radix % field.modulus
    limbs = [f"0x{word >> 64 * i & (1 << 64) - 1:016x}u" for i in range(field.limbs)]
    return f"Field{{{{{', '.join(limbs)}}}}}"
