"""Published networks: the names and shapes of their parameters, and their counts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from resnet_gen.ops import Shape
from resnet_gen.ops.base import format_shape
from resnet_gen.problems import Problem
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.subject import Subject, counts_at


class ReferenceState(Rule):
    """Parameter names and shapes equal the reference's, in order.

    A spec that names a `reference`, such as `torchvision/resnet50`, must have the state dict of that published
    network: the same tensors of the same shapes under the same names, in the same order. A checkpoint of theirs
    then loads as it is. The finding shows the first tensor that differs, and how many do.

    Source: state dicts of torchvision and timm, recorded in `specs/references/`. This spec breaks it:

        name: mine
        extends: resnet50
        reference: torchvision/resnet50
        head: {kind: linear, classes: 10}

    To mend it, give the network the reference's layers (`resnet-gen show SPEC --layers` lists them) and its
    `naming`; or leave `reference` away where the network is another one on purpose.
    """

    id = "reference-state"

    def covers(self, subject: Subject) -> str:
        name = subject.loaded.spec.reference
        return f"names and shapes of {name}" if name else ""

    def check(self, subject: Subject) -> Iterator[Problem]:
        if subject.published is None:
            return
        tensors = subject.graph.state()
        state = {name: tensor.shape for name, tensor in tensors.items()}
        if fault := _find_difference(state, subject.published.state):
            yield self.finding(subject, ("reference",), fault)


def _find_difference(ours: dict[str, Shape], theirs: dict[str, Shape]) -> str | None:
    """The first place where two state dicts differ, and how many do; None if they are equal."""
    places = enumerate(zip_longest(ours.items(), theirs.items()))
    faults = [(index, a, b) for index, (a, b) in places if a != b]
    if not faults:
        return None
    index, a, b = faults[0]
    here, there = _describe_entry(a), _describe_entry(b)
    return f"tensor {index} is {there} in the reference, {here} here; {len(faults)} of {len(theirs)} differ"


def _describe_entry(item: tuple[str, Shape] | None) -> str:
    return f"'{item[0]}' {format_shape(item[1])}" if item else "nothing"


class ReferenceCount(Rule):
    """Parameters and MACs equal those counted on the reference.

    The parameters of a spec that names a `reference`, and its multiply-accumulates at the input size for which the
    reference was counted, must equal the reference's to the unit. A stride or a dilation in another place changes
    no name and no shape of a parameter, so that only the MACs differ.

    Source: counts of the published networks as torchvision and timm run them, recorded in `specs/references/`.
    This spec breaks it, as its strides stand where the paper has them and torchvision has not:

        name: mine
        extends: resnet50
        reference: torchvision/resnet50
        stages: {block: {stride_on: conv1}}

    To mend it, compare strides, dilations and poolings (`resnet-gen show SPEC --layers`); or leave `reference` away
    where the network is another one on purpose.
    """

    id = "reference-count"

    def check(self, subject: Subject) -> Iterator[Problem]:
        published = subject.published
        if published is None:
            return
        counts = counts_at(subject.loaded, subject.counts, published.input)
        for what in ("params", "macs"):
            theirs, ours = getattr(published, what), getattr(counts, what)
            if theirs != ours:
                message = f"{what}: {published.name} has {theirs:,} at {published.input} pixels, the graph {ours:,}"
                yield self.finding(subject, ("reference",), message)
