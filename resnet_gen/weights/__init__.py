"""Weights: one set of named tensors, read lazily and row by row, feeds every emitter."""
