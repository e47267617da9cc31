"""Ctrl-C outside of a run: it ends the process at once, unless there is something to clean up.

Python turns Ctrl-C into an exception between any two steps, and code that is being imported may
swallow it or die of it with a traceback. So nothing of zkrun is imported before it is given to the
system, and Python is asked to handle it only where a command takes care of what it interrupts.
"""

import signal

__all__ = ["let_ctrl_c_end", "let_ctrl_c_raise"]


def let_ctrl_c_end() -> None:
    """Ctrl-C ends the process; a shell sees the exit code 130. It stays ignored where it was."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def let_ctrl_c_raise() -> None:
    """Ctrl-C raises KeyboardInterrupt, which a command reports once it has cleaned up."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
