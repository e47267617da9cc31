"""Curves, and elements as integers, limbs and bytes."""
