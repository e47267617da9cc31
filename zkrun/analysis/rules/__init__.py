"""Every rule that a program is checked against, by its id.

One file a phase. The rules of the document's structure are checked where it is decoded, and listed
here with the others, so that each id has one title and one explanation.
"""

from zkrun.analysis.rules import (
    binding,
    constants,
    definedness,
    memory,
    operands,
    order,
    races,
    tables,
)
from zkrun.analysis.rules.rule import PHASES, Phase, Rule
from zkrun.program.diagnostic import STRUCTURE_RULES

__all__ = ["PHASES", "RULES", "Phase", "Rule"]

_ROOMS = (tables, constants, operands, binding, definedness, order, memory, races)

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in sorted(
        [
            *(Rule(id, title, "structure", text) for id, (title, text) in STRUCTURE_RULES.items()),
            *(rule for room in _ROOMS for rule in room.RULES),
        ],
        key=lambda rule: rule.id,
    )
}
"""All rules in the order of their ids."""
