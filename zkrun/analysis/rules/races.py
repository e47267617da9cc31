"""ZK100 to ZK119: what only some orders of the program show."""

from zkrun.analysis.rules.rule import Rule

DATA_RACE = Rule(
    "ZK100",
    "data race",
    "races",
    "Two instructions touch the same bytes, one of them writes, and nothing orders the two: some "
    "runs see the old bytes, some the new, some a mixture. Program order within a thread, the "
    "order of a stream's queue, Fork and Join, Record and Wait are what orders. Work on a stream "
    "is only queued when the thread goes on: whoever else touches its operands, another stream or "
    "the host, must Wait for an event that is recorded on that stream behind the work.",
)
BINDING_RACE = Rule(
    "ZK101",
    "variable is bound or unbound without an order to its other uses",
    "races",
    "Threads share all variables. Where one binds or unbinds a variable and another uses it, "
    "something must order the two: a Fork, a Join, or an event that one records and the other "
    "waits for. It is the instructions themselves that are to be ordered, not the work that they "
    "queue: an event recorded without a stream is enough.",
)
FREE_RACE = Rule(
    "ZK102",
    "memory is freed without an order to a use of it",
    "races",
    "A Deallocate makes every variable that refers to the memory dead, views, copies and tuples "
    "too. An instruction of another thread that names one of them must be ordered before it, by a "
    "Join or an event; else it meets a dead variable in some runs.",
)
ARENA_RACE = Rule(
    "ZK103",
    "bytes of the arena are allocated again without an order to their Deallocate",
    "races",
    "Two allocations may share bytes of an arena only where the first is freed before the second "
    "is made. Where two threads do that, a Join or an event must order the Deallocate before the "
    "Allocate; else both are alive at once in some runs.",
)
REUSE_RACE = Rule(
    "ZK104",
    "two allocations of the same bytes of the arena are used without an order",
    "races",
    "Freeing and allocating memory of the arena is bookkeeping and never waits, so work on the "
    "first allocation may still be queued when the second is made over the same bytes. Every "
    "access through the second must be ordered after those through the first that touch the same "
    "bytes: on one stream it is; between two streams, or a stream and the host, an event recorded "
    "behind the earlier work must be waited for before the later.",
)
QUEUE_DEADLOCK = Rule(
    "ZK105",
    "deadlock in some order of a stream's queue",
    "races",
    "Two threads queue on one stream and nothing orders them, so either's work may come first "
    "there. A Wait of one thread may then stand in the queue before the work that leads to its "
    "event, and the stream never goes on. Order the two threads by an event or a Join, or give "
    "each thread a stream of its own.",
)

RULES = (DATA_RACE, BINDING_RACE, FREE_RACE, ARENA_RACE, REUSE_RACE, QUEUE_DEADLOCK)
