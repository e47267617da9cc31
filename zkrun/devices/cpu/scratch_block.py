"""What a block of scratch memory counts in the native module (native/context.hpp)."""

__all__ = ["block_bytes"]

_CACHE_LINE, _HUGE_PAGE = 64, 1 << 21


def block_bytes(nbytes: int) -> int:
    """The bytes that a block of so many takes: whole cache lines, a large one whole huge pages."""
    unit = _HUGE_PAGE if nbytes >= 2 * _HUGE_PAGE else _CACHE_LINE
    return -(-nbytes // unit) * unit
