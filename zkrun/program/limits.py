"""How much of a document zkrun reads, checked before anything is built from it."""

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_FINDINGS", "MAX_KEYS", "MAX_VALUES"]

MAX_BYTES = 1 << 30
"""Bytes of a document."""

MAX_DEPTH = 256
"""Maps and lists within one another; a Fork within a Fork takes two."""

MAX_VALUES = 1 << 25
"""Keys and values of a document together, about three million instructions."""

MAX_KEYS = 1000
"""Keys of one map, `variables` apart."""

MAX_FINDINGS = 20
"""Findings reported before the rest is left for the next try."""
