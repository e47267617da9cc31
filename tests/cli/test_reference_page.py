"""The reference page: its first program runs as it says, and it lists every rule of `validate`.

ZKRUN_BLESS=1 writes the list anew.
"""

import json
import os
import re
from pathlib import Path

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


def test_its_first_program_runs_as_it_says(folder: Path, zkrun: Zkrun) -> None:
    text = PAGE.read_text(encoding="utf-8")
    program, after = re.findall(r"```json\n(.*?)```(.*?)\n\n#", text, re.DOTALL)[0]
    value, result = re.findall(r"`(\{.*?\})`", after.replace("\n", " "))
    (folder / "add.json").write_text(program)
    (folder / "given.json").write_text(value)
    done = zkrun("exec", "add.json", "--input", "x=given.json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(result)
