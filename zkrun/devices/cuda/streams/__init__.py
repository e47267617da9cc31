"""Streams: how work reaches the GPU, when it has passed, and who is told."""
