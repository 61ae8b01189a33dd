"""Graphs and counts: lower a spec to its graph, count what it has, show it as the paper does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_gen.api.arguments import Network, check_one_of, resolve_network, resolve_or_recover, resolve_spec
from resnet_gen.graph import Graph
from resnet_gen.graph.counts import Counts
from resnet_gen.graph.counts import count as counted
from resnet_gen.language.lower import lower

if TYPE_CHECKING:
    from resnet_gen.graph.conventions import Figure
    from resnet_gen.ops.counters import ConventionName


def build_graph(spec: Network) -> Graph:
    """Lower a spec to its graph: every operation in execution order, with its shapes, weights and names.

    Of an ONNX file, the graph that it holds: its own layers, with norms folded where they are. Warns of a file from
    which no spec is recovered; nodes that are none of our operations are kept as they stand.

    Args:
        spec: A loaded spec, a name, or a path, of an ONNX file too.

    Returns:
        The graph. Shapes are those of one image, channels first: (C, H, W), in pixels; weights have the names and
        shapes of the state dict that the spec's naming scheme publishes.

    Raises:
        Refused: If the spec cannot be loaded, or its shapes do not fit, at the line that makes it impossible.

    Example:
        >>> from resnet_gen import build_graph
        >>> graph = build_graph("resnet50")
        >>> graph.input.shape, graph.outputs[0].shape, len(graph.nodes)
        ((3, 224, 224), (1000,), 175)
        >>> graph.nodes[0].name, graph.nodes[0].shape
        ('conv1', (64, 112, 112))
        >>> graph.state()["layer1.0.conv2.weight"].shape
        (64, 64, 3, 3)
    """
    return resolve_network(spec).graph


def count(network: Graph | Network) -> Counts:
    """Count parameters, multiply-accumulates, layers and activations, exactly (docs/counting.md).

    Args:
        network: A graph, a loaded spec, a name, or a path, of an ONNX file too, whose own layers are counted: norms
            that are folded there count nothing. Warns as `build_graph` does.

    Returns:
        The counts for one image. One MAC is one multiplication and one addition; biases, norms, pooling and
        elementwise work count none; `flops` are 2 x MACs.

    Raises:
        Refused: If the spec cannot be loaded or lowered.

    Source:
        Depth as in He et al. 2015, Table 1; activations as in Radosavovic et al. 2020, Sec. 3.

    Example:
        >>> from resnet_gen import count
        >>> counts = count("resnet50")
        >>> f"{counts.params:,} parameters, {counts.macs:,} MACs, {counts.layers} layers"
        '25,557,032 parameters, 4,089,184,256 MACs, 50 layers'
    """
    return counted(network if isinstance(network, Graph) else resolve_network(network).graph)


def count_as(spec: Network, convention: ConventionName) -> Figure:
    """What another counter prints for a network, and where the difference from our MACs comes from.

    Args:
        spec: A loaded spec, a name, or a path, of an ONNX file too: counted is the spec that is recovered from it.
        convention: The counter, or `paper` for what the network's paper counts (docs/counting.md).

    Returns:
        The figure for one image, its difference from our MACs, and that by kinds of operations and rules.

    Raises:
        Refused: If the spec cannot be loaded or lowered, or no claim of it says what its paper counts.

    Example:
        >>> from resnet_gen import count_as
        >>> figure = count_as("resnet50", "fvcore")
        >>> figure.value, figure.difference
        (4111512576, 22328320)
        >>> for part in figure.parts:
        ...     print(f"{part.difference:+,} {part.kind}: {part.rule}")
        +22,227,968 batch norm: 2 for each element that comes in
        +100,352 global average pooling: 1 for each element that comes in
    """
    from resnet_gen.graph.conventions import count_by_convention
    from resnet_gen.graph.torch_modules import find_library
    from resnet_gen.language.paper_counts import convention_of
    from resnet_gen.ops.counters import CONVENTION_NAMES

    check_one_of("convention", convention, CONVENTION_NAMES)
    one = resolve_or_recover(spec, "count_as")
    return count_by_convention(
        lower(one), find_library(one.spec.naming.kind, one.spec.reference), convention_of(convention, one)[0]
    )


def show(spec: Network, *, layers: bool = False) -> str:
    """The network as the paper's table: stage, output size, blocks, parameters and MACs.

    Args:
        spec: A loaded spec, a name, or a path, of an ONNX file too: its own layers, in the stages of the spec that is
            recovered from it; without one, a line an operation. Warns as `build_graph` does.
        layers: One line an operation instead of one a stage.

    Returns:
        The table as text.

    Raises:
        Refused: If the spec cannot be loaded or lowered.

    Source:
        He et al. 2015, Table 1.

    Example:
        >>> from resnet_gen import show
        >>> print(show("cifar-resnet20"))
        stage    output        blocks                         params        MACs
        stem     16 x 32 x 32  3x3, 16                           464     442,368
        stage 1  16 x 32 x 32  [3x3, 16; 3x3, 16] x 3         14,016  14,155,776
        stage 2  32 x 16 x 16  [3x3, 32; 3x3, 32] x 3         51,072  12,976,128
        stage 3  64 x 8 x 8    [3x3, 64; 3x3, 64] x 3        203,520  12,976,128
        head     10            global average pool; 10-d fc      650         640
        total                  20 layers                     269,722  40,551,040
    """
    from resnet_gen.graph import tables

    source = resolve_network(spec)
    staged = None if layers else source.staged
    return (tables.stage_table(staged) if staged else tables.layer_table(source.graph)).removesuffix("\n")


def report(spec: Network) -> dict[str, str]:
    """The committed texts of a network, as `resnet-gen build --target report` writes them.

    Args:
        spec: A loaded spec, a name, or a path.

    Returns:
        Texts by the names of their files: the page, the counts, one line an operation.

    Raises:
        Refused: If the spec cannot be loaded or lowered.

    Example:
        >>> from resnet_gen import report
        >>> list(report("cifar-resnet20"))
        ['README.md', 'counts.json', 'layers.txt']
    """
    from resnet_gen.generate.report import report_files

    return report_files(resolve_spec(spec))
