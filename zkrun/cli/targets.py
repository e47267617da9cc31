"""The files that a run reads and writes: what is wrong with them is found before it runs."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zkrun.errors import RunFailed, UsageError

if TYPE_CHECKING:
    from zkrun.program.document import Program

__all__ = ["check_piped", "check_readable", "check_targets", "constant_files", "is_same"]


def check_readable(what: str, file: str) -> None:
    """Refuses what could not be read once the run is over; a pipe is not touched."""
    if file == "-":
        return
    try:
        if stat.S_ISDIR(Path(file).stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(file, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError(f"{what}: cannot read {file}: {error.strerror}") from None


def check_piped(read: Mapping[str, str]) -> None:
    """Refuses two things that are both read from standard input."""
    piped = [what for what, file in read.items() if file == "-"]
    if len(piped) > 1:
        raise UsageError(f"{piped[0]} and {piped[1]} cannot both come from standard input")


def constant_files(program: Program) -> dict[str, str]:
    """The files that hold constants of the program."""
    from zkrun.program.document import File

    folder = program.folder or Path()
    return {
        f"constant {index}, {constant.name!r},": str(folder / constant.data.file)
        for index, constant in enumerate(program.constants)
        if isinstance(constant.data, File)
    }


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
    for one, file in files.items():
        for other, path in taken.items():
            if one != other and is_same(file, path):
                raise UsageError(f"{one} and {other} are the same file: {file}")


def is_same(one: Path, other: Path) -> bool:
    """Whether writing one would replace the other. Nothing replaces a pipe or a device."""
    try:
        if one.exists() and other.exists():
            return one.is_file() and one.samefile(other)
        return one.resolve() == other.resolve()
    except (OSError, RuntimeError):  # what cannot be looked at is not there for zkrun
        return False
