"""The table of functions: the built-in ones, then those of installed packages.

A package adds functions through the entry-point group `zkrun.functions`. An entry's name is the
function's name; it loads to an object with two attributes:

- `signature`: the Signature, of the entry's name;
- `implementations`: a mapping from the name of a device folder ("cpu", "cuda") to a factory
  `factory(call: Call) -> Callable[[Sequence[Value], Sequence[Value]], None]`, called once before
  the run for each function, with its parameters and the types of its operands known. What it
  returns is called with the mutable and the immutable operands. The virtual GPU runs those of
  "cpu".

Entry points are looked at only for a name that is not built in, since scanning them takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from zkrun.errors import UsageError
from zkrun.program.functions import (
    elementwise,
    group,
    polynomial,
    scalar,
    transcript,
    transform,
)
from zkrun.program.signature import Signature

__all__ = ["BUILT_IN", "GROUP", "Extension", "implementations", "names", "signature"]

GROUP = "zkrun.functions"

BUILT_IN: dict[str, Signature] = {
    found.name: found
    for family in (transform, group, elementwise, scalar, polynomial, transcript)
    for found in family.SIGNATURES
}
"""The functions of the program format by name."""


class Extension(Protocol):
    """What an entry point loads to."""

    signature: Signature
    implementations: Mapping[str, Callable[..., Any]]


def signature(name: str) -> Signature | None:
    """The signature of a function, or None where no package names one.

    Raises UsageError where a package that names it is broken.
    """
    if (built_in := BUILT_IN.get(name)) is not None:
        return built_in
    return None if name not in _entries() else _load(name).signature


def implementations(name: str) -> Mapping[str, Callable[..., Any]]:
    """The factories that an installed package gives for a function that is not built in."""
    if name in BUILT_IN or name not in _entries():
        return {}
    return _load(name).implementations


def names() -> Iterator[str]:
    """All names: the built-in ones in the order of the reference, then those of packages."""
    yield from BUILT_IN
    yield from sorted(_entries())


@cache
def _entries() -> dict[str, EntryPoint]:
    entries: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = entries.get(entry.name)
        if entry.name in BUILT_IN:
            raise UsageError(
                f"{_package(entry)} names its function {entry.name!r}, which zkrun has built in; "
                "uninstall it or rename the function"
            )
        if other is not None and other.value != entry.value:
            raise UsageError(
                f"{_package(other)} and {_package(entry)} both name a function {entry.name!r}; "
                "uninstall one of them"
            )
        entries[entry.name] = entry
    return entries


@cache
def _load(name: str) -> Extension:
    entry = _entries()[name]
    try:
        found = entry.load()
    except Exception as error:  # whatever the package's own code raises
        raise UsageError(
            f"{_package(entry)} cannot be loaded for its function {name!r}: "
            f"{type(error).__name__}: {error}"
        ) from error
    own = getattr(found, "signature", None)
    if not isinstance(own, Signature) or own.name != name:
        raise UsageError(
            f"{_package(entry)} has no signature of the name {name!r} in {entry.value}"
        )
    implementations = getattr(found, "implementations", None)
    if not isinstance(implementations, Mapping):
        raise UsageError(f"{_package(entry)} has no mapping `implementations` in {entry.value}")
    return found  # type: ignore[no-any-return]  # its attributes have just been checked


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name}" if entry.dist else f"the package of {entry.value}"
