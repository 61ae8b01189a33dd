"""What differs between a network as it is locked and as it is, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from resnet_gen.ops.base import format_shape
from resnet_gen.project.lock import COUNTS, LockedNetwork, LockedStage


def differences(before: LockedNetwork, after: LockedNetwork) -> list[str]:
    """What differs between a network as it is locked and as it is, a line each; none if nothing does."""
    found = []
    if before.spec != after.spec:
        found.append(f"spec '{before.spec}' -> '{after.spec}'")
    if before.input != after.input:
        found.append(f"input {format_shape(before.input)} -> {format_shape(after.input)}")
    if list(before.outputs.items()) != list(after.outputs.items()):
        found.append(f"outputs {_format_outputs(before)} -> {_format_outputs(after)}")
    found += _compare_settings(before.settings, after.settings)
    found += _compare_counts(before, after, COUNTS)
    for stage in {**before.stages, **after.stages}:
        if words := _compare_stages(before.stages.get(stage), after.stages.get(stage)):
            found.append(f"{stage}: {words}")
    if before.hash != after.hash and not found:
        found.append("the order of its operations, every stage being as it was")
    return found


def _compare_settings(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is computed of a picture, or built, in another way, though no layer is another."""
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [f"{key} {before.get(key, 'none')} -> {after.get(key, 'none')}" for key in keys]


def _compare_counts(before: Any, after: Any, names: Iterable[str]) -> list[str]:
    """The counts that differ, but those that differ because another does."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in names}
    other = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return [f"{name} {a:,} -> {b:,} ({b - a:+,})" for name, (a, b) in other.items() if _FOLLOWS.get(name) not in other]


_FOLLOWS = {"conv_macs": "macs", "macs_and_biases": "macs", "activations_and_pools": "activations"}


def _compare_stages(before: LockedStage | None, after: LockedStage | None) -> str:
    """What differs in a stage; empty if nothing does."""
    if before is None or after is None:
        there = after or before
        assert there is not None
        return f"{'new' if before is None else 'gone'}, params {there.params:,}, macs {there.macs:,}"
    if before == after:
        return ""
    where = _compare_blocks(before.blocks.split(), after.blocks.split())
    counts = ", ".join(_compare_counts(before, after, ("params", "macs", "activations")))
    counts = counts or "other operations or inputs, the same counts"
    return f"{where}: {counts}" if where else counts


def _compare_blocks(before: list[str], after: list[str]) -> str:
    """Which blocks differ; empty if that cannot be said."""
    if len(before) != len(after):
        return f"{len(before) or 1} blocks -> {len(after) or 1}"
    other = [str(n) for n, (a, b) in enumerate(zip(before, after, strict=True), 1) if a != b]
    if not other:
        return ""
    return f"block {', '.join(other)} of {len(after)}" if len(other) < len(after) else "every block"


def _format_outputs(network: LockedNetwork) -> str:
    return ", ".join(f"{name} {format_shape(shape)}" for name, shape in network.outputs.items())
