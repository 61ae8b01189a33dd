"""Passes: Graph to Graph, with the weights that go with it."""
