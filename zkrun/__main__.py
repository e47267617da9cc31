"""The entry point of the command `zkrun`, and of `python -m zkrun`."""

from zkrun.cli.interrupts import let_ctrl_c_end

__all__ = ["main"]


def main() -> None:
    """Runs the command line of the process and exits."""
    let_ctrl_c_end()  # before anything else is imported
    from zkrun.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
