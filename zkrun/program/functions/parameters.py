"""Kinds of parameters that several functions take."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from zkrun.program.integers import NotANumber, parse_integer

__all__ = ["INTEGER_SCHEMA", "PARAMS", "Flag", "Integer"]

PARAMS = ConfigDict(extra="forbid", defer_build=True)
"""The configuration of every class of parameters: unknown keys are errors."""


INTEGER_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
        {"type": "string", "pattern": "^(0x[0-9a-fA-F]+|[0-9]+)$"},
    ]
}
"""The JSON Schema of a number as people write it."""


def _integer(value: Any) -> int:
    try:
        return parse_integer(value)
    except NotANumber as error:
        raise PydanticCustomError("ZK008", "{reason}", {"reason": str(error)}) from None


Integer = Annotated[
    int,
    BeforeValidator(_integer),
    WithJsonSchema(INTEGER_SCHEMA),
]
"""A non-negative integer of any size: decimal or 0x text, or an integer of at most 64 bits."""

Flag = Annotated[bool, Field(strict=True)]
