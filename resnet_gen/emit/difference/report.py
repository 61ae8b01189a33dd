"""What the emitters of a difference are given, and the words that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from resnet_gen.difference.compare import Change, Difference, Setting
from resnet_gen.difference.sides import Side
from resnet_gen.difference.terms import Term
from resnet_gen.emit.text import PLAIN, describe
from resnet_gen.graph import Node
from resnet_gen.ops import (
    Activation,
    Add,
    AsMap,
    AvgPool,
    BlurPool,
    ChannelConv,
    ChannelMax,
    ChannelMean,
    Concat,
    Conv,
    Linear,
    MaxPool,
    Mul,
    OneMinus,
    Op,
    PadChannels,
    PadMap,
    SplitSoftmax,
    Subsample,
    SumPositions,
    TakeChannels,
)
from resnet_gen.problems import several, shortened
from resnet_gen.stated import DESCRIBING


class Latency(NamedTuple):
    """Predicted milliseconds of one pass on a device, before and after."""

    device: str
    precision: str
    batch: int
    before: float
    after: float


@dataclass(frozen=True)
class Report:
    """Two networks, what differs, and how long each is predicted to take; its text (`str`) is what `diff` prints."""

    before: Side
    """The first network: what was given for it, and its graph."""
    after: Side
    """The second."""
    difference: Difference
    """Layers added, removed and changed, counts of both, names that differ."""
    latency: Latency | None = None
    """Predicted milliseconds of both, with a device."""
    folded: int = 0
    """How many more batch norms the first has behind convolutions than the second, fewer if negative; where it is not
    0, the difference is that of both with all of them folded."""
    biases: int = 0
    """Biases that are zero and were left out then."""
    terms: tuple[Term, ...] = ()
    """Keys that two specs state differently."""
    versions: bool = False
    """Whether both are one network at two times, so that what the second does not promise any more was loosened."""

    def __str__(self) -> str:
        """The comparison as `resnet-gen diff` prints it."""
        from resnet_gen.emit.difference.text import text  # which is about reports

        return text(self)

    def markdown(self) -> str:
        """The comparison as a comment of a pull request."""
        from resnet_gen.emit.difference.markdown import markdown

        return markdown(self)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as data; docs/diff.md describes every key."""
        from resnet_gen.emit.difference.data import data

        return data(self)

    @property
    def headline(self) -> str:
        """What changed, in one line."""
        from resnet_gen.emit.difference.summary import headline

        return headline(self)

    @property
    def same(self) -> bool:
        """Whether both are the same architecture, whatever their layers are called."""
        return self.difference.same

    @property
    def identical(self) -> bool:
        """Whether nothing differs that a build or a verdict depends on: titles may, and the names in files."""
        names = "onnx" not in (self.before.what, self.after.what) and self.difference.renamed
        return self.same and not names and all(term.path[0] in DESCRIBING for term in self.terms)

    @property
    def title(self) -> str:
        """Both by what was given for them."""
        return f"{self.before.given} -> {self.after.given}"

    @property
    def notes(self) -> list[str]:
        """What makes no other architecture but is worth a word, names aside, and what was not looked into."""
        return [*_folded(self), *_precision(self), *_unexplained(self)]


def _folded(report: Report) -> Iterator[str]:
    if report.folded:
        which = "second" if report.folded > 0 else "first"
        yield f"{several(abs(report.folded), 'batch norm')} folded in the {which}"
        if report.biases:
            yield f"{report.biases:,} of its biases left out, which are zero"


def _precision(report: Report) -> Iterator[str]:
    before, after = report.before.precision, report.after.precision
    if before != after:
        yield f"{before} -> {after}"


def _unexplained(report: Report) -> Iterator[str]:
    names = [*report.before.unexplained, *report.after.unexplained]
    if names:
        yield f"{several(len(names), 'node')} compared as ONNX has them ({listed(names)})"


class Figure(NamedTuple):
    """A count before and after."""

    name: str
    before: int
    after: int

    @property
    def difference(self) -> str:
        """The exact difference with its sign; nothing where there is none."""
        return signed(self.after - self.before)

    @property
    def both(self) -> str:
        """What was and what is, once where they are equal."""
        return f"{self.before:,} -> {self.after:,}" if self.before != self.after else f"{self.after:,}"

    @property
    def percent(self) -> str:
        """The same as a part of what was before; nothing where that says nothing."""
        return percent(self.before, self.after)


_NOUNS: dict[type[Op], str] = {
    **PLAIN,
    Conv: "convolution",
    Linear: "fully connected layer",
    ChannelConv: "convolution along channels",
    MaxPool: "max pool",
    AvgPool: "average pool",
    BlurPool: "blur",
    Subsample: "subsampling",
    Add: "sum",
    Mul: "product",
    Concat: "concatenation",
    TakeChannels: "channel slice",
    AsMap: "reshaping",
    ChannelMax: "channel maximum",
    ChannelMean: "channel mean",
    OneMinus: "complement",
    PadChannels: "channel padding",
    PadMap: "border padding",
    SplitSoftmax: "split softmax",
    SumPositions: "position sum",
}
"""What operations are called in a sentence, so that an s makes several of one."""

TITLES = {"params": "params", "macs": "MACs", "activations": "activations", "layers": "layers"}
"""The counts that are shown, as they are called."""


def figures(difference: Difference) -> list[Figure]:
    """The counts of both networks."""
    before, after = difference.counts
    return [Figure(title, getattr(before, name), getattr(after, name)) for name, title in TITLES.items()]


def signed(number: int) -> str:
    """`+1,024`, and nothing for 0."""
    return f"{number:+,}" if number else ""


def percent(before: float, after: float) -> str:
    """`+5.99 %`; what rounds to nothing is told as less than the last digit."""
    if before == after or not before:
        return ""
    change = 100 * (after - before) / before
    return f"{change:+,.2f} %" if abs(change) >= 0.005 else f"{'+' if change > 0 else '-'}<0.01 %"


def noun(op: Op) -> str:
    """What an operation is called in a sentence: `convolution`."""
    return _NOUNS.get(type(op), type(op).__name__.lower()) if not isinstance(op, Activation) else op.function


def value(given: Any) -> str:
    """A setting's value in words."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    return f"{given:,}" if isinstance(given, int) else "none" if given is None else str(given)


def changed(change: Change, setting: Setting) -> str:
    """A changed setting in words: `stride 2 -> 1`."""
    assert change.before
    assert change.after
    if setting.name == "operation":
        return f"{describe(change.before)} -> {describe(change.after)}"
    if setting.name == "operands":
        return OTHER_OPERANDS
    name = "" if setting.name == "function" else f"{setting.name.replace('_', ' ')} "
    return f"{name}{value(setting.before)} -> {value(setting.after)}"


OTHER_OPERANDS = "takes other operands"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names with commas; the first of many."""
    shown = [shortened(name, 80) for name in (names if len(names) <= most else names[: most - 1])]
    return ", ".join(shown) + (f" and {len(names) - len(shown):,} more" if len(shown) < len(names) else "")


def block_name(nodes: Sequence[Node]) -> str:
    """What a block is called: the steps that its layers' names have in common, or else where it stands."""
    steps = [node.name.split(".")[:-1] for node in nodes]
    common = [same[0] for same in takewhile(lambda each: len(set(each)) == 1, zip(*steps, strict=False))]
    return nodes[0].name if len(nodes) == 1 else ".".join(common) or nodes[0].block
