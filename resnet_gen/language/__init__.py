"""The language of specs: from YAML text to a checked specification, and from that to a graph.

Text comes in, with the position of every key and value; a `Loaded` spec goes out, and `lower` makes its `Graph`.
"""
