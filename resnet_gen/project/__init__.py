"""The project file and the lock: which specs belong together, and what they were when they were locked.

TOML text comes in, with the position of each value; settings, and differences from the lock, go out.
"""
