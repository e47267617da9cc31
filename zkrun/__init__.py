"""zkrun: a runtime for zero-knowledge proof programs."""

__version__ = "0.1.0"
