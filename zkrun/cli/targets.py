"""Where a run puts its result and its trace: what is wrong with that is found before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from zkrun.errors import RunFailed, UsageError

__all__ = ["check_targets"]


def check_targets(
    output: str | None, trace: str | None, json: bool, read: Mapping[str, str]
) -> None:
    """Checks the values of --output and --trace against each other and against the file system.

    `read` are the files that the run reads, by what they are to it. Raises UsageError where two
    things cannot both be meant, and what writing would raise where a file cannot be written.
    """
    from zkrun.cli.terminal import settings
    from zkrun.runtime.files import check_writable

    if json and output == "-":
        raise UsageError("--json puts the result on standard output already; leave out --output -")
    printed = json or output is None or output == "-"
    if trace == "-" and printed:
        raise UsageError("the result and --trace - cannot both take standard output")
    if settings.output_closed and (printed or trace == "-"):
        raise RunFailed("cannot write to standard output: it is closed; name a file")
    written = {"--output": output, "--trace": trace}
    files = {name: Path(file) for name, file in written.items() if file is not None and file != "-"}
    for file in files.values():
        check_writable(file)
    taken = {**files, **{name: Path(file) for name, file in read.items() if file != "-"}}
    for (one, file), (other, path) in combinations(taken.items(), 2):
        if one in files and _same(file, path):
            raise UsageError(f"{one} and {other} are the same file: {file}")


def _same(one: Path, other: Path) -> bool:
    """Whether writing one would replace the other. Nothing replaces a pipe or a device."""
    if one.exists() and other.exists():
        return one.is_file() and one.samefile(other)
    return one.resolve() == other.resolve()
