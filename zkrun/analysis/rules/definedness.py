"""ZK060 to ZK069: no byte is read that nothing has written."""

from zkrun.analysis.rules.rule import Rule

NEVER_WRITTEN = Rule(
    "ZK060",
    "read of memory that nothing has written",
    "definedness",
    "Fresh memory holds nothing; reading it would give a different value in every run. Elements "
    "count one by one, through every view: each that an instruction reads must have been written "
    "by one that comes before. Work on a stream happens in the order of its queue, and comes "
    "before another thread or stream only through a Record and a Wait: where the write is only "
    "queued, the Wait is missing. Scratch buffers (GpuBuffer) of functions need no contents.",
)

RULES = (NEVER_WRITTEN,)
