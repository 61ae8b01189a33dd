"""Weights: one set of named tensors, read lazily and row by row, feeds every emitter.

A graph and a seed, or anybody's file, come in; float32 tensors go out, in runs of rows, or as the bytes of a file.
"""
