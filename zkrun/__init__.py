"""zkrun: a runtime for zero-knowledge proof programs.

    program = zkrun.load("commit.msgpack")
    outcome = zkrun.run(program, {"blob": [1, 2, 3, 4]})
    outcome.result.values

Importing zkrun is cheap: what the names below need is imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zkrun.errors import (
        Interrupted,
        InvalidProgram,
        Mismatch,
        ResourceLimit,
        RunFailed,
        UsageError,
        ZkrunError,
    )
    from zkrun.program.decode import load
    from zkrun.runtime.engine import Outcome, run
    from zkrun.runtime.options import Options
    from zkrun.runtime.trace import Trace
    from zkrun.runtime.validate import validate

__version__ = "0.1.0"

__all__ = [
    "Interrupted",
    "InvalidProgram",
    "Mismatch",
    "Options",
    "Outcome",
    "ResourceLimit",
    "RunFailed",
    "Trace",
    "UsageError",
    "ZkrunError",
    "load",
    "run",
    "validate",
]

_HOMES = {
    "load": "zkrun.program.decode",
    "run": "zkrun.runtime.engine",
    "Outcome": "zkrun.runtime.engine",
    "Options": "zkrun.runtime.options",
    "Trace": "zkrun.runtime.trace",
    "validate": "zkrun.runtime.validate",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'zkrun' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "zkrun.errors")), name)
