"""`exec --sanitize`: a run on virtual GPUs that is checked while it happens."""

from zkrun.runtime.sanitizer.sanitizer import Sanitizer

__all__ = ["Sanitizer"]
