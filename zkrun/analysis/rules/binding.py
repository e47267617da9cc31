"""ZK040 to ZK049: which variable is bound to what, who owns memory, and how long it lives."""

from zkrun.analysis.rules.rule import Rule

UNBOUND = Rule(
    "ZK040",
    "variable is not bound",
    "binding",
    "An instruction uses a variable that nothing has bound, or that RemoveRegister or "
    "MoveRegister has unbound. Where another thread binds it, something must order that before "
    "the use: a Join of that thread, or an event that it records and this one waits for.",
)
FREED = Rule(
    "ZK041",
    "variable is dead: its memory is freed",
    "binding",
    "Deallocate frees memory for every variable that refers to it: copies, slices, rotations and "
    "tuples are dead as well from there on, whatever thread uses them. Move the Deallocate "
    "behind the last use. Freeing twice is this error too.",
)
ALREADY_BOUND = Rule(
    "ZK042",
    "variable is already bound",
    "binding",
    "Every `id` and `dst` that an instruction binds must be unbound, so that no reference is lost "
    "by accident. Use another id, or unbind it first with Deallocate (of memory that it owns), "
    "RemoveRegister (of a view or copy) or MoveRegister.",
)
NOT_OWNER = Rule(
    "ZK043",
    "only the owner can be freed",
    "binding",
    "Memory is owned by the variable that Allocate bound, and MoveRegister passes that on. Copies, "
    "views, tuples, constants and inputs own nothing: RemoveRegister unbinds them.",
)
FREED_WHILE_QUEUED = Rule(
    "ZK044",
    "memory is freed while queued work still uses it",
    "binding",
    "A Deallocate without a stream gives memory outside the arena back at once, while work that "
    "was queued on a stream may not have run. Free it with that stream (`stream` of Deallocate), "
    "or let the thread Wait for an event recorded behind the work. With a stream, memory goes "
    "back when the work queued there before has passed; work on another stream must be ordered "
    "before that by an event.",
)
NEVER_FREED = Rule(
    "ZK045",
    "memory is never freed",
    "binding",
    "Memory that is left at Return goes back when the run ends. Until then it counts in the peak "
    "of its device. The memory of the result itself is not reported. A RemoveRegister of the "
    "owner loses the last variable that could free.",
    severity="warning",
)

RULES = (UNBOUND, FREED, ALREADY_BOUND, NOT_OWNER, FREED_WHILE_QUEUED, NEVER_FREED)
