"""`zkrun validate`: says whether a program may run, and what is wrong with it."""

from typing import Annotated

import typer

from zkrun.cli.options import ColorOption, JsonOption, ProgramArgument

__all__ = ["command"]


def command(
    program: ProgramArgument,
    limit: Annotated[
        list[str],
        typer.Option(
            "--limit",
            metavar="DEVICE=SIZE",
            help="The most memory that a device may ever need, such as gpu:0=8GiB.",
            show_default=False,
        ),
    ] = [],  # noqa: B006  # typer copies defaults
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Checks a program; silent where nothing is wrong with it. Exits 0 or 3."""
    from zkrun.cli.check import show_diagnostics
    from zkrun.cli.options import parse_limits
    from zkrun.cli.terminal import emit_json
    from zkrun.errors import InvalidProgram
    from zkrun.program.decode import load
    from zkrun.report.diagnostics import diagnostics_json
    from zkrun.runtime.validate import validate

    limits = parse_limits(limit)
    document = None
    try:
        document = load(program)
        diagnostics = validate(document, limits).diagnostics
    except InvalidProgram as error:
        diagnostics = error.diagnostics
    if json:
        emit_json(diagnostics_json(diagnostics))
    elif diagnostics:
        show_diagnostics(diagnostics, document)
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        raise typer.Exit(InvalidProgram.exit_code)
