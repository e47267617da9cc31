"""What the benches of the CPU share: their options, and how a time is taken."""

import argparse
import statistics
import time
from collections.abc import Callable

from command_line import names, number, numbers

from zkrun.algebra.curves import CURVES
from zkrun.devices.cpu import native_module


def options(description: str, logs: str, repeats: int) -> argparse.ArgumentParser:
    """A parser that knows --isas, --curves, --logs and --repeats, lists with commas."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--isas",
        type=names(native_module.supported_isas()),
        default=",".join(reversed(native_module.supported_isas())),
    )
    parser.add_argument("--curves", type=names(CURVES), default=",".join(CURVES))
    parser.add_argument("--logs", type=numbers(0, 26), default=logs, help="log2 of the sizes")
    parser.add_argument("--repeats", type=number(1, 1000), default=repeats)
    return parser


def median(repeats: int, function: Callable[[], object]) -> float:
    """Seconds of a call, once it has been called."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
