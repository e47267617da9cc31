"""Devices: memory, streams and functions. One folder a kind, the contract in `base.py`."""
