"""The sanitizer and the analysis say the same of programs, though neither knows of the other.

A program that the analysis accepts never trips the sanitizer, whatever the schedule; one that is
refused for its order does, in every schedule.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from correct_programs import programs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_mutants import mutants, tagged
from test_sanitizer import watched

from zkrun.analysis import analyse
from zkrun.errors import RunFailed
from zkrun.program.decode import decode

ORDER = {"ZK060", "ZK100", "ZK101", "ZK102", "ZK103", "ZK104"}
"""The rules that say that nothing orders two instructions, or a write before a read."""

QUIET = settings(max_examples=40, suppress_health_check=list(HealthCheck))


@QUIET
@given(programs(threads=4, streams=4), st.integers(0, 2**32))
def test_valid_programs_pass(raw: dict[str, Any], shuffle: int) -> None:
    watched(raw, shuffle)


@QUIET
@given(programs(threads=3, streams=3), st.randoms(use_true_random=False))
def test_it_agrees_with_the_analysis_about_mutants(
    raw: dict[str, Any], choice: random.Random
) -> None:
    changed = [mutant for _, mutant in mutants(tagged(raw))]
    accepted = 0
    for mutant in choice.sample(changed, min(40, len(changed))):
        found = analyse(decode(json.dumps(mutant).encode())).diagnostics
        rules = {one.rule for one in found if one.severity == "error"}
        if rules and rules <= ORDER:
            # an arena itself may be the first to see that its bytes are still taken
            text = None if "ZK103" in rules else "sanitizer: "
            with pytest.raises(RunFailed, match=text):
                watched(mutant, choice.randrange(1000))
        elif not rules and accepted < 2:
            accepted += 1
            watched(mutant, choice.randrange(1000))
