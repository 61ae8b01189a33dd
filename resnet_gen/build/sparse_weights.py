"""Which layers' weights have the zeros that sparse kernels skip, where an engine is built to use such kernels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from resnet_gen.build.tuning_record import EngineTuning
from resnet_gen.weights.base import row_ranges
from resnet_gen.weights.pruning import explain_whole, has_pattern, list_layers

if TYPE_CHECKING:
    from resnet_gen.build.passes import PreparedNetwork
    from resnet_gen.ops import Shape
    from resnet_gen.weights.base import Weights


def describe_sparsity(network: PreparedNetwork, tuning: EngineTuning) -> dict[str, Any]:
    """What a manifest says of the weights where `sparsity` is on: layers with and without the pattern, and its share.

    Float types, folded norms and eight bits keep zeros, so that the float32 weights say it for every precision.
    """
    if not (tuning.settings and tuning.settings.sparsity):
        return {}
    graph, weights = network.reference
    layers = list_layers(graph)
    sizes = {name: math.prod(graph.used()[name].shape) for name in layers}
    fitting = [name for name, node in layers.items() if explain_whole(node) is None]
    sparse = [name for name in fitting if _is_sparse(weights, name, graph.used()[name].shape)]
    share = sum(sizes[name] for name in sparse) / max(1, sum(sizes.values()))
    dense = [layers[name].name for name in fitting if name not in sparse]
    return {"sparse_weights": {"layers": len(sparse), "dense": dense, "share": round(share, 4)}}


def _is_sparse(weights: Weights, name: str, shape: Shape) -> bool:
    return all(has_pattern(weights.rows(name, start, stop)) for start, stop in row_ranges(shape))
