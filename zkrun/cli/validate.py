"""`zkrun validate`: says whether a program may run, and what is wrong with it."""

from typing import Annotated

import typer

from zkrun.cli.options import ColorOption, JsonOption, limit_option, named

__all__ = ["command"]


def command(
    program: Annotated[
        str | None,
        typer.Argument(
            metavar="PROGRAM",
            callback=named,
            help="A program as JSON or MessagePack; - is standard input.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        list[str],
        limit_option("The most memory that a device may ever need, such as gpu:0=8GiB."),
    ] = [],  # noqa: B006  # typer copies defaults
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="RULE",
            help="Tell the long story of a rule, such as ZK041, instead.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Checks a program; silent where nothing is wrong with it. Exits 0 or 3."""
    from zkrun.cli.check import show_diagnostics
    from zkrun.cli.options import parse_limits
    from zkrun.cli.terminal import emit_json
    from zkrun.errors import InvalidProgram, UsageError
    from zkrun.program.decode import load
    from zkrun.report.diagnostics import diagnostics_json
    from zkrun.runtime.validate import validate

    if explain is not None:
        if program is not None or limit:
            raise UsageError("--explain stands alone: it is about a rule, not about a program")
        _explain(explain, json)
        return
    if program is None:
        raise UsageError("which program? `zkrun validate PROGRAM`, or `--explain RULE`")
    limits = parse_limits(limit)
    document = None
    try:
        document = load(program)
        diagnostics = validate(document, limits, operands=False).diagnostics
    except InvalidProgram as error:
        diagnostics = error.diagnostics
    if json:
        emit_json(diagnostics_json(diagnostics))
    elif diagnostics:
        show_diagnostics(diagnostics, document)
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        raise typer.Exit(InvalidProgram.exit_code)


def _explain(id: str, json: bool) -> None:
    """Prints what a rule is about, with a program that breaks it and one that keeps it."""
    import sys

    from zkrun.analysis.rules import RULES
    from zkrun.analysis.rules.examples import example
    from zkrun.cli.terminal import emit_json, show
    from zkrun.errors import UsageError
    from zkrun.report.rules import rule_json, rule_text

    rule = RULES.get(id.upper())
    if rule is None:
        raise UsageError(
            f"there is no rule {id!r}; they are {min(RULES)} to {max(RULES)}, with gaps"
        )
    if json:
        emit_json(rule_json(rule, example(rule.id)))
    else:
        show(*rule_text(rule, example(rule.id)), stream=sys.stdout)
