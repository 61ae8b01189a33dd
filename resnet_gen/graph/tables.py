"""Graph to text: the paper's table, and one line a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from resnet_gen import ops
from resnet_gen.graph import Graph, Node, is_block, stages_of
from resnet_gen.graph.counts import count, count_nodes, macs, params
from resnet_gen.ops import Shape
from resnet_gen.problems import visible


@dataclass(frozen=True)
class StageRow:
    """One row of the paper's table: a stage, the shape that it outputs, what it repeats, its counts."""

    stage: str
    output: Shape
    blocks: str
    params: int
    macs: int


@dataclass(frozen=True)
class LayerRow:
    """One operation: name, what it does, the shape that it outputs, its counts."""

    name: str
    operation: str
    output: Shape
    params: int
    macs: int


def stage_rows(graph: Graph) -> list[StageRow]:
    """The paper's table: stem, stages, head."""
    rows = []
    for stage, nodes in stages_of(graph.nodes).items():
        total = count_nodes(nodes)
        rows.append(StageRow(stage_title(stage), nodes[-1].shape, blocks_text(nodes), total.params, total.macs))
    return rows


def layer_rows(graph: Graph) -> list[LayerRow]:
    """Every operation in order."""
    return [LayerRow(n.name, describe(n), n.shape, params(n), macs(n)) for n in graph.nodes]


def stage_title(stage: str) -> str:
    """A stage as tables call it: `stages.0` is `conv2_x` in the paper, and stage 1 to everyone else."""
    return f"stage {int(stage.split('.')[1]) + 1}" if stage.startswith("stages.") else stage


def blocks_text(nodes: Sequence[Node]) -> str:
    """What a stage repeats, as the paper writes it: `[3x3, 64; 3x3, 64] x 2`."""
    groups = [(block, block_text(list(group))) for block, group in groupby(nodes, key=lambda n: n.block)]
    blocks = [text for _, text in groups if text]
    if not nodes[0].path.startswith("stages."):
        return ", ".join(blocks)
    parts = [f"[{'] ['.join(run)}] x {times}" for run, times in _find_runs(blocks)]
    behind = {f"[{text}] x 1" for block, text in groups if not is_block(block)}
    return ", ".join(p[1:].removesuffix("] x 1") if p in behind else p for p in parts)


def _find_runs(items: Sequence[str]) -> list[tuple[list[str], int]]:
    """The items as repeated runs of up to four, the run that covers most first chosen."""
    runs, start = [], 0
    while start < len(items):
        length, times = max(
            ((n, _count_repeats(items, start, n)) for n in range(1, 5)), key=lambda r: (r[1] > 1) * r[0] * r[1]
        )
        runs.append((list(items[start : start + length]), times))
        start += length * times
    return runs


def _count_repeats(items: Sequence[str], start: int, length: int) -> int:
    """How often the run of `length` items at `start` stands there in a row."""
    run, times = items[start : start + length], 1
    while items[start + times * length : start + (times + 1) * length] == run and len(run) == length:
        times += 1
    return times


def block_text(nodes: Sequence[Node]) -> str:
    """The main layers of a block, strides left out unless it is a stem."""
    shown = (ops.Conv, ops.MaxPool, ops.AvgPool, ops.BlurPool, ops.GlobalAvgPool, ops.Linear, ops.Softmax)
    main = [n for n in nodes if n.role == "main" and isinstance(n.op, shown)]
    texts = [describe(n, stride=not n.path.startswith("stages.")) for n in main]
    marks = [word for role, word in _ROLES.items() if any(n.role == role for n in nodes)]
    return ", ".join(["; ".join(texts), *marks])


_ROLES = {"gate": "gated", "attention": "attention"}


def describe(node: Node, stride: bool = True) -> str:
    """An operation in a few words: `3x3, 64, stride 2`."""
    op = node.op
    match op:
        case ops.Conv():
            groups = f", {op.groups} groups" if op.groups > 1 else ""
            strided = f", stride {op.stride}" if stride and op.stride > 1 else ""
            dilated = f", dilation {op.dilation}" if op.dilation > 1 else ""
            return f"{op.kernel}x{op.kernel}, {op.out}{groups}{strided}{dilated}"
        case ops.ChannelConv():
            return f"{op.kernel} along channels"
        case ops.BlurPool():
            return f"3x3 blur, stride {op.stride}"
        case ops.TakeChannels():
            return f"channels {op.start} to {op.stop - 1}"
        case ops.Linear():
            return f"{op.out}-d fc"
        case ops.MaxPool() | ops.AvgPool():
            kind = "max" if isinstance(op, ops.MaxPool) else "average"
            return f"{op.kernel}x{op.kernel} {kind} pool, stride {op.stride}"
        case ops.Activation():
            return op.function
    return op.foreign_name or PLAIN.get(type(op), type(op).__name__.lower())


PLAIN: dict[type[ops.Op], str] = {
    ops.BatchNorm: "batch norm",
    ops.GroupNorm: "group norm",
    ops.GlobalAvgPool: "global average pool",
    ops.GlobalMaxPool: "global max pool",
    ops.SumPositions: "sum over positions",
    ops.ChannelMean: "mean over channels",
    ops.ChannelMax: "maximum over channels",
    ops.SplitSoftmax: "softmax over splits",
    ops.OneMinus: "1 - x",
    ops.PadChannels: "zero channels",
    ops.PadMap: "zero border",
    ops.AsMap: "as map",
}
"""Operations without settings worth a word, and norms, in a few words."""


def sides(shape: Shape) -> str:
    """A shape as people write it: `256 x 56 x 56`."""
    return " x ".join(map(str, shape))


def stage_table(graph: Graph) -> str:
    """The paper's table as text."""
    rows = [(r.stage, sides(r.output), r.blocks, f"{r.params:,}", f"{r.macs:,}") for r in stage_rows(graph)]
    total = count(graph)
    last = ("total", "", f"{total.layers} layers", f"{total.params:,}", f"{total.macs:,}")
    several = [("outputs", sides(v.shape), v.name, "", "") for v in graph.outputs if len(graph.outputs) > 1]
    return align_columns([("stage", "output", "blocks", "params", "MACs"), *rows, last, *several], right=(3, 4))


def layer_table(graph: Graph) -> str:
    """One line an operation, as text."""
    rows = [(r.name, r.operation, sides(r.output), f"{r.params:,}", f"{r.macs:,}") for r in layer_rows(graph)]
    return align_columns([("layer", "operation", "output", "params", "MACs"), *rows], right=(3, 4))


def align_columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of text in aligned columns, two spaces apart; `right` are flush right. What cells hold is shown visibly."""
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [c.rjust(widths[i]) if i in right else c.ljust(widths[i]) for i, c in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"
