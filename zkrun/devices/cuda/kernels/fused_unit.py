"""The kernel that is generated for an expression of `fused_arith`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from zkrun.algebra.curves import Curve
from zkrun.devices.cuda.kernels.groups import field_type
from zkrun.devices.cuda.kernels.sources import Unit
from zkrun.program.functions.expr import parse
from zkrun.program.functions.graph import Graph
from zkrun.program.signature import Call
from zkrun.program.types import Scalar

__all__ = ["FEW_OPERANDS", "Fused", "fused_of", "fused_unit"]

FEW_OPERANDS = 1000
"""Views, of 32 bytes, that fit into the 32764 bytes that a kernel's struct may have."""

# Of longer expressions, operations are calls: what is inlined takes the compiler a time that grows
# with the square of the length, and multiplications, of 4 KB each, fill the instruction cache.
_MOST_INLINED_PRODUCTS, _MOST_INLINED = 32, 64
_MOST_LOADED_TWICE = 3  # inputs of kernels that take two elements at once, which need registers
_SUMS = {"+": "add_call", "-": "subtract_call"}
_MULTIPLIED_TWICE = range(1, 5)  # multiplications of theirs: as many as take as long as the memory


@dataclass(frozen=True, slots=True)
class Fused:
    """The kernel of a call: its unit, which inputs it takes, and elements a thread."""

    unit: Unit
    inputs: tuple[int, ...]
    each: int


def fused_of(call: Call) -> Fused:
    """The kernel of a call, which takes no input that the expression does not name."""
    graph = parse(call.params.expr, call.curve.r)
    named = tuple(sorted({a for operation, a, _ in graph.nodes if operation == "input"}))
    scalars = tuple(isinstance(call.immutable[index], Scalar) for index in named)
    place = {index: number for number, index in enumerate(named)}
    nodes = tuple(
        (operation, place[a], b) if operation == "input" else (operation, a, b)
        for operation, a, b in graph.nodes
    )
    graph = replace(graph, nodes=nodes, inputs=len(named))
    unit = fused_unit(graph, call.curve, scalars, len(call.mutable))
    return Fused(unit, named, _elements_each(graph, scalars))


def fused_unit(graph: Graph, curve: Curve, scalars: tuple[bool, ...], outputs: int) -> Unit:
    """The kernel `fused` of an expression; `scalars` says which inputs are single elements."""
    field = field_type(curve, "scalar")
    job = f"Fused<Field, {outputs}, {max(1, len(scalars))}>"
    few = outputs + len(scalars) <= FEW_OPERANDS
    each = _elements_each(graph, scalars)
    lines = [
        "namespace zkrun {",
        f"using Field = {field};",
        "__global__ void __launch_bounds__(elementwise_threads)",
        f"    fused(const {job} {'job' if few else '* memory'}) {{",
        *([] if few else [f"  const {job}& job = *memory;"]),
        *(f"  {line}" for line in _body(graph, curve, scalars, each)),
        "}",
        "}  // namespace zkrun",
        "",
    ]
    kept = [] if few else [("keep_operands", f"keep_operands<{field}>")]
    return Unit("fused.cuh", (("fused", "fused"), *kept), "\n".join(lines))


def _elements_each(graph: Graph, scalars: tuple[bool, ...]) -> int:
    """Two where that lets a thread's multiplications hide the other element's way to memory."""
    few = scalars.count(False) <= _MOST_LOADED_TWICE
    return 2 if few and graph.multiplications in _MULTIPLIED_TWICE else 1


def _body(graph: Graph, curve: Curve, scalars: tuple[bool, ...], each: int) -> list[str]:
    """All inputs are read before any output is written, which may be one."""
    lines = []
    for element in range(each):
        lines += [
            f"const uint64_t number{element} = element_number({each}, {element});",
            "// The threads behind the last element take it as well, and store nothing.",
            f"const uint64_t i{element} = at_most(number{element}, job.count - 1);",
        ]
        if each > 1:
            lines += [
                _input(index, a, scalars, element)
                for index, (operation, a, _) in enumerate(graph.nodes)
                if operation == "input"
            ]
    store = "store_element" if each == 1 else "store_plainly"
    for element in range(each):
        lines += _operations(graph, curve, scalars, element, each == 1)
        lines += [
            f"{store}(job.out[{output}], number{element}, v{node}_{element});"
            for output, node in enumerate(graph.outputs)
        ]
    return lines


def _input(index: int, number: int, scalars: tuple[bool, ...], element: int) -> str:
    place = "0" if scalars[number] else f"i{element}"
    return f"const Field v{index}_{element} = load(job.in[{number}].at({place}));"


def _operations(
    graph: Graph, curve: Curve, scalars: tuple[bool, ...], element: int, loads: bool
) -> list[str]:
    """One line for each node; for inputs only if they are to be loaded now."""
    call = graph.multiplications > _MOST_INLINED_PRODUCTS
    product = "multiply_call({}, {})" if call else "{} * {}"
    sums_call = len(graph.nodes) > _MOST_INLINED
    lines = []
    for index, (operation, a, b) in enumerate(graph.nodes):
        left, right = f"v{a}_{element}", f"v{b}_{element}"
        match operation:
            case "input":
                lines += [_input(index, a, scalars, element)] if loads else []
                continue
            case "constant":
                value = _constant(a, curve)
            case "*":
                value = product.format(left, right)
            case "square":
                value = product.format(left, left) if call else f"{left}.square()"
            case "negate":
                value = f"-{left}"
            case "double":
                value = f"{left}.dbl()"
            case _ if sums_call:
                value = f"{_SUMS[operation]}({left}, {right})"
            case _:
                value = f"{left} {operation} {right}"
        lines.append(f"const Field v{index}_{element} = {value};")
    return lines


def _constant(value: int, curve: Curve) -> str:
    field = curve.scalar
    word = value * field.montgomery_radix % field.modulus
    limbs = [f"0x{word >> 64 * i & (1 << 64) - 1:016x}u" for i in range(field.limbs)]
    return f"Field{{{{{', '.join(limbs)}}}}}"
