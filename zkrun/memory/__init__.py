"""Allocators as pure bookkeeping over offsets: no device, no bytes.

Sizes that are powers of two (the arrays of transforms) go to a buddy allocator, where neighbours
that are free always merge again; all others go to best fit. An arena records what a program placed
itself.
"""

from zkrun.memory.arena import Arena, ArenaConflict
from zkrun.memory.best_fit import BestFitAllocator
from zkrun.memory.buddy import BuddyAllocator

__all__ = ["Arena", "ArenaConflict", "BestFitAllocator", "BuddyAllocator"]
