"""A file compared with a spec: `verify --against`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeAlias

from resnet_gen.problems import Loc, Problem, several
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.subject import Subject

MOST_REPORTED = 3
"""What is wrong with a file that is reported one by one."""


class FileFindings(NamedTuple):
    """What came of comparing a file with a subject: in a few words, and how it is another network.

    `file` names the file, `words` say what of its layers is the spec's, `weighed` the same of its weights,
    `ranged` of what its activations reach. `left` is what nobody asked to be compared, or what could not be; `behind`
    what was not because of what was found.
    """

    file: str
    words: str = ""
    weighed: str = ""
    ranged: str = ""
    left: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    engine: tuple[str, ...] = ()
    surroundings: tuple[tuple[Loc, str], ...] = ()


def list_first_faults(path: Path, faults: Sequence[str], what: str) -> tuple[str, ...]:
    """The first things that are wrong with a file, and how many more of `what` there are."""
    rest = len(faults) - MOST_REPORTED
    return (*faults[:MOST_REPORTED], *([f"{path}: and {several(rest, f'more {what}')}"] if rest > 0 else ()))


CompareFile: TypeAlias = Callable[[Subject], FileFindings]
"""Compares a file, which was read already, with a subject."""
DescribeComparison: TypeAlias = Callable[[FileFindings], str]
"""Says in a line what a file was compared with."""


class Against(Rule):
    """A rule that needs the file; `what` is what nobody has compared where it is ignored.

    `field` of the findings about a file has the rule's own, those of the line of the spec's name. One of a file's rules
    reports the file.
    """

    what: ClassVar[tuple[str, ...]]
    field: ClassVar[str]

    def __init__(self, hold: CompareFile, tell: DescribeComparison | None = None) -> None:
        self._hold, self._tell = hold, tell

    def covers(self, subject: Subject) -> str:
        return self._tell(self._hold(subject)) if self._tell else ""

    def check(self, subject: Subject) -> Iterator[Problem]:
        for message in getattr(self._hold(subject), self.field):
            yield self.finding(subject, ("name",), message)


class AgainstLayer(Against):
    """The file has the spec's layers, and no others.

    `verify SPEC --against FILE.onnx` reads the file, whoever wrote it, and pairs each of its operations with the one
    of the spec that computes the same from the same inputs; names and order do not matter, and batch norms may be
    folded. An activation that is spelled out in operators is known by its form, which no other function has. What
    cannot be paired is a difference: the first ones are named, and the counts of both sides. An operation that no
    spec has is one too, and so is what makes a file no valid ONNX. docs/against.md has more.

    Source: ours. With a file that was built from `resnet50`, this spec breaks it, as its strides stand elsewhere:

        name: mine
        extends: resnet50
        stages: {block: {stride_on: conv1}}

    To mend it, build or export the file again, or change the spec to what the file holds.
    """

    id = "against-layer"
    what = ("layers", "whether it is valid ONNX")
    field = "layers"


class AgainstShape(Against):
    """The file takes an image of the spec's size, and outputs as many values of the same shapes.

    `verify SPEC --against FILE.onnx` compares the input and the outputs, in order; their names and the size of the
    batch are left out; a fixed one is said. Where only the image has another size, the layers are compared at that
    of the file.

    Source: ours. With a file that was built from `resnet50`, this spec breaks it:

        name: mine
        extends: resnet50
        input: {size: 256}

    To mend it, build or export the file for the spec's input, or compare it with the spec with `--set input.size=`
    as the file has it.
    """

    id = "against-shape"
    what = ("shapes",)
    field = "shapes"


class AgainstSurroundings(Against):
    """What the file has around the network is what the spec says of pictures.

    A file may hold more than the network: steps from pixels to what the network takes, and from its outputs to
    probabilities or the best classes. `verify SPEC --against FILE.onnx` compares the network inside, says what stands
    around it, and holds a normalization in the file's graph to the spec's `input.mean` and `input.std`, and a crop to
    `input.crop`. A file that leaves these to whoever runs it breaks nothing, unless the spec has `serve`: then the
    file takes just these pixels, and outputs just these things in this order; names are left out.

    Source: ours. With a file that normalizes pixels as `cifar-resnet20` states it, this spec breaks it:

        name: mine
        extends: cifar-resnet20
        input: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}

    To mend it, wrap or export the file again with the spec's numbers, or change the spec to what the file holds.
    """

    id = "against-surroundings"
    what = ("what is around the network",)

    def check(self, subject: Subject) -> Iterator[Problem]:
        for loc, message in self._hold(subject).surroundings:
            yield self.finding(subject, loc, message)


class AgainstWeight(Against):
    """The file's weights are those of the checkpoint that is named.

    `verify SPEC --against FILE.onnx --weights W` computes what building the spec with W would write, norms folded
    where the file has them folded, and compares each number. What rounding explains is no finding: 1e-5 of the number
    in float32, half a step of its type in float16, bfloat16 and FP8, and in INT8 half a step of its scale. Biases of
    layers in eight bits may be off by what calibration corrects them by, which docs/against.md has. An infinity, or
    what is no number, is always one.

    Source: ours. With a file that was built from `resnet8-digits` with its weights and `--fold-bn`, and these
    weights, this spec breaks it, as it adds another number to the variance that each norm divides by:

        name: mine
        extends: resnet8-digits
        norm: {kind: batch, eps: 0.1}

    To mend it, build the file again with these weights, or name those that it was built with.
    """

    id = "against-weight"
    what = ("weights",)
    field = "weights"


class AgainstEngine(Against):
    """The engine was built from this spec, as far as its manifest says.

    An engine opens on its GPU alone, and what TensorRT made of the layers is not to be compared with a spec. `verify
    SPEC --against FILE.engine` therefore looks at the manifest beside it: it must name the engine, hold its hash, and
    the hash of this spec; with `--weights`, that of the weights. The ONNX file that it was built from is compared
    layer by layer where it lies there with the hash that the manifest states.

    Source: ours. With an engine that was built from `cifar-resnet20`, this spec breaks it:

        name: mine
        extends: cifar-resnet20
        head: {kind: linear, classes: 100}

    To mend it, build the engine again from this spec.
    """

    id = "against-engine"
    what = ("the manifest",)
    field = "engine"
