"""Shortcuts: the path around a block's branch."""
