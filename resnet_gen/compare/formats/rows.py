"""The details of a difference, what repeats in one row: shared by text and Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from resnet_gen.compare.difference.block_outline import BlockOutline
from resnet_gen.compare.difference.graphs import BlockChange, Difference, LayerChange, StageChange
from resnet_gen.compare.formats import words
from resnet_gen.compare.formats.comparison import Latency, NetworkComparison
from resnet_gen.graph import Node
from resnet_gen.graph.counts import count_nodes
from resnet_gen.graph.tables import block_text, blocks_text, describe, sides, stage_title

Sign: TypeAlias = Literal["+", "-", "~", "="]
SIGNS: dict[str, Sign] = {"added": "+", "removed": "-", "changed": "~", "follows": "="}


class LayerChangeRow(NamedTuple):
    """Layers, or whole blocks, to which the same happened; `=` are those that only have other shapes."""

    sign: Sign
    what: str
    names: tuple[str, ...]


def layer_rows(difference: Difference) -> list[LayerChangeRow]:
    """Everything that happened, in the order of the network; what follows from it last."""
    found: dict[tuple[Sign, str], list[str]] = {}
    for stage in difference.stages:
        for block in stage.blocks:
            for sign, what, name in _describe_block(block):
                found.setdefault((sign, what), []).append(name)
    listed = [LayerChangeRow(sign, what, tuple(names)) for (sign, what), names in found.items()]
    return sorted(listed, key=lambda row: row.sign == "=")


def _describe_block(block: BlockChange) -> Iterator[tuple[Sign, str, str]]:
    whole = block.after or block.before
    assert whole
    if not (block.before and block.after) and len(whole.nodes) > 1:
        yield "+" if block.after else "-", _block_text(whole), words.block_name(whole.nodes)
        return
    for change in block.changes:
        yield SIGNS[change.kind], _layer_text(change, block), change.node.name


def _block_text(block: BlockOutline) -> str:
    return f"[{block_text(block.nodes)}]" if block.path.startswith("stages.") else block_text(block.nodes)


def _layer_text(change: LayerChange, block: BlockChange) -> str:
    if change.kind == "follows":
        assert change.before
        assert change.after
        if change.before.shape != change.after.shape:
            return f"{sides(change.before.shape)} -> {sides(change.after.shape)}"
        taken = (_format_operands(change.before), _format_operands(change.after))
        return words.OTHER_OPERANDS if taken[0] == taken[1] else f"takes {' -> '.join(taken)}"
    if change.kind == "changed":
        settings = [setting for setting in change.settings if setting.name != "operands" or not block.rebuilt]
        return ", ".join(words.describe_change(change, setting) for setting in settings)
    role = change.node.role
    return describe(change.node) + (f" ({role})" if role != "main" else "")


def _format_operands(node: Node) -> str:
    return " and ".join(map(sides, node.input_shapes))


def count_rows(report: NetworkComparison, times: str) -> list[tuple[str, ...]]:
    """The counts of both networks below a header, and their predicted times, which are called `times`."""
    found: list[tuple[str, ...]] = [("", "before", "after", "difference", "")]
    for figure in words.compare_figures(report.difference):
        found.append((figure.name, f"{figure.before:,}", f"{figure.after:,}", figure.difference, figure.percent))
    if report.latency:
        found.append(_format_times(report.latency, times))
    return found


def _format_times(latency: Latency, times: str) -> tuple[str, ...]:
    before, after = latency.before, latency.after
    name = f"{times} on {latency.device}, {latency.precision}, batch {latency.batch:,}"
    return name, f"{before:,.3f}", f"{after:,.3f}", f"{after - before:+,.3f}", words.format_percent(before, after)


class StageChangeRow(NamedTuple):
    """A stage that changed: what it repeats before and after, and its counts."""

    title: str
    blocks: tuple[str, str]
    figures: tuple[words.CountChange, ...]


def stage_rows(difference: Difference) -> list[StageChangeRow]:
    """The stages of which a count changed, or the number or kind of blocks."""
    return [row for row in map(_stage_row, difference.stages) if row]


def _stage_row(stage: StageChange) -> StageChangeRow | None:
    if not stage.blocks:
        return None
    before, after = (side.nodes if side else [] for side in (stage.before, stage.after))
    changes = tuple(words.count_changes(count_nodes(before), count_nodes(after), ("params", "macs", "activations")))
    blocks = blocks_text(before) if before else "", blocks_text(after) if after else ""
    if blocks[0] == blocks[1] and all(figure.before == figure.after for figure in changes):
        return None
    return StageChangeRow(stage_title(stage.path), blocks, changes)
