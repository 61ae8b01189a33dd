"""How deep the brackets of a YAML text nest, where a parser gives up before it says so.

libyaml looks up to 1,024 characters ahead, and gives up in that stretch, in
words of its own, where it finds more brackets than it has room for.
"""

from __future__ import annotations

import yaml

LOOKS_AHEAD = 1100
"""How many characters a parser looks at before it hands out what it has read, and a little more."""
_OPENING = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def find_too_deep(text: str, start: int, room: int) -> int | None:
    """Where, soon after `start`, the first bracket opens for which there is no more `room`."""
    try:
        for token in yaml.scan(text[start : start + LOOKS_AHEAD], Loader=yaml.SafeLoader):
            room -= isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if room < 0:
                return start + int(token.start_mark.index)
    except yaml.YAMLError:
        pass
    return None
