"""The program `zkrun`: its commands, and how what they raise becomes a message and an exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

import typer

from zkrun.cli import compile, convert, devices, exec, functions, inspect, schema, trace, validate
from zkrun.cli.interrupts import let_ctrl_c_end
from zkrun.cli.options import ColorOption
from zkrun.cli.terminal import drop_output, emit, emit_json, note, open_streams, settings
from zkrun.errors import Interrupted, InvalidProgram, ResourceLimit, ZkrunError

__all__ = ["app", "main"]

_DEFECT = 1

app = typer.Typer(
    name="zkrun",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 a defect of zkrun, 2 usage, 3 invalid program or input, "
    "4 the run failed, 5 a result differs, 6 a resource limit, 130 interrupted.",
)

app.command("exec")(exec.command)
app.command("validate")(validate.command)
app.command("trace")(trace.command)
app.command("inspect")(inspect.command)
app.command("compile")(compile.command)
app.command("convert")(convert.command)
app.command("functions")(functions.command)
app.command("devices")(devices.command)
app.command("schema")(schema.command)


def _version(value: bool) -> None:
    if value:
        from zkrun import __version__

        emit(f"zkrun {__version__}\n")
        raise typer.Exit


@app.callback()
def _zkrun(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    color: ColorOption = None,
) -> None:
    """Runs zero-knowledge proof programs and shows where their time and memory go."""


def main() -> None:
    """The entry point: runs the command line of the process and exits."""
    # No plugin of pydantic has a say in what zkrun accepts, and looking for them takes time.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    let_ctrl_c_end()
    open_streams()
    try:
        code = _run()
    finally:
        let_ctrl_c_end()  # also while Python takes itself down
    sys.exit(code)


def _run() -> int:
    try:
        app()
        return 0
    except SystemExit as exit:
        causes = list(_causes(exit))
        if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
            return _report(Interrupted("interrupted"))
        if any(isinstance(cause, BrokenPipeError) for cause in causes):
            return 0  # the reader of a help page went away
        for cause in causes:
            if (wording := getattr(cause, "format_message", None)) is not None:
                _print_error({"exit_code": exit.code, "message": wording()})  # of typer's own
        return exit.code if isinstance(exit.code, int) else _DEFECT
    except ZkrunError as error:
        return _report(error)
    except KeyboardInterrupt:
        return _report(Interrupted("interrupted"))
    except MemoryError:
        return _report(ResourceLimit("memory ran out"))
    except OSError as error:
        said = [getattr(cause, "exit_code", None) for cause in _causes(error)]
        if code := next((code for code in said if isinstance(code, int)), None):
            drop_output(sys.stderr)  # typer could not write there what is wrong with the usage
            return code
        try:
            emit("")  # what typer could not write, a help page, is still waiting there
        except ZkrunError as reason:
            return _report(reason)
        return _defect(error)
    except Exception as error:  # the last resort: no traceback ever reaches a user unasked
        return _defect(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What was being handled when it was raised, and so on."""
    while (context := error.__context__) is not None:
        yield context
        error = context


def _defect(error: Exception) -> int:
    with suppress(ZkrunError):  # standard error takes nothing: the exit code says it
        _describe(error)
    return _DEFECT


def _describe(error: Exception) -> None:
    if os.environ.get("ZKRUN_DEBUG") == "1":
        import traceback

        note("".join(traceback.format_exception(error)).rstrip())
    message = " ".join(str(error).split())
    note(
        f"error: {_clean(f'{type(error).__name__}: {message}')}\n"
        "this is a defect of zkrun; ZKRUN_DEBUG=1 shows where"
    )


def _report(error: ZkrunError) -> int:
    """Says what went wrong: on standard error for people and, under --json, on standard output."""
    diagnostics = error.diagnostics if isinstance(error, InvalidProgram) else ()
    found = [diagnostic.to_json() for diagnostic in diagnostics]
    _print_error(
        {
            "exit_code": error.exit_code,
            "message": str(error),
            **({"diagnostics": found} if found else {}),
        }
    )
    if diagnostics:
        from zkrun.cli.check import show_diagnostics

        show_diagnostics(diagnostics, getattr(error, "program", None))
    else:
        with suppress(ZkrunError):  # standard error takes nothing: the exit code says it
            note("\n".join(_clean(line) for line in f"error: {error}".splitlines()))
    return error.exit_code


def _print_error(error: dict[str, Any]) -> None:
    """The document of an error, where one was asked for and no other is there."""
    asked = settings.json or "--json" in sys.argv  # which may stand after what is wrong
    if asked and not settings.printed:
        with suppress(ZkrunError):  # standard output takes nothing: the exit code says it
            emit_json({"schema": "zkrun-error/1", "error": error})


def _clean(text: str) -> str:
    from zkrun.report.text import safe

    return safe(text, 2000)
