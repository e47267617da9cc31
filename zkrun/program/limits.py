"""How much of a document zkrun reads, checked before anything is built from it, and how much of a
result it writes."""

__all__ = [
    "INTEGER_BYTES",
    "MAX_BUILT",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_FINDINGS",
    "MAX_KEYS",
    "MAX_NUMBERS",
    "MAX_RESULT",
    "MAX_VALUES",
    "MAX_WIDE",
    "TEXT_BYTES",
    "list_bytes",
    "map_bytes",
]

MAX_BYTES = 1 << 28
"""Bytes of a document."""

MAX_WIDE = 1 << 26
"""Bytes of a JSON document with other than ASCII characters, for which Python takes four times as
much as for plain text."""

MAX_DEPTH = 256
"""Maps and lists within one another; a Fork within a Fork takes two."""

MAX_VALUES = 1 << 24
"""Keys and values of a document together, about one and a half million instructions."""

MAX_BUILT = 832 << 20
"""Bytes of the maps, lists, texts and integers that are built from a document, as counted before.

A million instructions that name their sources take 750 MB; of a hostile document each byte can ask
for two hundred."""

MAX_NUMBERS = 1 << 21
"""Numbers of constants that are written one by one, a coordinate of a point being one."""

MAX_KEYS = 1000
"""Keys of one map, `variables` apart."""

MAX_RESULT = 1 << 30
"""Bytes of a result in memory form; its text in a file takes twice as many, in Python four times.

The references of a tuple count each on its own: a million of them to one array are a million arrays
of text, which no limit on the memory of the run knows of."""

MAX_FINDINGS = 20
"""Findings reported before the rest is left for the next try."""

TEXT_BYTES = 64
"""A short text in Python; a longer one takes its own bytes more."""

INTEGER_BYTES = 32
"""An integer above 256 in Python."""


def map_bytes(keys: int) -> int:
    """What a map of so many keys takes in Python at most, without them and the values."""
    return 200 + 48 * max(0, keys - 5)


def list_bytes(length: int) -> int:
    """What a list takes in Python, without its elements."""
    return 72 + 8 * length
