"""The report as JSON for tools. Times in nanoseconds, sizes in bytes."""

from dataclasses import asdict
from typing import Any

from zkrun.report.findings import findings
from zkrun.report.summary import Summary

__all__ = ["SCHEMA", "report"]

SCHEMA = "zkrun-report/1"


def report(summary: Summary) -> dict[str, Any]:
    """The summary as one JSON object, names as the program gave them."""
    return {
        "schema": SCHEMA,
        **asdict(summary),
        "machine": dict(summary.machine),
        "findings": findings(summary),
    }
