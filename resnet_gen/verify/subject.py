"""What is verified, and what rules share in looking at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from resnet_gen.graph import Graph
from resnet_gen.graph.counts import Counts, count
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower, with_input_size
from resnet_gen.ops.precision import Float
from resnet_gen.problems import Loc, Span, refuse
from resnet_gen.weights import references
from resnet_gen.weights.downloads.names import WeightsSource

if TYPE_CHECKING:
    from resnet_gen.engine.evaluation.evaluation import Evaluation

MOST_WORK = 150_000
"""Operations that are looked at, each in some microseconds, for figures that a network is not counted for anyway."""
LOWERING, PREDICTING, WRITING = 2, 1, 6
"""What the counts at another size, a latency and a file's size take of it, for each operation."""


class WorkBudget:
    """What is still worked out for a network: a few lines ask for any number of figures, of one of any depth."""

    def __init__(self, graph: Graph) -> None:
        self._operations, self._left = len(graph.nodes), MOST_WORK

    def spend(self, each: int, where: Span | None) -> None:
        """Take what one figure needs; raises `Refused` at the line that asks for it when there is not so much left."""
        self._left -= each * self._operations
        if self._left < 0:
            message = f"more figures than are worked out for a network of {self._operations:,} operations"
            raise refuse(message, where, "claims at fewer sizes, or fewer budgets, can be verified")


class AccuracyEvaluation(NamedTuple):
    """That budgets of accuracy are held, which takes a run; with these weights where a budget names none."""

    weights: WeightsSource | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """What is verified: a specification, its graph, and the graph's counts; equal to itself alone.

    Without an `evaluation`, accuracy is not looked at.
    """

    loaded: Loaded
    graph: Graph
    counts: Counts
    evaluation: AccuracyEvaluation | None = None

    @cached_property
    def published(self) -> references.Reference | None:
        """The reference that the spec names; raises `Refused` if there is none of that name."""
        loc: Loc = ("reference",)
        name = self.loaded.spec.reference
        return None if name is None else references.read(name, self.loaded.source.span(loc))

    @cached_property
    def work(self) -> WorkBudget:
        """What may still be worked out for it."""
        return WorkBudget(self.graph)

    def onnx_size(self, precision: Float, where: Span | None) -> int:
        """Bytes of the ONNX model, worked out once for each precision."""
        from resnet_gen.build.build import onnx_size  # which needs NumPy, for weights that it need not draw

        if precision not in self._onnx_sizes:
            self.work.spend(WRITING, where)
            self._onnx_sizes[precision] = onnx_size(self.loaded, precision)
        return self._onnx_sizes[precision]

    @cached_property
    def evaluations(self) -> dict[object, Evaluation]:
        """What was evaluated for budgets of accuracy, by budget."""
        return {}

    @cached_property
    def _onnx_sizes(self) -> dict[Float, int]:
        return {}


def counts_at(loaded: Loaded, counts: Counts, size: int) -> Counts:
    """The counts for an image of `size` pixels; those given are for the spec's own."""
    if loaded.spec.input.size == (size, size):
        return counts
    return count(lower(with_input_size(loaded, (size, size))))


def counts_by_size(loaded: Loaded, counts: Counts, work: WorkBudget) -> dict[int | None, Counts]:
    """The counts at every input size that a claim is for; those given are for the spec's own, which is None."""
    found: dict[int | None, Counts] = {None: counts}
    for index, claim in enumerate(loaded.spec.claims):
        if claim.size is not None and claim.size not in found:
            work.spend(LOWERING, loaded.source.span(("claims", index, "size")))
            found[claim.size] = counts_at(loaded, counts, claim.size)
    return found
