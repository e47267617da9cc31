"""ZK070 to ZK079: threads, events, and the end of the program."""

from zkrun.analysis.rules.rule import Rule

FORKED_TWICE = Rule(
    "ZK070",
    "thread is forked twice",
    "order",
    "The id of a thread is used once in a run, whether the first has ended or not. Use another id.",
)
JOINED_BEFORE_FORK = Rule(
    "ZK071",
    "thread is joined that is not forked before",
    "order",
    "A Join names a thread that a Fork has started, and something must order the Fork before it: "
    "the same thread, or an event or Fork between the two.",
)
JOINED_TWICE = Rule(
    "ZK072",
    "thread is joined twice",
    "order",
    "A thread is joined at most once. Others that need its results can Wait for an event that it "
    "records.",
)
RECORDED_TWICE = Rule(
    "ZK073",
    "event is recorded twice",
    "order",
    "An event happens once in a run: a second Record would leave open which of the two a Wait "
    "means. Use another id.",
)
NEVER_RECORDED = Rule(
    "ZK074",
    "wait for an event that nothing records",
    "order",
    "No instruction of the program records the event, so the thread or stream that waits for it "
    "never goes on.",
)
DEADLOCK = Rule(
    "ZK075",
    "deadlock",
    "order",
    "Threads and streams wait for each other in a way that none of them can go on: for events "
    "that are recorded only behind the wait, or for threads that wait themselves. The message "
    "names each of them and what it waits for. An order in which every Record comes before "
    "anything that waits for it mends it.",
)
NEVER_JOINED = Rule(
    "ZK076",
    "thread is never joined",
    "order",
    "The run ends when all threads have ended, so the thread is waited for all the same, but "
    "nothing orders its work before the rest of the program.",
    severity="warning",
)
RETURN_PLACE = Rule(
    "ZK077",
    "Return does not stand last in the main thread",
    "order",
    "A program has one Return: the last instruction of the main thread. Forked threads end with "
    "their last instruction.",
)
TOO_ENTANGLED = Rule(
    "ZK078",
    "order that is too entangled to be followed",
    "order",
    "The analysis follows what each thread and stream knows of all others, and for each piece of "
    "an array who has touched it last. For nearly all programs that is little for each "
    "instruction, however many there are. Where thousands of threads all wait for each other, or "
    "an array that is written in thousands of pieces is read whole thousands of times, it would "
    "take hours, so the analysis gives up after a fixed number of steps, and the program is "
    "refused: it cannot be shown to be safe. Let fewer threads and streams wait for each other "
    "(one event behind much work does for all of it), and touch arrays in fewer, larger pieces.",
)

RULES = (
    FORKED_TWICE,
    JOINED_BEFORE_FORK,
    JOINED_TWICE,
    RECORDED_TWICE,
    NEVER_RECORDED,
    DEADLOCK,
    NEVER_JOINED,
    RETURN_PLACE,
    TOO_ENTANGLED,
)
