"""A function and a device that zkrun finds once this package is installed."""
