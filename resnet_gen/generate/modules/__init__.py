"""From a graph to the classes that a programmer would write it with, in no language yet.

A layer's name is the place of a module (`layer1.0.conv1`), so names give a tree of modules; modules alike become one
class, and what differs among them its arguments.
"""
