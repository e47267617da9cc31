"""What errors of the driver mean to the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from cupy.cuda import driver, runtime

from zkrun.devices.account import Account, bytes_text
from zkrun.errors import ResourceLimit, RunFailed, ZkrunError

__all__ = ["OUT_OF_MEMORY", "explain", "give_back", "told"]

OUT_OF_MEMORY = 2  # of the runtime and of the driver alike

Errors = (runtime.CUDARuntimeError, driver.CUDADriverError)


def explain(error: BaseException, account: Account) -> BaseException:
    """The error as the engine shows it; one that is not CUDA's stays as it is."""
    if not isinstance(error, Errors):
        return error
    found: ZkrunError
    if error.status == OUT_OF_MEMORY:
        found = ResourceLimit(
            f"{account.device}: the driver has no more memory for what the run needs there, beside "
            f"the {bytes_text(account.current)} that it holds"
        )
        found.device = account.device
    else:
        found = RunFailed(f"{account.device}: the GPU failed: {error}")
    found.__cause__ = error
    return found


@contextmanager
def told(account: Account) -> Iterator[None]:
    """Raises errors of CUDA as those of zkrun."""
    try:
        yield
    except Errors as error:
        raise explain(error, account) from error


def give_back(call: Callable[..., object], *arguments: object) -> None:
    """Calls what gives something back to the driver: of a GPU that has failed nothing is left."""
    with suppress(*Errors):
        call(*arguments)
