"""Text for people: units, counts, and names made harmless.

Whatever a program supplies (names, sources, messages) goes through `safe` before it is shown, so
that no control character reaches a terminal.
"""

from collections.abc import Iterable

from zkrun.program.text import printable

__all__ = ["count", "duration", "listing", "percent", "rate", "safe", "size"]


def safe(text: str, limit: int = 200) -> str:
    r"""The text on one line, control characters escaped (`\x1b`), cut to `limit` characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return printable(text)


def duration(nanoseconds: float) -> str:
    """Three significant digits: `873 ns`, `12.4 ms`, `1.52 s`, `4 min 05 s`."""
    if nanoseconds >= 60e9:
        seconds = round(nanoseconds / 1e9)
        hours, minutes = divmod(seconds // 60, 60)
        tail = f"{minutes} min {seconds % 60:02} s"
        return f"{hours} h {tail}" if hours else tail
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if nanoseconds >= 0.9995 * scale:
            return f"{_three(nanoseconds / scale)} {unit}"
    return f"{nanoseconds:.0f} ns"


def size(nbytes: float) -> str:
    """Binary units: `96 B`, `1.50 KiB`, `8.00 GiB`."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if nbytes >= 0.9995 * 2**power:
            return f"{_three(nbytes / 2**power)} {unit}"
    return f"{nbytes:.0f} B"


def rate(per_second: float, unit: str) -> str:
    """Decimal units a second: `25.3 Mmul/s`, `9.81 GB/s`."""
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if per_second >= 0.9995 * scale:
            return f"{_three(per_second / scale)} {prefix}{unit}/s"
    return f"{_three(per_second)} {unit}/s"


def percent(share: float) -> str:
    """`0.4 %`, `37 %`; what is there but rounds to nothing is `<0.1 %`."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 error`, `3 errors`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listing(items: Iterable[str], limit: int = 6) -> str:
    """`a, b, c` and how many more there are."""
    names = list(items)
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def _three(value: float) -> str:
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
