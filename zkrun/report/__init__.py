"""A Trace or a list of diagnostics, for eyes (text, tables, timeline) and for tools (JSON, Perfetto)."""
