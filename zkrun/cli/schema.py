"""`zkrun schema`: the JSON Schema of a program."""

from zkrun.cli.options import ColorOption, JsonOption

__all__ = ["command"]


def command(json: JsonOption = False, color: ColorOption = None) -> None:
    """Prints the JSON Schema of programs, which is JSON with or without --json.

    It is no report of zkrun, so it names its dialect by `$schema` and its version in its title.
    """
    from zkrun.cli.terminal import emit_json
    from zkrun.program.schema import schema

    emit_json(schema())
