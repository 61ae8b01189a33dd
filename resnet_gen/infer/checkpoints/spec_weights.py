"""A specification's weights out of a file, and what is said where the file is of another network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from resnet_gen.graph import Graph, Node
from resnet_gen.infer.checkpoints.state_names import (
    StateNames,
    derive_all,
    explain_rivals,
    find_layouts,
    list_head_layers,
    with_hint,
)
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower, without_outputs
from resnet_gen.ops import BatchNorm, Shape
from resnet_gen.problems import Refused, several
from resnet_gen.weights import checkpoint
from resnet_gen.weights.checkpoint import FileTensor
from resnet_gen.weights.downloads.location import locate_weights
from resnet_gen.weights.downloads.names import WeightsSource


def weights_from(source: WeightsSource, loaded: Loaded, graph: Graph) -> checkpoint.CheckpointWeights:
    """The weights of `graph`, which `loaded` is lowered to, in a file that has them by name, or in published ones.

    A file for a whole network fits its backbone. Raises `Refused` for tensors that do not fit: the first ten, how
    many there are, and of which network or naming scheme they are, if that is known.
    """
    from resnet_gen.infer.conversion.source import suggest_conversion

    path = locate_weights(source, loaded).path
    body = None if loaded.spec.head.kind != "none" else lower(without_outputs(loaded))
    found = _match_names(graph, checkpoint.read(path), path, body, lambda shapes: suggest_conversion(loaded, shapes))
    if norms := [node.name for node in graph.nodes if isinstance(node.op, BatchNorm) and _has_no_root(node, found)]:
        what = f"{several(len(norms), 'norm')} with variances below zero, which have no root"
        warnings.warn(f"{path}: {what}: {checkpoint.first_names(norms)}", stacklevel=2)
    return found


def _match_names(
    graph: Graph,
    tensors: Mapping[str, FileTensor],
    path: Path,
    body: Graph | None,
    hint: Callable[[Mapping[str, Shape]], str | None],
) -> checkpoint.CheckpointWeights:
    """The weights by their names or, where wrappers have changed those, by what they were; then that is said."""
    with suppress(Refused):
        return checkpoint.match_state_dict(graph, tensors, path, body=body)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    names = _derive_best(graph, shapes)
    if names is None:
        try:
            return checkpoint.match_state_dict(graph, tensors, path, body=body, hint=hint)
        except Refused as refused:
            raise with_hint(refused, explain_rivals(shapes, graph.state())) from None
    said = "; ".join(names.describe())
    found = checkpoint.match_state_dict(
        graph, names.rename(tensors), path, body=body, hint=lambda renamed: hint(renamed) or f"after this: {said}"
    )
    warnings.warn(f"{path}: names are the network's, but: {said}", stacklevel=3)
    return found


def _derive_best(graph: Graph, shapes: Mapping[str, Shape]) -> StateNames | None:
    """The names of most tensors behind wrappers; None where no more fit than by the names as they are."""
    wanted = {name: tensor.shape for name, tensor in graph.state().items()}

    def fitting(found: Mapping[str, Shape]) -> int:
        return sum(found.get(name) == shape for name, shape in wanted.items())

    layouts = find_layouts(wanted, list_head_layers(graph))
    derived = [names for layout in layouts for names in derive_all(shapes, layout)]
    best = max(derived, key=lambda names: (fitting(names.rename(shapes)), -len(names.names)), default=None)
    return best if best and fitting(best.rename(shapes)) > fitting(shapes) else None


def _has_no_root(norm: Node, weights: checkpoint.CheckpointWeights) -> bool:
    assert isinstance(norm.op, BatchNorm)
    variances = weights.rows(norm.weight_name("running_var"), 0, norm.shape[0])
    return bool(((variances <= -norm.op.eps) & (variances > -math.inf)).any())
