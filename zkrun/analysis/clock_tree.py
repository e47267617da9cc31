"""What a point of the order knows of each chain: the last position there that happens before it.

Few chains are kept in a plain dictionary. Many are kept in a tree of which clocks share all parts
that are equal, so that a clock which differs from another in little takes little more memory, and
joining the two takes time for what differs only.

Mathur, Pavlogiannis, Tunç and Viswanathan, "A Tree Clock Data Structure for Causal Orderings in
Concurrent Executions", ASPLOS 2022, with the same aim; here the tree is a radix tree whose nodes
never change.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_
from typing import Any, TypeAlias

from zkrun.analysis.effort import Effort

__all__ = ["FEW", "Clock", "ClockTree", "changed", "joined", "tree_of"]

FEW = 16
"""Chains that a dictionary has at most, and children of a node of a tree."""

_BITS = 4
_JOIN, _COPY = 4, 2  # steps for each node
_NOTHING = (-1,) * FEW  # a leaf that knows of no chain
_NO_CHILDREN = (None,) * (FEW - 1)

_Tuple: TypeAlias = tuple[Any, ...]
"""A node: 16 positions, or 16 nodes of which some are None."""


class ClockTree:
    """As a dictionary that never changes. The positions of chain c are found by its bits."""

    __slots__ = ("_root", "_shift")

    def __init__(self, root: _Tuple = _NOTHING, shift: int = 0) -> None:
        self._root = root
        self._shift = shift

    def get(self, chain: int, default: int = -1) -> int:
        """The last known position of a chain."""
        node, shift = self._root, self._shift
        if chain >> shift >= FEW:
            return default
        while shift:
            node = node[chain >> shift & 15]
            if node is None:
                return default
            shift -= _BITS
        position: int = node[chain & 15]
        return position

    def known(self, chain: int, position: int, effort: Effort) -> ClockTree:
        """The same clock, which also knows a chain up to a position."""
        if self.get(chain) >= position:
            return self
        root, shift = self._root, self._shift
        while chain >> shift >= FEW:
            root, shift = (root, *_NO_CHILDREN), shift + _BITS
        effort.spend(_COPY * (1 + shift // _BITS))
        return ClockTree(_with(root, shift, chain, position), shift)

    def joined(self, other: ClockTree, effort: Effort) -> ClockTree:
        """All that either knows."""
        root, shift = self._root, self._shift
        theirs, their_shift = other._root, other._shift
        while shift < their_shift:
            root, shift = (root, *_NO_CHILDREN), shift + _BITS
        while their_shift < shift:
            theirs, their_shift = (theirs, *_NO_CHILDREN), their_shift + _BITS
        both = _join(root, theirs, shift, effort)
        return (
            self if both is self._root else other if both is other._root else ClockTree(both, shift)
        )

    def items(self) -> Iterator[tuple[int, int]]:
        """(chain, position) of all chains that are known."""
        return _changed(None, self._root, self._shift, 0)

    def changed(self, newer: ClockTree) -> Iterator[tuple[int, int]]:
        """(chain, position) of what a newer clock knows beyond this one."""
        root, shift = self._root, self._shift
        while shift < newer._shift:
            root, shift = (root, *_NO_CHILDREN), shift + _BITS
        return _changed(root, newer._root, shift, 0)


Clock: TypeAlias = dict[int, int] | ClockTree


def tree_of(clock: Clock, effort: Effort) -> ClockTree:
    """The same clock as a tree."""
    if isinstance(clock, ClockTree):
        return clock
    tree = ClockTree()
    for chain, position in clock.items():
        tree = tree.known(chain, position, effort)
    return tree


def joined(one: Clock, other: Clock, effort: Effort) -> Clock:
    """All that either knows. A dictionary may be `one` itself, with more in it."""
    if one.__class__ is dict and other.__class__ is dict:
        get = one.get
        for chain, position in other.items():
            if get(chain, -1) < position:
                one[chain] = position
        return one
    return tree_of(one, effort).joined(tree_of(other, effort), effort)


def changed(older: Clock, newer: Clock) -> Iterator[tuple[int, int]]:
    """(chain, position) of what the newer clock knows beyond the older, all of which it knows."""
    if isinstance(older, ClockTree) and isinstance(newer, ClockTree):
        return older.changed(newer)
    get = older.get
    return ((chain, at) for chain, at in newer.items() if get(chain, -1) < at)


def _with(node: _Tuple | None, shift: int, chain: int, position: int) -> _Tuple:
    at = chain >> shift & 15
    if not shift:
        copy = [*(node or _NOTHING)]
        copy[at] = position
        return tuple(copy)
    children: list[Any] = [*(node or (None, *_NO_CHILDREN))]
    children[at] = _with(children[at], shift - _BITS, chain, position)
    return tuple(children)


def _join(one: _Tuple, other: _Tuple, shift: int, effort: Effort) -> _Tuple:
    """One of the two where it knows all that the other does."""
    if one is other:
        return one
    effort.spend(_JOIN)
    if not shift:
        both = tuple(map(max, one, other))
        return one if both == one else other if both == other else both
    shift -= _BITS
    both = tuple(
        [
            a if b is None or a is b else b if a is None else _join(a, b, shift, effort)
            for a, b in zip(one, other, strict=True)
        ]
    )
    return one if all(map(is_, both, one)) else other if all(map(is_, both, other)) else both


def _changed(
    older: _Tuple | None, newer: _Tuple, shift: int, base: int
) -> Iterator[tuple[int, int]]:
    if older is newer:
        return
    if not shift:
        for chain, (before, now) in enumerate(zip(older or _NOTHING, newer, strict=True), base):
            if now > before:
                yield chain, now
        return
    pairs = zip(older or (None, *_NO_CHILDREN), newer, strict=True)
    for at, (before, now) in enumerate(pairs):
        if now is not None and before is not now:
            yield from _changed(before, now, shift - _BITS, base | at << shift)
