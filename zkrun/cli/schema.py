"""`zkrun schema`: the JSON Schema of a program."""

from zkrun.cli.options import JsonOption

__all__ = ["command"]


def command(json: JsonOption = False) -> None:
    """Prints the JSON Schema of programs, with or without --json."""
    from zkrun.cli.terminal import emit_json
    from zkrun.program.schema import schema

    emit_json(schema())
