"""A specification's weights out of a file, and what is said where the file is of another network."""

from __future__ import annotations

import math
import warnings

from resnet_gen.graph import Graph, Node
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower, without_outputs
from resnet_gen.ops import BatchNorm
from resnet_gen.problems import several
from resnet_gen.weights import checkpoint
from resnet_gen.weights.published.location import locate_weights
from resnet_gen.weights.published.names import WeightsSource


def weights_from(source: WeightsSource, loaded: Loaded, graph: Graph) -> checkpoint.CheckpointWeights:
    """The weights of `graph`, which `loaded` is lowered to, in a file that has them by name, or in published ones.

    A file for a whole network fits its backbone. Raises `Refused` for tensors that do not fit: the first ten, how
    many there are, and of which network or naming scheme they are, if that is known.
    """
    from resnet_gen.infer.conversion.source import suggest_conversion

    path = locate_weights(source, loaded).path
    body = None if loaded.spec.head.kind != "none" else lower(without_outputs(loaded))
    found = checkpoint.match_state_dict(
        graph, checkpoint.read(path), path, body=body, hint=lambda shapes: suggest_conversion(loaded, shapes)
    )
    if norms := [node.name for node in graph.nodes if isinstance(node.op, BatchNorm) and _has_no_root(node, found)]:
        what = f"{several(len(norms), 'norm')} with variances below zero, which have no root"
        warnings.warn(f"{path}: {what}: {checkpoint.first_names(norms)}", stacklevel=2)
    return found


def _has_no_root(norm: Node, weights: checkpoint.CheckpointWeights) -> bool:
    assert isinstance(norm.op, BatchNorm)
    variances = weights.rows(norm.weight_name("running_var"), 0, norm.shape[0])
    return bool(((variances <= -norm.op.eps) & (variances > -math.inf)).any())
