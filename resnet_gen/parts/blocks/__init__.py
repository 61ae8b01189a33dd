"""Blocks: the unit that a stage repeats."""
