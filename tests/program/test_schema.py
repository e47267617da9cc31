"""The JSON Schema agrees with the decoder, by a validator that is not ours."""

import json
from typing import Any

import jsonschema
import pytest
from documents import as_json, constant, document
from test_decode import EVERYTHING
from test_structure_rules import ACCEPTED, REJECTED

from zkrun.errors import InvalidProgram
from zkrun.program.decode import decode
from zkrun.program.schema import schema

VALIDATOR = jsonschema.Draft202012Validator(schema())

# What a schema cannot say: limits, distinct names, paths, stray bits of base64.
BEYOND = {"ZK002", "ZK013", "ZK014", "ZK017"}


def is_the_same_there(raw: Any) -> bool:
    """Whether a schema can tell: to it 1.0 is an integer, in Python's patterns `$` stands before a
    last line end too, and a pattern bounds the digits of an id but not its value."""
    text = json.dumps(raw)
    return not any(piece in text for piece in (": 1.0", r"cpu\n", f'"{2**64}"'))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "raw", [EVERYTHING, *(raw for rule, raw in ACCEPTED if type(raw) is dict and rule != "ZK002")]
)
def test_what_decodes_fits(raw: dict[str, Any]) -> None:
    VALIDATOR.validate(raw)


NOT_FITTING = [
    raw
    for rule, raw, _ in REJECTED
    if type(raw) is dict and rule not in BEYOND and is_the_same_there(raw)
]


@pytest.mark.parametrize("raw", NOT_FITTING)
def test_what_does_not_decode_does_not_fit(raw: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(raw)


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        ({"name": "ntt"}, True),
        ({"name": "ntt", "params": {"coset": "0x7", "inverse": True, "root": 5}}, True),
        ({"name": "ntt", "params": {"coset": -1}}, False),
        ({"name": "ntt", "params": {"cosset": 1}}, False),
        ({"name": "poly_add", "params": {}}, True),
        ({"name": "poly_add", "params": {"x": 1}}, False),
        ({"name": "fill"}, False),
        ({"name": "fill", "params": {"value": "zero"}}, True),
        ({"name": "fill", "params": {"value": "one"}}, False),
        ({"name": "permute", "params": {"usable": 5}}, True),
        ({"name": "scalar_pow", "params": {"exp": "123"}}, True),
        ({"name": "scalar_pow", "params": {"exp": "1_0"}}, False),
        ({"name": "no_such_function"}, False),
    ],
)
def test_parameters_of_functions_are_checked(entry: dict[str, Any], fits: bool) -> None:
    assert VALIDATOR.is_valid(document(functions=[entry])) is fits


@pytest.mark.parametrize(
    "values", [5, "0x5", None, [1, "2", [None]], [[["1", "2"], ["3", "4"]], None]]
)
def test_values_fit(values: Any) -> None:
    VALIDATOR.validate(document(constants=[constant({"values": values})]))


@pytest.mark.parametrize("values", [-1, 1.5, True, "x", {"a": 1}, [[1.5]]])
def test_other_values_do_not_fit(values: Any) -> None:
    assert not VALIDATOR.is_valid(document(constants=[constant({"values": values})]))


def test_the_folder_is_no_key() -> None:
    assert "folder" not in schema()["properties"]
    with pytest.raises(InvalidProgram):
        decode(as_json(document(folder=None)))
