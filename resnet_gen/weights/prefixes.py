"""What wrappers put before the names of a state dict: `module.`, `_orig_mod.`, `model.`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from resnet_gen.problems import shorten, visible

T = TypeVar("T")
MOST = 3
"""Wrappers around one another that are looked through."""


def prefixes(names: Iterable[str]) -> Iterator[str]:
    """What all names begin with: nothing, then up to each of their first dots, as far as they share it."""
    names = list(names)
    prefix = ""
    yield prefix
    for _ in range(MOST):
        head, dot, _ = next(iter(names), "").removeprefix(prefix).partition(".")
        prefix += head + dot
        if not dot or len(names) < 2 or not all(name.startswith(prefix) for name in names):
            return
        yield prefix


def without_prefix(prefix: str, tensors: Mapping[str, T]) -> dict[str, T]:
    """The tensors by their names without the prefix, which all have."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def describe_prefix(prefix: str) -> str:
    """What is said where a prefix is taken off."""
    return f"every name begins with '{shorten(visible(prefix))}', which is taken off"
