"""Everything that a spec states, once it is resolved: what a build, a verdict or a description depends on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from resnet_gen.language.load import Loaded
from resnet_gen.system.digest import digest_text

DESCRIBING = ("version", "name", "extends", "parts", "title", "paper")
"""Keys by which nothing computes another thing, and no verdict is another; of parts, the code counts."""
PROMISING = ("reference", "deviations", "claims", "budgets", "suppressions", "devices")
"""Keys that verdicts depend on, and nothing else."""
SHAPING = (
    "stem", "stages", "norm", "activation", "head", "antialias", "weight_standardization", "outputs", "naming",
)  # fmt: skip
"""Keys that come to layers and their names alone."""
CODE_DIGITS = 16
_SHAPE = ("input.channels", "input.size")


def resolved_values(loaded: Loaded) -> dict[str, Any]:
    """The whole spec as plain data: every default, the normalization of pictures, and hashes of its parts' code."""
    data = loaded.spec.model_dump(mode="json", exclude_none=True)
    mean, std = loaded.spec.input.normalization
    data["input"] |= {"mean": list(mean), "std": list(std)}
    if loaded.code:
        data["code"] = sorted(digest[:CODE_DIGITS] for digest in loaded.code)
    return data


def lock_settings(loaded: Loaded) -> dict[str, str]:
    """What changes a build and shows in no layer, as JSON by key: all that is not known to be something else."""
    apart = (*DESCRIBING, *PROMISING, *SHAPING)
    left = {key: value for key, value in resolved_values(loaded).items() if key not in apart}
    if labels := left.get("serve", {}).get("labels"):
        left["serve"]["labels"] = f"{len(labels)}, sha256 {digest_text(json.dumps(labels))}"
    return {key: json.dumps(value) for key, value in _leaves(left, "") if key not in _SHAPE}


def _leaves(data: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield before + key, value
