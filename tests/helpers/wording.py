"""What a library says is its own; what we say of it, and where, is ours."""

import re

_WORDS = re.compile(r"(?<=error: not (?:YAML|TOML): ).+")


def without_wording(text: str) -> str:
    """A message without what the reader of YAML or TOML of the day calls the fault."""
    return _WORDS.sub("...", text)
