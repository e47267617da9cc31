"""A program that breaks each rule and a minimal one that keeps it, with what is said of the first.

They are those of the tests, gathered in `examples.json`, which a test keeps current.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["FILE", "Example", "example"]

FILE = Path(__file__).with_name("examples.json")


@dataclass(frozen=True, slots=True)
class Example:
    """The two programs as text; `findings` as `validate --json` lists them for the first."""

    reject: str
    findings: list[dict[str, Any]]
    accept: str


def example(rule: str) -> Example:
    """The example of a rule. Raises KeyError where there is no such rule."""
    return Example(**json.loads(FILE.read_text(encoding="utf-8"))[rule])
