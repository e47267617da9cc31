"""The kernels of field_kernels.cuh: single operations on arrays, for tests and benches."""

from zkrun.algebra.curves import Curve
from zkrun.devices.cuda.kernels.groups import field_type, group_type
from zkrun.devices.cuda.kernels.sources import Unit

OPERATIONS = ("add", "subtract", "multiply", "square", "negate", "inverse")
REPEATED = ("add", "multiply", "square")
SOURCE = "field_kernels.cuh"


def field_unit(curve: Curve, kind: str) -> Unit:
    """``apply_OP(c, a, b, count)`` and ``repeat_OP(values, rounds)`` for one field.

    ``apply_sum_of_products`` is there for fields that leave two bits free.
    """
    field = field_type(curve, kind)
    modulus = getattr(curve, kind).modulus
    has_room = modulus.bit_length() <= 64 * getattr(curve, kind).limbs - 2
    applied = (*OPERATIONS, "sum_of_products") if has_room else OPERATIONS
    return Unit(
        SOURCE,
        (
            *(_instance("apply", field, operation) for operation in applied),
            *(_instance("repeat", field, operation) for operation in REPEATED),
        ),
    )


def group_unit(curve: Curve, group: str) -> Unit:
    """``multiples`` for one group."""
    return Unit(SOURCE, (("multiples", f"multiples<{group_type(curve, group)}>"),))


def _instance(verb: str, field: str, operation: str) -> tuple[str, str]:
    kernel = f"{verb}_field_operation<{field}, zkrun::FieldOperation::{operation}>"
    return f"{verb}_{operation}", kernel
