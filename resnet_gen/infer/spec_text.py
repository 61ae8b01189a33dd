"""A specification's data as the YAML that a person would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resnet_gen.language.yaml_writer import dump_inline
from resnet_gen.problems import visible

_WIDE = 100


def spec_yaml(data: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """The text: each comment on a line of its own, then a line a key, stages over several."""
    lines = [f"# {visible(comment)}" for comment in comments]
    for key, value in data.items():
        if key == "stages":
            lines.append("stages:")
            for inner, setting in value.items():
                lines += _lines(inner, setting, "  ")
        else:
            lines += _lines(key, value, "")
    return "".join(f"{line}\n" for line in lines)


def _lines(key: str, value: Any, indent: str) -> list[str]:
    """One key on one line, or a mapping that is too long for that with a line for each of its keys."""
    text = dump_inline(value)
    short = "\n" not in text and len(indent) + len(key) + 2 + len(text) <= _WIDE
    if short or not isinstance(value, Mapping):
        first, *others = text.split("\n")
        return [f"{indent}{key}: {first}", *(f"{indent}  {line}" for line in others)]
    return [f"{indent}{key}:", *(line for inner, v in value.items() for line in _lines(inner, v, indent + "  "))]
