"""From a graph to a program: passes, then the plan of its memory, then tracks and instructions.

What the passes cut into pieces, and how small, decides both the least memory and the speed. So
several ways are tried where memory is short, from no pieces to ever smaller ones, and of those that
fit the one is taken that is predicted to be the fastest. Where none does, a tight plan is made.
"""

from __future__ import annotations

from zkrun.compiler.machine import Machine
from zkrun.compiler.placed import Compiled
from zkrun.compiler.refusal import refusal
from zkrun.compiler.search import SHARE_OF_WHOLE_SUMS, SHARES, SHARES_OF_SUMS, Search
from zkrun.compiler.type2.graph import Graph
from zkrun.errors import UsageError

__all__ = ["Compiled", "Machine", "compile_graph"]

_LARGE_GRAPH = 3000
"""Vertices from which on fewer ways are tried."""


def compile_graph(graph: Graph, machine: Machine | None = None) -> Compiled:
    """The program of a graph (by default for the CPU alone, without a limit).

    Raises ResourceLimit where the graph cannot run in the memory there is. It says the least that
    would do; of a CPU without a disk, from which nothing can leave, little more than the least.
    """
    machine = machine or Machine()
    _check_devices(graph, machine)
    large = len(graph.vertices) > _LARGE_GRAPH
    search = found = _searched(graph, machine, large)
    while found.best is None and (fewer := _without_smallest_gpus(graph, found.machine)):
        found = _searched(graph, fewer, large)
    if found.best is None:
        raise refusal(search, large)
    found.best.peak = dict.fromkeys(machine.memory, 0) | found.best.peak
    return found.best


def _searched(graph: Graph, machine: Machine, large: bool) -> Search:
    search = Search(graph, machine)
    _try_ways(search, large)
    return search


def _without_smallest_gpus(graph: Graph, machine: Machine) -> Machine | None:
    """The machine without the GPUs that have less memory than others, for which everything would
    be cut; None where there are none, or where the graph names one."""
    limits = {
        device: most for device in machine.computing if (most := machine.memory[device]) is not None
    }
    smallest = min(limits.values(), default=0)
    left_out = {device for device, most in limits.items() if most == smallest}
    named = {vertex.device for vertex in graph.vertices}
    if not left_out or left_out == {*machine.computing} or left_out & named:
        return None
    return machine.without(left_out)


def _check_devices(graph: Graph, machine: Machine) -> None:
    """UsageError where a vertex is placed on a device that the machine does not have."""
    for vertex in graph.vertices:
        if vertex.device is not None and vertex.device not in machine.memory:
            where = f"{vertex.source}: " if vertex.source else ""
            raise UsageError(
                f"{where}{vertex.operation.name} is placed on {vertex.device}, which is not among "
                f"the devices to compile for ({', '.join(machine.memory)})"
            )


def _try_ways(search: Search, large: bool) -> None:
    """First nothing is cut. If that does not fit without anything leaving a device, arithmetic is
    cut more and more, and then, with the best cut, multi-scalar multiplications are. Where nothing
    fits, each vertex gets its device to itself."""
    search.attempt(1, None)
    if not search.is_short or search.is_hopeless:
        return
    for share in (4,) if large else SHARES:
        search.attempt(share, SHARE_OF_WHOLE_SUMS)
    if not large or (search.best is None and not search.machine.tight):
        share = search.share or SHARES[-1]
        for share_of_sums in SHARES_OF_SUMS:
            search.attempt(share, share_of_sums)
    if search.best is None:
        search.attempt_tight()
