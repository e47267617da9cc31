"""Variables of the abstract machine: what each is bound to, and what may be done with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from zkrun.analysis.order import Place
from zkrun.analysis.reporter import Refused, Reporter, Skipped
from zkrun.analysis.rules import binding, operands
from zkrun.analysis.search import binders
from zkrun.analysis.values import POISON, Bound, TupleValue, Value
from zkrun.program import types
from zkrun.program.document import Program

if TYPE_CHECKING:
    from zkrun.analysis.races import Races

__all__ = ["Bindings", "described"]

_T = TypeVar("_T", bound=types.Typ)


class Bindings(ABC):
    """One table for the whole program: its threads share all variables."""

    def __init__(self, program: Program, reporter: Reporter) -> None:
        self.program = program
        self.report = reporter
        self.variables: dict[int, Bound] = {}
        self.unbound: dict[int, Place] = {}  # the instruction that unbound a variable last
        self._binders: dict[int, list[str]] | None = None  # looked up for the first error
        self._types: dict[types.Typ, types.Typ] = {}
        self._arrays: dict[tuple[str, int], types.Array] = {}
        self._tuples: dict[tuple[int, ...], types.Tuple] = {}

    races: Races

    @property
    @abstractmethod
    def place(self) -> Place:
        """The instruction that runs."""

    def use(self, operand: str, id: int, *, alive: bool = True) -> Bound:
        """What a variable is bound to; it must be alive.

        Not `alive`: it may be freed by another thread before or after this.
        """
        bound = self.variables.get(id)
        if bound is None:
            self._unbound(operand, id)
        elif bound is POISON:
            raise Skipped
        elif (freed := bound.freed) is not None:
            self.variables[id] = POISON
            name, by = self.report.variable(id), self.report.at(freed)
            raise Refused(
                binding.FREED,
                f"{name} is dead: its memory is freed by the {by}",
                "move that Deallocate behind the last use, of views, copies and tuples too",
                operand,
            )
        assert bound is not None
        if self.races.threads:
            self.races.use(operand, id, bound if alive else None)
        return bound

    def value(self, operand: str, id: int, *kinds: type) -> Value:
        """As `use`, for a variable that is no tuple; of one of these kinds, where given."""
        bound = self.variables.get(id)
        if bound.__class__ is not Value or bound.storage.freed is not None or bound is POISON:
            bound = self.use(operand, id)
        elif self.races.threads:
            self.races.use(operand, id, bound)
        if (kinds and bound.typ.__class__ not in kinds) or bound.__class__ is not Value:
            wanted = " or ".join(kind.__name__ for kind in kinds) or "value that is no tuple"
            name = self.report.variable(id)
            raise Refused(
                operands.WRONG_KIND,
                f"{name} is a {described(bound)}; a {wanted} belongs here",
                operand=operand,
            )
        return bound

    def stream(self, operand: str, id: int) -> Value:
        """A variable that is a live Stream."""
        return self.value(operand, id, types.Stream)

    def writable(self, operand: str, id: int, value: Value) -> None:
        """Refuses to write to constants and inputs."""
        if value.storage.read_only:
            name = self.report.variable(id)
            raise Refused(
                operands.READ_ONLY,
                f"{name} is read-only: it refers to {value.storage.read_only}",
                "Transfer it into allocated memory and write there",
                operand,
            )

    def free_to_bind(self, operand: str, id: int) -> None:
        """Refuses a variable that is bound. Dead aliases count as unbound."""
        old = self.variables.get(id)
        if old is None or old is POISON:
            return
        if old.freed is not None:
            if self.races.threads:
                self.races.bind_again(operand, id, old.freed)
            return
        owns = isinstance(old, Value) and old.storage.owner == id
        raise Refused(
            binding.ALREADY_BOUND,
            f"{self.report.variable(id)} is already bound, to a {described(old)}",
            f"use another id, or unbind it first with {'Deallocate' if owns else 'RemoveRegister'}",
            operand,
        )

    def bind(self, operand: str, id: int, value: Bound) -> None:
        """Binds a variable that must be unbound."""
        if id in self.variables:
            self.free_to_bind(operand, id)
        if self.races.threads:
            self.races.change(operand, id, "bound")
        self.variables[id] = value

    def unbind(self, operand: str, id: int) -> None:
        """Unbinds a variable, remembering where."""
        if self.races.threads:
            self.races.change(operand, id, "unbound")
        del self.variables[id]
        self.unbound[id] = self.place

    def array(self, typ: types.Typ, length: int) -> types.Array:
        """The array type of another length, one object for each type."""
        assert isinstance(typ, types.ScalarArray | types.PointArray)
        key = (typ.group if isinstance(typ, types.PointArray) else "", length)
        known = self._arrays.get(key)
        if known is None:
            known = self._arrays[key] = self.one(types.with_length(typ, length))
        return known

    def tuple_type(self, items: Sequence[types.Typ]) -> types.Tuple:
        """The type of a tuple, one object for each: they hold each other and can be large."""
        key = tuple(map(id, items))
        known = self._tuples.get(key)
        if known is None:
            known = self._tuples[key] = types.Tuple(tuple(items))
        return known

    def one(self, typ: _T) -> _T:
        """The one object that stands for a type, so that types can be told apart by identity."""
        return self._types.setdefault(typ, typ)  # type: ignore[return-value]  # itself

    def _unbound(self, operand: str, id: int) -> None:
        """Reports a use of a variable that is not bound, and says why it is not."""
        self.variables[id] = POISON
        name, help = self.report.variable(id), None
        place = self.unbound.get(id)
        if place is not None:
            message = f"{name} is unbound since the {self.report.at(place)}"
            if place.instruction.op == "Deallocate":
                raise Refused(
                    binding.FREED,
                    f"{name} is dead: its memory is freed by the {self.report.at(place)}",
                    "move that Deallocate behind the last use",
                    operand,
                )
        else:
            message = f"{name} is not bound here"
            if self._binders is None:
                self._binders = binders(self.program)
            others = [path for path in self._binders.get(id, ()) if path != self.place.path]
            if others and others[0].rsplit("/", 1)[0] == self.place.thread.prefix:
                help = f"it is bound only later, at {others[0]}"
            elif others:
                help = (
                    f"{others[0]} in another thread binds it, and nothing orders that before: "
                    "Join that thread, or Wait for an event that it records"
                )
        raise Refused(binding.UNBOUND, message, help, operand)


def described(bound: Bound) -> str:
    """A value in a few words."""
    if isinstance(bound, TupleValue):
        return f"Tuple of {len(bound.items)}"
    return str(bound.typ)
