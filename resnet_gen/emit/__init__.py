"""Emitters: from a graph to bytes or text. They are pure; `write` puts results on disk."""
