"""Views: variables that look at part of an array, in another order, without moving a byte."""

from __future__ import annotations

from functools import cache

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Block, Data
from zkrun.program.types import (
    GpuBuffer,
    Point,
    PointArray,
    Scalar,
    ScalarArray,
    Typ,
    element_size,
    length,
)

__all__ = ["array_types", "element_of", "part", "whole"]


@cache
def array_types(curve: Curve, n: int) -> dict[int, Typ]:
    """The type of `n` elements by the size of one, which tells scalars, G1 and G2 apart."""
    types: list[Typ] = [ScalarArray(n), PointArray(n, "g1"), PointArray(n, "g2")]
    return {element_size(typ, curve): typ for typ in types} | {1: GpuBuffer(n)}


@cache
def element_types(curve: Curve) -> dict[int, Typ]:
    types: list[Typ] = [Scalar(), Point("g1"), Point("g2")]
    return {element_size(typ, curve): typ for typ in types}


def whole(typ: Typ, curve: Curve, block: Block) -> Data:
    """The value of type `typ` that fills a block of memory."""
    n = length(typ)
    return Data(typ, block, block.address, element_size(typ, curve), n, 0, n)


def element_of(data: Data, index: int, curve: Curve) -> Data:
    """Element `index` of an array as a value of its own."""
    physical = (data.offset + index) % data.whole
    typ = element_types(curve)[data.item]
    address = data.address + physical * data.item
    return Data(typ, data.block, address, data.item, 1, 0, 1)


def part(data: Data, start: int, end: int, curve: Curve) -> Data:
    """Elements start to end of a view, as a view; a Scalar or Point counts as an array of one."""
    n = end - start
    offset = (data.offset + start) % data.whole if data.whole else 0
    typ = array_types(curve, n)[data.item]
    return Data(typ, data.block, data.address, data.item, data.whole, offset, n)
