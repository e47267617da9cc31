"""Files that are mapped, to be read where they lie.

The system may drop their pages at any time, so they count nowhere. But pages that are locked for a
GPU, which then copies them by itself, stay: those count as workspace of the device that has them,
and there is a bound on them, for files may be larger than the machine's memory.
"""

from __future__ import annotations

import mmap

from zkrun.devices.account import Account
from zkrun.devices.cpu.pool import available_memory
from zkrun.devices.pages import locked

__all__ = ["MappedFile"]

_SHARE = 2  # of the memory there is, one part in so many may be locked


class MappedFile:
    """Whole pages of a file, mapped read-only: `nbytes` from `address`."""

    _all_locked = 0  # bytes, of all files; guarded as the pages are

    def __init__(self, mapping: mmap.mmap, address: int) -> None:
        self.mapping = mapping  # keeps the memory there
        self.address = address
        self.nbytes = -(-len(mapping) // mmap.PAGESIZE) * mmap.PAGESIZE
        self._account: Account | None = None
        self._locked = 0

    def count_in(self, account: Account) -> None:
        """Counts what is locked in the account of a run that begins, and of it what will be."""
        with locked.mutex:
            self._account = account
            account.take(self._locked, workspace=True)

    def may_lock(self, nbytes: int) -> bool:
        """Whether there is room for so many locked bytes more."""
        account, available = self._account, available_memory()
        limit = None if account is None else account.limit
        if account is not None and limit is not None and account.current + nbytes > limit:
            return False
        return available is None or MappedFile._all_locked + nbytes <= available // _SHARE

    def note(self, nbytes: int) -> None:
        """So many bytes more are locked; fewer where it is negative."""
        with locked.mutex:
            self._locked += nbytes
            MappedFile._all_locked += nbytes
            if self._account is None:
                return
            if nbytes >= 0:
                self._account.take(nbytes, workspace=True)
            else:
                self._account.give(-nbytes, workspace=True)
