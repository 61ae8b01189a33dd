"""From a specification to what emitters take: lowered, with its weights, in the precision that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resnet_gen.build.request import Request
from resnet_gen.engine.tensorrt import Progress
from resnet_gen.graph import Graph
from resnet_gen.graph.counts import Counts, count
from resnet_gen.graph.serving import put_around
from resnet_gen.graph.surroundings import Surroundings
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.language.served_outputs import find_surroundings, with_served_maps
from resnet_gen.quantization.float_types import check_variances, set_precision
from resnet_gen.quantization.linear_as_conv import linear_as_conv
from resnet_gen.weights.base import Weights
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from resnet_gen.weights.standardization import standardize_weights

if TYPE_CHECKING:
    from resnet_gen.quantization.quantizer import QuantizedNetwork


class PreparedNetwork(NamedTuple):
    """A lowered specification with its weights, passes applied: what emitters take.

    `counts` are those of the specification, before any pass; `exact` is the graph in float32 but for what is in eight
    bits. `reference` is the float32 network as the specification has it, with its weights. `graph` is what is written;
    `inside` is the same without what is put around the network, as `around` says.
    """

    graph: Graph
    weights: Weights
    counts: Counts
    exact: Graph
    reference: tuple[Graph, Weights]
    quantized: QuantizedNetwork | None
    inside: Graph
    around: Surroundings | None


def serve_graph(loaded: Loaded, graph: Graph) -> Graph:
    """The graph that a specification is lowered to with what its file puts around it, before any pass."""
    wider, graph = _widen(loaded, graph)
    around = find_surroundings(wider, graph)
    return put_around(graph, around) if around else graph


def _widen(loaded: Loaded, graph: Graph) -> tuple[Loaded, Graph]:
    """A specification and its graph, which output the stages' maps too that are served."""
    wider = with_served_maps(loaded)
    return wider, graph if wider is loaded else lower(wider)


def prepare(
    loaded: Loaded, request: Request, progress: Progress | None = None, *, calibrated: bool = True
) -> PreparedNetwork:
    """Lower a specification, find its weights, and apply the passes that `request` asks for.

    Not `calibrated`, eight bits have scales of no meaning, and its images are looked at but not read.
    """
    graph = lower(loaded)
    counts = count(graph)
    loaded, graph = _widen(loaded, graph)
    around = find_surroundings(loaded, graph)
    graph, weights = standardize_weights(graph, _find_weights(loaded, graph, request))
    reference = graph, weights
    if request.fold or request.quantizing:  # a convolution in eight bits ends in its norm
        graph, weights = fold_batch_norm(graph, weights)
    eight = None
    if request.quantizing:
        # ONNX Runtime and pictures, which others do without.
        from resnet_gen.quantization.quantizer import preview_network, quantize_network

        pixels = around.input if around else None
        if calibrated:
            eight = quantize_network(graph, weights, loaded, request.quantizing, progress, pixels)
        else:
            eight = preview_network(graph, weights, loaded, request.quantizing)
        graph, weights = eight.graph, eight.weights
    if _needs_conv_for_linear(request):
        graph, weights = linear_as_conv(graph, weights)
    exact = graph
    graph = set_precision(exact, request.compute, typed_io=request.typed_io)
    if request.compute != "float32" and calibrated:
        check_variances(graph, weights, request.compute)
    whole = put_around(graph, around) if around else graph
    return PreparedNetwork(whole, weights, counts, exact, reference, eight, graph, around)


def _find_weights(loaded: Loaded, graph: Graph, request: Request) -> Weights:
    if request.weights is None:
        return SeededWeights(graph, request.seed)
    # The readers of all formats, which a seed does without.
    from resnet_gen.infer.checkpoints.spec_weights import weights_from

    return weights_from(request.weights, loaded, graph)


def _needs_conv_for_linear(request: Request) -> bool:
    """TensorRT-RTX has no float32 matrix product for compute capability 7.5."""
    return 75 in request.compute_capabilities and request.compute == "float32"
