"""Sessions of the command line: what is typed, and all that comes back.

A file of `golden/` is a session in one folder. `$` starts a command (`< FILE` feeds its standard
input), a line of two spaces is standard output, `! ` standard error, `[3]` the exit code unless 0.
A line `…` stands for any lines: those with times, and those that typer words. ZKRUN_BLESS=1 writes
what comes back.
"""

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import Zkrun

GOLDEN = Path(__file__).parent / "golden"
OUT, ERR, ANY = "  ", "! ", "…"


@dataclass
class Command:
    typed: str
    lines: list[str] = field(default_factory=list)

    def of(self, mark: str) -> list[str]:
        return [line for line in self.lines if line.startswith(mark)]

    def code(self) -> int:
        codes = [int(line[1:-1]) for line in self.lines if re.fullmatch(r"\[\d+\]", line)]
        return codes[0] if codes else 0


def read(path: Path) -> list[Command]:
    commands: list[Command] = []
    for line in path.read_text().splitlines():
        if line.startswith("$ "):
            commands.append(Command(line))
        elif line:
            commands[-1].lines.append(line)
    return commands


def marked(mark: str, output: bytes) -> list[str]:
    return [f"{mark}{line}" for line in output.decode().splitlines()]


def matches(found: list[str], wanted: list[str], mark: str) -> bool:
    if mark + ANY not in wanted:
        return found == wanted
    place = wanted.index(mark + ANY)
    tail = wanted[place + 1 :]
    return found[:place] == wanted[:place] and (not tail or found[-len(tail) :] == tail)


def answer(command: Command, zkrun: Zkrun, folder: Path) -> list[str]:
    """All lines that come back, with `…` where the session has it and the rest fits."""
    typed, _, source = command.typed.removeprefix("$ zkrun").partition(" < ")
    stdin = (folder / source).read_bytes() if source else b""
    done = zkrun(*shlex.split(typed), stdin=stdin)
    lines: list[str] = []
    for mark, output in ((OUT, done.stdout), (ERR, done.stderr)):
        found, wanted = marked(mark, output), command.of(mark)
        lines += wanted if matches(found, wanted, mark) else found
    return [*lines, *([f"[{done.returncode}]"] if done.returncode else [])]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_session(path: Path, zkrun: Zkrun, folder: Path) -> None:
    session = [(command, answer(command, zkrun, folder)) for command in read(path)]
    if os.environ.get("ZKRUN_BLESS"):
        texts = ["\n".join([command.typed, *lines]) for command, lines in session]
        path.write_text("\n\n".join(texts) + "\n")
        return
    for command, lines in session:
        assert [command.typed, *lines] == [command.typed, *command.lines]


def test_there_are_sessions() -> None:
    assert len(list(GOLDEN.glob("*.txt"))) >= 8
