"""ONNX files: written from a graph, read into one whoever wrote them, and looked at again after writing.

A graph and its weights go in or come out; `witness` takes what was written and counts it without the writer's code.
"""
