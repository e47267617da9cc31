"""The JSON Schema (draft 2020-12) of a document, from the classes that decoding uses.

It says what the JSON form of a program looks like: shapes, not meaning. MessagePack carries the
same keys, with binary in place of base64 text.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from zkrun.program.document import Program
from zkrun.program.functions.parameters import INTEGER_SCHEMA
from zkrun.program.functions.registry import names, signature

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """The schema, as a new map each time; it knows the functions of installed packages too."""
    document = TypeAdapter(Program).json_schema()
    definitions: dict[str, Any] = document.pop("$defs")
    for definition in definitions.values():
        _require_tag(definition)
    definitions["FunctionEntry"] = _functions(definitions)
    definitions["Values"]["properties"]["values"] = {"$ref": "#/$defs/V"}
    definitions["V"] = {
        "description": "Canonical integers, nested as the type says; null is the infinite point.",
        "anyOf": [
            *INTEGER_SCHEMA["anyOf"],
            {"type": "null"},
            {"type": "array", "items": {"$ref": "#/$defs/V"}},
        ],
    }
    document["description"] = "One program."
    document["required"] = ["format", "version", *document["required"]]
    del document["properties"]["folder"]
    document["properties"]["memory"]["additionalProperties"] = False
    document["properties"]["variables"]["propertyNames"] = {"pattern": "^(0|[1-9][0-9]{0,19})$"}
    document["properties"]["version"] = {"const": 1, "type": "integer"}
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A zkrun program, version 1",
        **{key: value for key, value in document.items() if key != "title"},
        "$defs": dict(sorted(definitions.items())),
    }
    tidied: dict[str, Any] = _tidy(whole)
    return tidied


def _require_tag(definition: dict[str, Any]) -> None:
    """`op` and `kind` tell the classes apart: unlike in Python, a document has to say them."""
    for tag in ("op", "kind"):
        found = definition["properties"].get(tag)
        if found is not None and "const" in found:
            found.pop("default", None)
            definition["required"] = [tag, *definition.get("required", [])]


def _functions(definitions: dict[str, Any]) -> dict[str, Any]:
    """An entry of the function table: one form for each function."""
    forms = []
    for name in names():
        own = signature(name)
        if own is None:  # the package went away between the two calls
            continue
        form: dict[str, Any] = {
            "type": "object",
            "description": own.doc,
            "properties": {
                "name": {"const": name},
                "params": {"type": "object", "maxProperties": 0},
            },
            "required": ["name"],
            "additionalProperties": False,
        }
        if own.params is not None:
            params = TypeAdapter(own.params).json_schema(ref_template=f"#/$defs/{name}.{{model}}")
            for inner, definition in params.pop("$defs", {}).items():
                definitions[f"{name}.{inner}"] = definition
            form["properties"]["params"] = params
            if params.get("required"):
                form["required"] = ["name", "params"]
        forms.append(form)
    return {"oneOf": forms}


def _tidy(value: Any) -> Any:
    """Without titles, which repeat names, and `discriminator`, which belongs to OpenAPI."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: _tidy(item) for name, item in entry.items()}
        if key in ("properties", "$defs")
        else _tidy(entry)
        for key, entry in value.items()
        if key != "discriminator" and not (key == "title" and "$schema" not in value)
    }
