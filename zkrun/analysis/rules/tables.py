"""ZK020 to ZK024: the tables of the document and the ids that point into them."""

from zkrun.analysis.rules.rule import Rule

ENTRY_OUT_OF_RANGE = Rule(
    "ZK020",
    "no such entry",
    "tables",
    "A `func_id`, the `src` of a LoadConstant and the `src` of a LoadInput count entries of "
    "`functions`, `constants` and `inputs` from 0. The id must be below the length of its table.",
)
UNKNOWN_FUNCTION = Rule(
    "ZK021",
    "unknown function",
    "tables",
    "A program can only name functions that are registered: those of the format, and those that "
    "installed packages add through the entry-point group `zkrun.functions`. `zkrun functions` "
    "lists them. An entry of the table is checked even where nothing calls it.",
)
BAD_PARAMETERS = Rule(
    "ZK022",
    "parameters do not fit the function",
    "tables",
    "`params` holds exactly the keys that the function names, with values of their kinds; those "
    "with a default may be left out. `zkrun functions NAME` shows them.",
)

RULES = (ENTRY_OUT_OF_RANGE, UNKNOWN_FUNCTION, BAD_PARAMETERS)
