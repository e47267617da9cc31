"""The passes: functions from a graph to one that computes the same, for less.

    for one in PASSES:
        graph = one.run(graph, target)

Any of them may be left out, but `fusion`, without which arithmetic is one call each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zkrun.analysis.rates import Rates
from zkrun.compiler.rates import DEFAULT_RATES
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.calls import recognise_calls
from zkrun.compiler.type2.passes.chunk import chunk_fused
from zkrun.compiler.type2.passes.common import share_common
from zkrun.compiler.type2.passes.dead import remove_dead
from zkrun.compiler.type2.passes.devices import choose_devices
from zkrun.compiler.type2.passes.fold import fold_constants
from zkrun.compiler.type2.passes.fusion import fuse
from zkrun.compiler.type2.passes.inversions import batch_inversions, join_inversions
from zkrun.compiler.type2.passes.kernels import share_kernels
from zkrun.compiler.type2.passes.msm import batch_msm
from zkrun.compiler.type2.passes.padding import pad_late
from zkrun.compiler.type2.passes.rotations import place_views
from zkrun.compiler.type2.passes.schedule import schedule_vertices
from zkrun.compiler.type2.passes.split import split_domains
from zkrun.compiler.type2.passes.sums import Workspace, cut_sums, no_workspace
from zkrun.compiler.type2.passes.tables import drop_tables
from zkrun.compiler.type2.passes.transforms import mend_transforms

__all__ = ["PASSES", "UNCUT", "Pass", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a graph is compiled for: devices, their speed, and what one vertex may take on a GPU.

    `most`: bytes of its operands and results. `most_of_sums`: bytes that a multi-scalar
    multiplication takes with its scratch memory, which is `workspace` of its call. None: no limit.
    """

    devices: tuple[str, ...] = ("cpu",)
    most: int | None = None
    most_of_sums: int | None = None
    rates: Rates = DEFAULT_RATES
    workspace: Workspace = no_workspace

    @property
    def gpus(self) -> int:
        """How many GPUs there are; at least 1."""
        return max(1, sum(device.startswith("gpu:") for device in self.devices))


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass, by the name that reports use."""

    name: str
    doc: str
    run: Callable[[Graph, Target], Graph]


def _plain(name: str, doc: str, run: Callable[[Graph], Graph]) -> Pass:
    return Pass(name, doc, lambda graph, target: run(graph))


UNCUT = frozenset({"evaluate", "kate_division", "permute", "scan_mul"})
"""Functions of arrays that no pass cuts."""

PASSES: tuple[Pass, ...] = (
    _plain("calls", "calls that are operations of the graph become those", recognise_calls),
    _plain("dead", "what no result needs is left out", remove_dead),
    _plain("fold", "what is known now is computed now", fold_constants),
    _plain("common", "equal operations are one", share_common),
    _plain("transforms", "inverse pairs go, sums before transforms, scalings", mend_transforms),
    _plain("inversions", "products share one inversion", join_inversions),
    _plain("batch", "scalars are inverted together", batch_inversions),
    _plain("padding", "zeros are put behind sums, not terms", pad_late),
    Pass(
        "split",
        "large domains are worked on class by class",
        lambda graph, target: split_domains(graph, target.most),
    ),
    _plain("views", "rotations and slices go to where they are free", place_views),
    Pass(
        "fusion",
        "arithmetic becomes fused calls",
        lambda graph, target: fuse(graph, target.most),
    ),
    _plain("kernels", "expressions that differ in numbers are one", share_kernels),
    Pass(
        "msm",
        "sums over the same bases are one call",
        lambda graph, target: batch_msm(graph, target.gpus, target.most_of_sums),
    ),
    Pass(
        "sums",
        "large multi-scalar multiplications take fewer vectors, or slices",
        lambda graph, target: cut_sums(graph, target.most_of_sums, target.workspace),
    ),
    Pass(
        "chunk",
        "large arithmetic runs in slices",
        lambda graph, target: chunk_fused(graph, target.most),
    ),
    Pass(
        "tables",
        "transforms keep no long tables where memory is short",
        lambda graph, target: drop_tables(graph, target.most),
    ),
    _plain("dead", "what no result needs any more is left out", remove_dead),
    _plain("schedule", "every value is computed where it is first needed", schedule_vertices),
    Pass(
        "devices",
        "every vertex runs where it takes least time",
        lambda graph, target: choose_devices(graph, target.devices, target.rates),
    ),
)
