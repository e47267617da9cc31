"""Every rule has a program that breaks it and a minimal one that keeps it.

`rules/ZKnnn-reject.json` gives exactly the findings of `ZKnnn-reject.expected.json`, of which at
least one is of that rule; `ZKnnn-accept.json` gives none. ZKRUN_BLESS=1 writes the expected
findings anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from zkrun.analysis import PHASES, RULES, analyse
from zkrun.analysis.rules.examples import FILE, example
from zkrun.errors import InvalidProgram
from zkrun.program.decode import decode

FOLDER = Path(__file__).parent / "rules"
LIMITS = {"ZK084": {"gpu:0": 512}}
"""What `--limit` says for the programs of a rule."""

STEPS = {"ZK078": 0, "ZK097": 0}
"""How many steps the analysis may take, where a program that takes more would be too long."""


def findings(path: Path) -> list[dict[str, Any]]:
    """What `validate --json` would list for a file."""
    try:
        program = decode(path.read_bytes(), FOLDER)
    except InvalidProgram as error:
        return [diagnostic.to_json() for diagnostic in error.diagnostics]
    rule = path.stem.partition("-")[0]
    options: dict[str, Any] = {"limits": LIMITS.get(rule)}
    if rule in STEPS:
        options["steps"] = STEPS[rule]
    return [diagnostic.to_json() for diagnostic in analyse(program, **options).diagnostics]


def test_every_rule_has_its_programs_and_every_program_its_rule() -> None:
    wanted = {f"{rule}-{kind}" for rule in RULES for kind in ("reject", "accept")}
    there = {path.stem for path in FOLDER.glob("*.json") if ".expected" not in path.name}
    assert wanted == there


@pytest.mark.parametrize("rule", RULES)
def test_the_rejecting_program_is_told_why(rule: str) -> None:
    found = findings(FOLDER / f"{rule}-reject.json")
    expected = FOLDER / f"{rule}-reject.expected.json"
    if os.environ.get("ZKRUN_BLESS"):
        expected.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert rule in {finding["rule"] for finding in found}
    assert found == json.loads(expected.read_text())
    severities = {finding["severity"] for finding in found if finding["rule"] == rule}
    assert severities == {RULES[rule].severity}


@pytest.mark.parametrize("rule", RULES)
def test_the_accepting_program_has_no_findings(rule: str) -> None:
    assert findings(FOLDER / f"{rule}-accept.json") == []


def test_the_examples_of_explanations_are_these() -> None:
    gathered = {
        rule: {
            "reject": (FOLDER / f"{rule}-reject.json").read_text(errors="replace"),
            "findings": json.loads((FOLDER / f"{rule}-reject.expected.json").read_text()),
            "accept": (FOLDER / f"{rule}-accept.json").read_text(errors="replace"),
        }
        for rule in RULES
    }
    if os.environ.get("ZKRUN_BLESS"):
        FILE.write_text(json.dumps(gathered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(FILE.read_text(encoding="utf-8")) == gathered
    for rule in RULES:
        assert example(rule).findings == gathered[rule]["findings"]


def test_rules_are_in_order_and_explained() -> None:
    assert list(RULES) == sorted(RULES)
    for id, rule in RULES.items():
        assert rule.id == id
        assert rule.phase in PHASES
        assert rule.title
        assert rule.explanation
