"""Text that a program supplies (names, sources, messages), before anyone is shown it."""

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""The text with its control characters escaped (`\x1b`), so that none reaches a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
