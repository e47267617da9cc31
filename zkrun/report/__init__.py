"""A Trace or a list of diagnostics, for eyes (tables, timeline) and for tools (JSON, Perfetto)."""
