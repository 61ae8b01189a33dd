"""A difference as data, for programs: docs/diff.md describes every key."""

from __future__ import annotations

from typing import Any

from resnet_gen.compare.difference.block_outline import StageOutline
from resnet_gen.compare.difference.graphs import SUMMED, LayerChange, StageChange
from resnet_gen.compare.difference.sides import Side
from resnet_gen.compare.formats import spec_terms
from resnet_gen.compare.formats.comparison import NetworkComparison
from resnet_gen.compare.formats.summary import list_clauses, write_headline
from resnet_gen.graph import Node
from resnet_gen.graph.counts import count_nodes
from resnet_gen.graph.tables import blocks_text, stage_title


def collect_data(report: NetworkComparison) -> dict[str, Any]:
    """Everything that is known of a difference."""
    difference = report.difference
    before, after = (counts.as_dict() for counts in difference.counts)
    return {
        "same": difference.same,
        "identical": report.identical,
        "headline": write_headline(report),
        "loosened": spec_terms.loosened_promises(report.terms),
        "summary": list_clauses(difference),
        "before": _describe_side(report.before),
        "after": _describe_side(report.after),
        "counts": {name: _compare_figures(before[name], after[name]) for name in before},
        "latency": report.latency._asdict() if report.latency else None,
        "folded": report.folded,
        "zero_biases": report.biases,
        "notes": report.notes,
        "stages": [_describe_stage(stage) for stage in difference.stages if stage.blocks],
        "keys": spec_terms.collect_data(report.terms),
        "changes": [_describe_change(change) for change in difference.changes],
        "outputs_changed": difference.outputs,
        "renamed": [list(pair) for pair in difference.renamed],
    }


def _describe_side(side: Side) -> dict[str, Any]:
    graph = side.graph
    return {
        "given": side.given,
        "what": side.what,
        "name": graph.name,
        "precision": side.precision,
        "unexplained": list(side.unexplained),
        "input": {"name": graph.input.name, "shape": list(graph.input.shape)},
        "outputs": [{"name": value.name, "shape": list(value.shape)} for value in graph.outputs],
    }


def _compare_figures(before: int, after: int) -> dict[str, Any]:
    return {"before": before, "after": after, "difference": after - before}


def _describe_stage(stage: StageChange) -> dict[str, Any]:
    return {
        "stage": stage_title(stage.path),
        "before": _describe_outline(stage.before),
        "after": _describe_outline(stage.after),
        "blocks_added": sum(block.before is None for block in stage.blocks),
        "blocks_removed": sum(block.after is None for block in stage.blocks),
        "blocks_changed": sum(bool(block.before and block.after) for block in stage.blocks),
    }


def _describe_outline(stage: StageOutline | None) -> dict[str, Any] | None:
    if stage is None:
        return None
    counts = count_nodes(stage.nodes)
    return {"blocks": blocks_text(stage.nodes), **{name: getattr(counts, name) for name in SUMMED}}


def _describe_change(change: LayerChange) -> dict[str, Any]:
    return {
        "change": change.kind,
        "layer": change.node.name,
        "path": change.node.path,
        "before": _describe_layer(change.before),
        "after": _describe_layer(change.after),
        "settings": {setting.name: [setting.before, setting.after] for setting in change.settings},
        "difference": change.counts,
    }


def _describe_layer(node: Node | None) -> dict[str, Any] | None:
    if node is None:
        return None
    return {
        "name": node.name,
        "operation": type(node.op).__name__,
        "role": node.role,
        "inputs": [list(shape) for shape in node.input_shapes],
        "output": list(node.shape),
    }
