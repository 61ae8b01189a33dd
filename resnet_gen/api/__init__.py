"""The Python API: what the commands do, as functions that `resnet_gen` hands out by name (docs/api.md).

Names, paths, texts and settings come in; typed results go out, or files are written.

A new function stands in the module of its subject, with an example that runs,
and in the table of `resnet_gen/__init__.py`; `make generated` writes its page.
"""
