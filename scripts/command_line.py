"""What scripts that are commands share: numbers and names as arguments, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from zkrun.errors import Interrupted, ResourceLimit, UsageError, ZkrunError

__all__ = ["names", "number", "numbers", "run"]


def run(main: Callable[[], int | None]) -> NoReturn:
    """Ends with what `main` returns. An error is one line, and ends with the exit code of zkrun."""
    try:
        sys.exit(main())
    except ZkrunError as error:
        text, code = str(error), error.exit_code
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""  # a pipe that was closed has none
        text, code = f"{where}{error.strerror}", UsageError.exit_code
    except MemoryError:
        text, code = "the host's memory is exhausted", ResourceLimit.exit_code
    except KeyboardInterrupt:
        text, code = "interrupted", Interrupted.exit_code
    print(f"{Path(sys.argv[0]).stem}: {text}", file=sys.stderr)
    sys.exit(code)


def number(least: int, most: int) -> Callable[[str], int]:
    """An argument that is a whole number within these bounds."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return parse


def numbers(least: int, most: int) -> Callable[[str], list[int]]:
    """The same for a list with commas."""
    parse = number(least, most)
    return lambda text: [parse(part) for part in text.split(",")]


def names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """An argument that is a list with commas of names that are known."""
    known = tuple(known)

    def parse(text: str) -> list[str]:
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return text.split(",")

    return parse
