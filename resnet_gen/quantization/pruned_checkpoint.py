"""A checkpoint with two of every four weights zero, written under the spec's own names, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resnet_gen.graph import Graph
from resnet_gen.infer.checkpoints.spec_weights import weights_from
from resnet_gen.infer.conversion.files import plan_conversion
from resnet_gen.infer.conversion.plan import TensorRow
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.ops import Conv
from resnet_gen.problems import refuse, shorten, suggest
from resnet_gen.quantization.calibration.images import RANDOM, open_images
from resnet_gen.quantization.precision_error import MOST_IMAGES, PrecisionComparison, compare
from resnet_gen.system.write import Transaction
from resnet_gen.weights.formats.writing import FORMATS, TensorData
from resnet_gen.weights.pruning import PrunedTensor, explain_whole, list_layers, measure_pruning, prune, prune_weights


@dataclass(frozen=True)
class Pruning:
    """What was pruned, what was not and why, and how far the outputs are from those of the network as it was."""

    network: str
    """The network's name."""
    tensors: tuple[PrunedTensor, ...]
    """Each tensor that was pruned."""
    whole: dict[str, str]
    """The layers' weights that were not, each with the reason."""
    comparison: PrecisionComparison | None
    """Signal to noise of the outputs, in dB, and how often the best class stayed; None where nothing is finite."""
    drawn: bool
    """Whether it was measured on noise, which says little of accuracy."""

    @property
    def share(self) -> float:
        """The part of the pruned tensors' weights that is zero."""
        size = sum(tensor.size for tensor in self.tensors)
        return sum(tensor.zeros for tensor in self.tensors) / size if size else 0.0


def prune_checkpoint(
    loaded: Loaded, path: Path, out: Path, images: str | None = None, keep: Sequence[str] = ()
) -> Pruning:
    """Write the checkpoint `path` of a network as `out`, two of every four weights zero; what that costs.

    Everything else is copied bit for bit. `keep` are names or globs of layers that stay whole. Raises `Refused` for a
    checkpoint of another network, for layers that are not there, and where nothing can be pruned.
    """
    graph = lower(loaded)
    whole = _find_whole_layers(graph, keep)
    names = set(list_layers(graph)) - set(whole)
    if not names:
        raise refuse(f"{loaded.spec.name}: no layer can be pruned: {next(iter(whole.values()), 'it has none')}")
    conversion = plan_conversion(loaded, path, out)
    found: list[PrunedTensor] = []
    tensors = {row.new: _prune_row(row, names, found) for row in conversion.rows if row.new and row.tensor}
    comparison = _compare(loaded, path, graph, names, images)
    with Transaction(out.parent) as transaction:
        transaction.write(out.name, FORMATS[out.suffix](tensors))
    order = {name: index for index, name in enumerate(list_layers(graph))}
    kept = tuple(sorted({t.name: t for t in found}.values(), key=lambda tensor: order[tensor.name]))
    return Pruning(loaded.spec.name, kept, whole, comparison, images is None)


def _find_whole_layers(graph: Graph, keep: Sequence[str]) -> dict[str, str]:
    """The weights that are not pruned, each with the reason; raises `Refused` for names of no layer."""
    layers = list_layers(graph)
    standardized = [n.name for n in layers.values() if isinstance(n.op, Conv) and n.op.standardize is not None]
    if standardized:
        raise refuse(
            f"'{standardized[0]}' standardizes its weights: no zero stays one", hint="prune what computes with them"
        )
    known = [node.name for node in layers.values()]
    for pattern in keep:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise refuse(f"--keep: there is no layer '{shorten(pattern)}'", hint=suggest(pattern, known))
    reasons = {}
    for weight, node in layers.items():
        if any(fnmatchcase(node.name, pattern) for pattern in keep):
            reasons[weight] = "kept"
        elif reason := explain_whole(node):
            reasons[weight] = reason
    return reasons


def _prune_row(row: TensorRow, names: set[str], found: list[PrunedTensor]) -> TensorData:
    tensor = row.tensor
    assert tensor is not None
    if row.new not in names:
        return tensor

    def chunks() -> Iterator[bytes]:
        data = b"".join(tensor.chunks())
        before: npt.NDArray[np.generic] = np.frombuffer(data, tensor.dtype).reshape(tensor.shape)
        after = prune(before)
        found.append(measure_pruning(str(row.new), before, after))
        yield after.tobytes()

    return TensorData(tensor.shape, tensor.dtype, chunks)


def _compare(
    loaded: Loaded, path: Path, graph: Graph, names: set[str], images: str | None
) -> PrecisionComparison | None:
    weights = weights_from(path, loaded, graph)
    given = open_images(images or RANDOM, loaded.spec.input, MOST_IMAGES)
    return compare((graph, weights), (graph, prune_weights(weights, names)), graph, "float32", given)
