"""ZK080 to ZK089: allocations in the arenas of devices."""

from zkrun.analysis.rules.rule import Rule

NO_ARENA = Rule(
    "ZK080",
    "offset without an arena",
    "memory",
    "An allocation with an `offset` lies in the arena of its device, so `memory` must say how many "
    "bytes the device reserves for it. Without `offset` the runtime finds a place.",
)
UNALIGNED = Rule("ZK081", "offset not a multiple of 64", "memory", "Offsets are multiples of 64.")
BEYOND_ARENA = Rule(
    "ZK082",
    "allocation ends beyond the arena",
    "memory",
    "`offset` plus the bytes of the type must not be more than the device's entry in `memory`.",
)
ARENA_OVERLAP = Rule(
    "ZK083",
    "two live allocations share bytes of the arena",
    "memory",
    "An allocation covers exactly the bytes of its type. Two may share bytes only when the first "
    "is freed before the second is made, in an order that threads and events establish.",
)
OVER_LIMIT = Rule(
    "ZK084",
    "a device may need more memory than its limit",
    "memory",
    "With `--limit`, the most that a device may hold at once is compared with it: the arena that "
    "`memory` reserves, constants, inputs, and the peak of all other allocations over every order "
    "in which the program may run, not only the likely one. The message names the allocations "
    "that are alive at that peak. Free one of them before another is made, in an order that "
    "threads and events establish, or give them places in an arena.",
)

RULES = (NO_ARENA, UNALIGNED, BEYOND_ARENA, ARENA_OVERLAP, OVER_LIMIT)
