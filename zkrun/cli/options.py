"""Options that several commands share, and how their texts are read."""

import re
from enum import StrEnum
from typing import Annotated, Any

import typer

from zkrun.cli.terminal import settings
from zkrun.errors import UsageError

__all__ = [
    "ColorOption",
    "Gpu",
    "JsonOption",
    "ProgramArgument",
    "dashed",
    "limit_option",
    "named",
    "named_folder",
    "parse_limits",
    "parse_size",
]


class Color(StrEnum):
    auto = "auto"
    always = "always"
    never = "never"


class Gpu(StrEnum):
    """What runs the `gpu:N` of a program."""

    real = "real"
    virtual = "virtual"


def _set_color(value: Color | None) -> Color | None:
    if value is not None:
        settings.color = value.value
    return value


def _set_json(value: bool) -> bool:
    settings.json = settings.json or value
    return value


ColorOption = Annotated[
    Color | None,
    typer.Option(
        "--color",
        callback=_set_color,
        metavar="auto|always|never",
        help="Whether text is colored; auto colors terminals unless NO_COLOR is set.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", callback=_set_json, help="Print JSON on standard output.")
]


def named(file: str | None) -> str | None:
    """A file that has a name: an empty one is what a shell makes of a variable that is not set."""
    if file == "":
        raise UsageError("the name of a file is empty")
    return file


def named_folder(folder: str | None) -> str | None:
    """A folder that has a name, as above: that of the working directory is a dot."""
    if folder == "":
        raise UsageError("the name of a folder is empty: write . for the working directory")
    return folder


_STANDARD_OUTPUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def dashed(target: str | None) -> str | None:
    """The file that a command writes; standard output is `-` by whatever name it was given."""
    named(target)
    return "-" if target in _STANDARD_OUTPUT else target


ProgramArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROGRAM",
        callback=named,
        help="A program as JSON or MessagePack; - is standard input.",
    ),
]


def limit_option(help: str) -> Any:
    """The option --limit, whose texts `parse_limits` reads; what it bounds differs."""
    return typer.Option("--limit", metavar="DEVICE=SIZE", help=help, show_default=False)


_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "kib": 2**10,
    "mb": 1000**2,
    "mib": 2**20,
    "gb": 1000**3,
    "gib": 2**30,
    "tb": 1000**4,
    "tib": 2**40,
}
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,6}))?\s*([a-z]*)", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes of `1048576`, `512MiB`, `1.5GiB` or `8GB`. UsageError otherwise."""
    match = _SIZE.fullmatch(text.strip().lower())
    if match and match[3] in _UNITS:
        fraction = match[2] or ""
        return int(match[1] + fraction) * _UNITS[match[3]] // int("1" + "0" * len(fraction))
    raise UsageError(
        f"{text!r} is not a size: write bytes, or with a unit from kB and KiB to TB and TiB, such "
        "as 1048576, 512MiB, 2GB or 1.5GiB"
    )


def parse_limits(texts: list[str], option: str = "--limit") -> dict[str, int]:
    """Bytes for each device of an option's `DEVICE=SIZE`. UsageError where one is malformed."""
    limits: dict[str, int] = {}
    for text in texts:
        device, _, size = text.partition("=")
        if not re.fullmatch(r"cpu|disk|gpu:(0|[1-9][0-9]{0,3})", device):
            raise UsageError(f"{option} {text!r} names no device: write for example cpu=8GiB")
        if device in limits:
            raise UsageError(f"{option} names {device} twice")
        limits[device] = parse_size(size)
    return limits
