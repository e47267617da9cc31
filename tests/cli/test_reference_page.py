"""The reference page: its programs run as it says, and it lists every rule of `validate`.

ZKRUN_BLESS=1 writes the list anew.
"""

import json
import os
import re
from pathlib import Path

import pytest
from conftest import Zkrun

from zkrun.analysis.rules import RULES

PAGE = Path(__file__).parents[2] / "programs" / "README.md"
BEGIN, END = "<!-- begin generated: rules -->", "<!-- end generated: rules -->"


def rules_table() -> str:
    rows = [
        f"| {rule.id} | {rule.severity} | {rule.title} | {rule.explanation} |"
        for rule in RULES.values()
    ]
    return "\n".join(["| rule | severity | title | why |", "|---|---|---|---|", *rows])


def test_it_lists_every_rule() -> None:
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    wanted = f"{head}{BEGIN}\n\n{rules_table()}\n\n{END}{tail}"
    if os.environ.get("ZKRUN_BLESS"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted


EXAMPLE = re.compile(
    r"```json\n(?P<program>.*?)```\n\nWith `(?P<value>[^`]*)` in `x\.json`, "
    r"`zkrun (?P<typed>[^`]*)` prints\n`(?P<result>[^`]*)`\.\n",
    re.DOTALL,
)
EXAMPLES = list(EXAMPLE.finditer(PAGE.read_text(encoding="utf-8")))


def test_it_has_examples() -> None:
    programs = PAGE.read_text(encoding="utf-8").count('```json\n{\n  "format"')
    assert len(EXAMPLES) == programs == 4


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["typed"].split()[1]))
def test_its_programs_run_as_it_says(example: re.Match[str], folder: Path, zkrun: Zkrun) -> None:
    words = example["typed"].split()
    (folder / words[1]).write_text(example["program"])
    (folder / "x.json").write_text(example["value"])
    assert zkrun("validate", words[1]).stderr == b""
    done = zkrun(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == example["result"] + "\n"


def test_without_its_join_the_example_of_threads_is_refused(folder: Path, zkrun: Zkrun) -> None:
    (text,) = [example["program"] for example in EXAMPLES if '"Fork"' in example["program"]]
    without = text.replace('    {"op": "Join", "thread": 0},\n', "")
    assert without != text
    (folder / "lone.json").write_text(without)
    done = zkrun("validate", "lone.json", "--json")
    assert done.returncode == 3
    first = json.loads(done.stdout)["diagnostics"][0]
    assert (first["rule"], first["path"]) == ("ZK060", "/instructions/5")
