"""Source code and texts out of a specification: one small file a target, one folder of templates each.

A spec and its graph come in; the files of a PyTorch or Flax module, a C++ program, a card or a report go out.
"""
