"""A stand-in for the part of PyTorch that generated modules use, written from PyTorch's documentation.

Its tensors hold no numbers: running a network records a graph. Names, arguments and defaults are PyTorch's, and what
is not here is an error, as is an operation in place on what a gradient or a later line needs.
"""
