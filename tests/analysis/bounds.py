"""What any document may cost, however hostile, and a check that it does not cost more."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zkrun.analysis import RULES, analyse
from zkrun.cli.inspect import _described, _tables, listing
from zkrun.errors import InvalidProgram
from zkrun.program.decode import decode
from zkrun.program.diagnostic import Diagnostic
from zkrun.program.encode import program_to_raw
from zkrun.report.diagnostics import diagnostics_text
from zkrun.runtime.images import check_image

__all__ = ["KIBIBYTES", "SECONDS", "answered", "bounded", "validated"]

SECONDS = 10
KIBIBYTES = 1 << 20  # of memory


@contextmanager
def bounded() -> Iterator[None]:
    """Fails after too many seconds of work, or where the process has grown by too much."""

    def too_long(number: int, frame: object) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    earlier = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KIBIBYTES


def validated(data: bytes, folder: Path) -> list[Diagnostic]:
    """What `validate` finds in a document, to the last line of what it prints."""
    with bounded():
        try:
            program = decode(data, folder)
            found = list(analyse(program, check_image=check_image).diagnostics)
        except InvalidProgram as error:
            found = list(error.diagnostics)
            assert found
        diagnostics_text(found)
    _well_formed(found)
    return found


def answered(data: bytes, folder: Path) -> None:
    """The same, and what `inspect` says besides."""
    with bounded():
        try:
            program = decode(data, folder)
            analysis = analyse(program, check_image=check_image, operands=True, tasks=True)
            found = list(analysis.diagnostics)
            json.dumps(_described(program, analysis, None))
            list(listing(program, analysis))
            list(_tables(program, analysis, None))
            program_to_raw(program)
        except InvalidProgram as error:
            found = list(error.diagnostics)
            assert found
        diagnostics_text(found)
    _well_formed(found)


def _well_formed(found: list[Diagnostic]) -> None:
    for diagnostic in found:
        assert diagnostic.rule in RULES
        json.dumps(diagnostic.to_json(), ensure_ascii=False).encode()
