"""Fits a call to its function's signature: parameters, then kinds and counts, then its checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from zkrun.algebra.curves import CURVES, Curve
from zkrun.program.document import FunctionEntry
from zkrun.program.explain import Words, did_you_mean, explain
from zkrun.program.functions.registry import names, signature
from zkrun.program.signature import Argument, Call, Signature, match
from zkrun.program.types import GpuBuffer, Typ

__all__ = ["OpenedEntry", "Problem", "open_entry", "resolve_call"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an entry of the function table; `path` points into the entry."""

    path: str
    message: str
    help: str | None = None


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """An entry of the function table with its signature and its parameters read."""

    signature: Signature | None
    params: Any
    problems: tuple[Problem, ...] = ()


def open_entry(entry: FunctionEntry, curve: Curve) -> OpenedEntry:
    """The signature that an entry names and its parameters, or what is wrong with either.

    Raises UsageError where the package that has the function is broken.
    """
    found = signature(entry.name)
    if found is None:
        help = did_you_mean(entry.name, names()) or "`zkrun functions` lists them all"
        unknown = Problem("/name", f'there is no function "{entry.name[:60]}"', help)
        return OpenedEntry(None, None, (unknown,))
    if found.params is None:
        if entry.params:
            return OpenedEntry(
                found, None, (Problem("/params", f"{found.name} takes no parameters"),)
            )
        return OpenedEntry(found, None)
    try:
        params = _reader(found).validate_python(entry.params)
    except ValidationError as error:
        problems = (
            explain(dict(one), entry.params, Words(found.params))
            for one in error.errors(include_url=False)[:20]
        )
        return OpenedEntry(
            found,
            None,
            tuple(Problem("/params" + one.path, one.message, one.help) for one in problems),
        )
    wrong = tuple(Problem("/params", text) for text in found.check_params(params, curve))
    return OpenedEntry(found, None if wrong else params, wrong)


@cache
def _reader(found: Signature) -> TypeAdapter[Any]:
    """What reads the parameters of a function; making it takes longer than to read them."""
    params: Any = found.params
    return TypeAdapter(params)


def resolve_call(
    entry: FunctionEntry,
    curve: Curve,
    mut_types: Sequence[Typ],
    arg_types: Sequence[Typ],
) -> tuple[Call | None, list[str]]:
    """The call of an entry with operands of these types (the stream left out), and what is wrong.

    A GpuBuffer behind the mutable ones is the call's workspace. The call is None where anything is
    wrong. Equal calls cost one check.
    """
    call, problems = _resolve(entry, curve.name, tuple(mut_types), tuple(arg_types))
    return call, list(problems)


@lru_cache(maxsize=4096)
def _resolve(
    entry: FunctionEntry, curve: str, mut_types: tuple[Typ, ...], arg_types: tuple[Typ, ...]
) -> tuple[Call | None, tuple[str, ...]]:
    opened = open_entry(entry, CURVES[curve])
    found = opened.signature
    if found is None or opened.problems:
        return None, tuple(
            f"{one.path[1:].replace('/', '.')}: {one.message}" for one in opened.problems
        )
    mutable, workspace = _parted(found, mut_types)
    problems = _fit(found, mutable, arg_types)
    if problems:
        return None, tuple(problems)
    call = Call(found, CURVES[curve], opened.params, mutable, arg_types, workspace)
    problems = list(found.check(call))
    return (None, tuple(problems)) if problems else (call, ())


def _parted(
    found: Signature, mut_types: tuple[Typ, ...]
) -> tuple[tuple[Typ, ...], GpuBuffer | None]:
    """What stands in `arg_mut`: the mutable arguments, and the workspace behind them, if any.

    The last buffer of a function that takes buffers is an argument.
    """
    takes = found.mutable and "GpuBuffer" in found.mutable[-1].kinds
    if takes or not mut_types or not isinstance(mut_types[-1], GpuBuffer):
        return mut_types, None
    return mut_types[:-1], mut_types[-1]


def _fit(found: Signature, mut_types: tuple[Typ, ...], arg_types: tuple[Typ, ...]) -> list[str]:
    """Counts, then kinds, of the operands of a call."""
    problems: list[str] = []
    repeats: dict[str, int] = {}
    for word, arguments, types in (
        ("mutable", found.mutable, mut_types),
        ("immutable", found.immutable, arg_types),
    ):
        matched = match(arguments, len(types))
        if matched is None:
            problems.append(
                f"{found.name} takes {_wanted(arguments)} as its {word} arguments, not {len(types)}"
            )
            continue
        for argument, typ in zip(matched, types, strict=True):
            if typ.kind not in argument.kinds:
                wanted = " or ".join(argument.kinds)
                problems.append(f"{argument.name} must be a {wanted}, not {typ}")
        for argument in arguments:
            if argument.group:
                times = sum(one is argument for one in matched)
                if repeats.setdefault(argument.group, times) != times:
                    problems.append(
                        f"{argument.name} stands {times} times, its counterpart "
                        f"{repeats[argument.group]} times"
                    )
    return problems


def _wanted(arguments: tuple[Argument, ...]) -> str:
    if not arguments:
        return "none"
    forms = {"one": "{}", "optional": "[{}]", "some": "{} …", "any": "[{} …]"}
    return ", ".join(forms[argument.repeat].format(argument.name) for argument in arguments)
