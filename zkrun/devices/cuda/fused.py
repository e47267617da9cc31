"""fused_arith: one kernel generated for each expression, one pass over memory."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from zkrun.algebra.curves import Curve
from zkrun.devices.cuda.compile import Unit
from zkrun.devices.cuda.elementwise import launch_elements
from zkrun.devices.cuda.groups import field_type
from zkrun.devices.cuda.launch import Values, kernels, view
from zkrun.devices.cuda.queue import Queue
from zkrun.errors import RunFailed
from zkrun.program.functions.expr import parse
from zkrun.program.functions.graph import Graph
from zkrun.program.signature import Call
from zkrun.program.types import Scalar

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.functions import Launch

__all__ = ["fused_arith", "fused_unit"]

_MOST_VIEWS = 1000  # of 32 bytes, in the 32764 bytes that the struct of a kernel may have
_INLINED = 24  # multiplications, of about 4 KB of machine code each


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


def fused_arith(call: Call, device: CudaDevice) -> Launch:
    graph = parse(call.params.expr, call.curve.r)
    scalars = tuple(isinstance(typ, Scalar) for typ in call.immutable)
    outputs = len(call.mutable)
    if outputs + len(scalars) > _MOST_VIEWS:
        raise RunFailed(
            f"fused_arith: on a GPU one call takes {_MOST_VIEWS} arrays and scalars, not "
            f"{outputs + len(scalars)}; split the expression"
        )
    kernel = kernels(fused_unit(graph, call.curve, scalars, outputs))["fused"]
    padding = b"" if scalars else bytes(32)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        count = mutable[0].length
        views = b"".join(map(view, (*mutable, *immutable)))
        payload = struct.pack("<2Q", count, 0) + views + padding
        launch_elements(kernel, queue.handle, count, payload)

    return launch
