"""Watches the walk for what nothing orders: accesses to bytes, bindings of variables, frees.

Each finding is about two points of the order, of which the walk has come to one first. After a
finding the walk goes on as if the two were ordered, so that one forgotten Wait is told once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkrun.analysis import explain
from zkrun.analysis.accesses import Access, Space
from zkrun.analysis.clocks import Node
from zkrun.analysis.order import Place, Thread
from zkrun.analysis.values import Bound, Storage, TupleValue, Value, pieces

if TYPE_CHECKING:
    from zkrun.analysis.machine import Machine

__all__ = ["Races"]


class _Name:
    """A variable: the instruction that bound or unbound it last, and those that used it since."""

    __slots__ = ("changed", "users", "what")

    def __init__(self) -> None:
        self.changed: Node | None = None
        self.what = ""
        self.users: dict[int, Node] = {}  # the last of each chain


class Races:
    """What is remembered for that, and the reports.

    Nothing needs to be remembered of the time before there is a second thread (`threads`), or a
    stream or a second thread (`possible`): all that follows is ordered after it.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.threads = False
        self.possible = False
        self._arenas: dict[str, Space] = {}
        self._vacated: dict[str, Space] = {}  # by which Deallocate
        self._names: dict[int, _Name] = {}

    # Bytes

    def read(self, value: Value, node: Node) -> None:
        """A view is read."""
        access = Access(node, value, False)
        space, scale, base = self._space(value.storage)
        for start, end in pieces(value):
            if race := space.read(start * scale + base, end * scale + base, access):
                explain.data_race(self._machine, race, access)
                self._ordered(race.node, node)

    def write(self, value: Value, node: Node) -> None:
        """A view is written."""
        access = Access(node, value, True)
        space, scale, base = self._space(value.storage)
        for start, end in pieces(value):
            if race := space.write(start * scale + base, end * scale + base, access):
                explain.data_race(self._machine, race, access)
                self._ordered(race.node, node)

    def free(self, storage: Storage, node: Node) -> None:
        """Memory of a pool goes back."""
        if storage.space is not None and (race := storage.space.unordered(node)):
            explain.freed_in_use(self._machine, race, storage, node)
            self._ordered(race.node, node)
        storage.space = None

    def _space(self, storage: Storage) -> tuple[Space, int, int]:
        """The space of an allocation, and how its elements lie in it: a factor and a summand."""
        if storage.offset is None or not storage.item:
            if storage.space is None:
                storage.space = Space(storage.whole, self._machine.effort)
            return storage.space, 1, 0
        arena = self._arenas.get(storage.device)
        if arena is None:
            size = self._machine.program.memory[storage.device]
            arena = self._arenas[storage.device] = Space(size, self._machine.effort)
        return arena, storage.item, storage.offset

    # Places in arenas

    def vacate(self, storage: Storage) -> None:
        """The bytes of an allocation in an arena are free again."""
        if self.threads and storage.nbytes:
            self._vacancies(storage).write(*_range(storage), _whole(storage, self._machine.node))

    def occupy(self, storage: Storage) -> None:
        """The bytes of an arena are taken by a new allocation."""
        if not self.threads or not storage.nbytes:
            return
        access = _whole(storage, self._machine.node)
        space = self._vacancies(storage)
        while race := space.read(*_range(storage), access):
            explain.reallocated(self._machine, race, access)
            self._ordered(race.node, access.node)
            access = _whole(storage, self._machine.node)

    def _vacancies(self, storage: Storage) -> Space:
        space = self._vacated.get(storage.device)
        if space is None:
            size = self._machine.program.memory[storage.device]
            space = self._vacated[storage.device] = Space(size, self._machine.effort)
        return space

    # Variables

    def use(self, operand: str, id: int, bound: Bound | None) -> None:
        """An instruction names a variable; `bound` where what it is bound to must be alive."""
        node = self._machine.node
        name = self._names.get(id)
        if name is None:
            name = self._names[id] = _Name()
        elif name.changed is not None and not node.after(name.changed):
            explain.binding_race(
                self._machine, id, (name.changed, name.what), (node, "used"), operand
            )
            self._ordered(name.changed, node)
        name.users[node.chain] = node
        if bound is None:
            return
        if bound.__class__ is Value:
            if not bound.storage.read_only:
                if bound.storage.users is None:
                    bound.storage.users = {}
                bound.storage.users[node.chain] = node
        else:
            assert isinstance(bound, TupleValue)
            if bound.users is None:
                bound.users = {}
            bound.users[node.chain] = node

    def change(self, operand: str, id: int, what: str) -> None:
        """A variable is "bound" or "unbound"."""
        node = self._machine.node
        name = self._names.get(id)
        if name is None:
            name = self._names[id] = _Name()
        earlier = [(user, "used") for user in name.users.values()]
        if name.changed is not None:
            earlier.insert(0, (name.changed, name.what))
        for first in earlier:
            if not self._machine.node.after(first[0]):
                explain.binding_race(self._machine, id, first, (node, what), operand)
                self._ordered(first[0], node)
        name.changed, name.what, name.users = node, what, {}

    def bind_again(self, operand: str, id: int, freed: Place) -> None:
        """A variable is bound that is dead since a Deallocate."""
        node, dead = self._machine.node, freed.node
        if not node.after(dead):
            explain.binding_race(self._machine, id, (dead, "freed"), (node, "bound"), operand)
            self._ordered(dead, node)

    def kill(self, storage: Storage, tuples: list[TupleValue]) -> None:
        """A Deallocate makes memory, and all tuples that refer to it, dead."""
        holders: list[Storage | TupleValue] = [storage, *tuples]
        for holder in holders:
            for user in (holder.users or {}).values():
                node = self._machine.node
                if not node.after(user):
                    explain.freed_in_other_thread(self._machine, user, storage, node)
                    self._ordered(user, node)

    # Threads

    def join(self, thread: Thread) -> None:
        """A thread is joined."""
        assert thread.forked is not None
        node, fork = self._machine.node, thread.forked.node
        if not node.after(fork):
            explain.joined_unordered(self._machine, thread, fork, node)

    def _ordered(self, first: Node, second: Node) -> None:
        """From here on the walk takes the two as ordered."""
        order = self._machine.order
        order.owner(second.chain, second.position)[0].learn(first)
        order.owner(first.chain, first.position)[0].learn(second)


def _range(storage: Storage) -> tuple[int, int]:
    assert storage.offset is not None
    return storage.offset, storage.offset + storage.nbytes


def _whole(storage: Storage, node: Node) -> Access:
    return Access(node, Value(storage, storage.typ, 0, storage.whole), True)
