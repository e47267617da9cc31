"""How a program is run: everything that is not in the program."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of a run.

    `gpu`: run every `gpu:N` on the machine's GPUs or on the virtual device. `seed`: makes Blind
    repeatable and brands the trace. `limits`: bytes that may be taken on a device. `timeout`:
    seconds for one iteration. `warmup` iterations run unmeasured before `iterations` measured ones;
    the result is that of the last. `folder`: where the disk device keeps its files (default: the
    system's folder for temporary files). `shuffle`: seed with which virtual GPUs choose among legal
    schedules. `sanitize`: check on virtual GPUs that nothing the run does is ordered by luck.
    `notify`: told, from any thread, what takes long before a run, such as compiling kernels, and
    with an empty text that it is over.
    """

    gpu: Literal["real", "virtual"] = "real"
    seed: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    timeout: float | None = None
    warmup: int = 0
    iterations: int = 1
    folder: Path | None = None
    shuffle: int | None = None
    sanitize: bool = False
    notify: Callable[[str], None] = lambda text: None
