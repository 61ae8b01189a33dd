"""Plain data as YAML text, which `source` reads back as the same data."""

from __future__ import annotations

from typing import Any

import yaml

from resnet_gen.language.source import FLOAT, INT, WORDS
from resnet_gen.problems import visible, visible_lines


class UnwrittenError(ValueError):
    """Data that YAML has no words for."""


def dump(data: Any) -> str:
    """Plain data as YAML that `source` reads back as the same data; raises `UnwrittenError` for other data."""
    return _dump_visibly(data, None)


def dump_inline(data: Any) -> str:
    """Plain data as YAML in braces and brackets, on as few lines as they need, without the line's end."""
    return _dump_visibly(data, True).removesuffix("\n").removesuffix("\n...")


def _dump_visibly(data: Any, flow: bool | None) -> str:
    try:
        text: str = yaml.dump(
            data, Dumper=_Dumper, sort_keys=False, default_flow_style=flow, allow_unicode=True, width=100
        )
    except (yaml.YAMLError, RecursionError):
        raise UnwrittenError("it holds what YAML has no word for") from None
    # What shows nothing or is obeyed stands in double quotes, where YAML has the same escapes.
    return visible_lines(text)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.2 would read as something else, and writes out what stands there twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def text(self, value: str) -> yaml.ScalarNode:
        plain = value not in WORDS and not INT.match(value) and not FLOAT.match(value)
        plain = plain and visible(value) == value and "::" not in value
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Dumper.add_representer(str, _Dumper.text)
