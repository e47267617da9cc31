"""The long story of a rule: what it is about, a program that breaks it, and one that keeps it."""

from __future__ import annotations

from rich.text import Text

from zkrun.analysis.rules.examples import Example
from zkrun.analysis.rules.rule import Rule
from zkrun.report.text import safe

__all__ = ["SCHEMA", "rule_json", "rule_text"]

SCHEMA = "zkrun-rule/1"


def rule_json(rule: Rule, example: Example) -> dict[str, object]:
    """The object that `validate --explain RULE --json` prints."""
    return {
        "schema": SCHEMA,
        "rule": rule.id,
        "severity": rule.severity,
        "phase": rule.phase,
        "title": rule.title,
        "explanation": rule.explanation,
        "rejected": {"program": example.reject, "diagnostics": example.findings},
        "accepted": {"program": example.accept},
    }


def rule_text(rule: Rule, example: Example) -> list[Text]:
    """One text for each part."""
    style = "bold red" if rule.severity == "error" else "bold yellow"
    head = Text.assemble((f"{rule.severity}[{rule.id}]", style), (f": {rule.title}", "bold"))
    texts = [head, Text(), Text(rule.explanation), Text(), Text("This breaks it:", style="bold")]
    texts += [*_program(example.reject), Text()]
    for found in example.findings:
        where = safe(str(found["path"])) or "the document"
        line = f"  {found['severity']}[{found['rule']}] at {where}: "
        texts.append(Text(line, style="bold").append(safe(str(found["message"]), 1000)))
        if "help" in found:
            texts.append(Text(f"  help: {safe(str(found['help']), 1000)}"))
    return [*texts, Text(), Text("This keeps it:", style="bold"), *_program(example.accept)]


def _program(text: str) -> list[Text]:
    return [Text(f"  {safe(line, 300)}") for line in text.rstrip("\n").split("\n")]
