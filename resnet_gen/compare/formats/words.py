"""The words that the formats of a difference share: figures and how they changed, operations, settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from resnet_gen import ops
from resnet_gen.compare.difference.graphs import Difference, LayerChange, Setting
from resnet_gen.graph import Node
from resnet_gen.graph.counts import Counts
from resnet_gen.graph.tables import PLAIN, describe
from resnet_gen.problems import shorten


class CountChange(NamedTuple):
    """A count before and after."""

    name: str
    before: int
    after: int

    @property
    def difference(self) -> str:
        """The exact difference with its sign; nothing where there is none."""
        return f"{self.after - self.before:+,}" if self.before != self.after else ""

    @property
    def both(self) -> str:
        """What was and what is, once where they are equal."""
        return f"{self.before:,} -> {self.after:,}" if self.before != self.after else f"{self.after:,}"

    @property
    def percent(self) -> str:
        """The same as a part of what was before; nothing where that says nothing."""
        return format_percent(self.before, self.after)


_NOUNS: dict[type[ops.Op], str] = {
    **PLAIN,
    ops.Conv: "convolution",
    ops.Linear: "fully connected layer",
    ops.ChannelConv: "convolution along channels",
    ops.MaxPool: "max pool",
    ops.AvgPool: "average pool",
    ops.BlurPool: "blur",
    ops.Subsample: "subsampling",
    ops.Add: "sum",
    ops.Mul: "product",
    ops.Concat: "concatenation",
    ops.TakeChannels: "channel slice",
    ops.AsMap: "reshaping",
    ops.ChannelMax: "channel maximum",
    ops.ChannelMean: "channel mean",
    ops.OneMinus: "complement",
    ops.PadChannels: "channel padding",
    ops.PadMap: "border padding",
    ops.SplitSoftmax: "split softmax",
    ops.SumPositions: "position sum",
}
"""What operations are called in a sentence, so that an s makes several of one."""

TITLES = {"params": "params", "macs": "MACs", "activations": "activations", "layers": "layers"}
"""The counts that are shown, as they are called."""


def compare_figures(difference: Difference) -> list[CountChange]:
    """The counts of both networks."""
    return count_changes(*difference.counts, TITLES)


def count_changes(before: Counts, after: Counts, names: Iterable[str]) -> list[CountChange]:
    """The counts of these names, before and after."""
    return [CountChange(TITLES[name], getattr(before, name), getattr(after, name)) for name in names]


def format_percent(before: float, after: float) -> str:
    """`+5.99 %`; what rounds to nothing is shown as less than the last digit."""
    if before == after or not before:
        return ""
    change = 100 * (after - before) / before
    return f"{change:+,.2f} %" if abs(change) >= 0.005 else f"{'+' if change > 0 else '-'}<0.01 %"


def name_op(op: ops.Op) -> str:
    """What an operation is called in a sentence: `convolution`."""
    return _NOUNS.get(type(op), type(op).__name__.lower()) if not isinstance(op, ops.Activation) else op.function


def format_value(given: Any) -> str:
    """A setting's value in words."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    return f"{given:,}" if isinstance(given, int) else "none" if given is None else str(given)


def describe_change(change: LayerChange, setting: Setting) -> str:
    """A changed setting in words: `stride 2 -> 1`."""
    assert change.before
    assert change.after
    if setting.name == "operation":
        return f"{describe(change.before)} -> {describe(change.after)}"
    if setting.name == "operands":
        return OTHER_OPERANDS
    name = "" if setting.name == "function" else f"{setting.name.replace('_', ' ')} "
    return f"{name}{format_value(setting.before)} -> {format_value(setting.after)}"


OTHER_OPERANDS = "takes other operands"


def name_list(names: Sequence[str], most: int = 4) -> str:
    """Names with commas; the first of many."""
    shown = [shorten(name, 80) for name in (names if len(names) <= most else names[: most - 1])]
    return ", ".join(shown) + (f" and {len(names) - len(shown):,} more" if len(shown) < len(names) else "")


def block_name(nodes: Sequence[Node]) -> str:
    """What a block is called: the steps that its layers' names have in common, or else where it stands."""
    steps = [node.name.split(".")[:-1] for node in nodes]
    common = [same[0] for same in takewhile(lambda each: len(set(each)) == 1, zip(*steps, strict=False))]
    return nodes[0].name if len(nodes) == 1 else ".".join(common) or nodes[0].block
