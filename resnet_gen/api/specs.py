"""Specs: load one, lower it to a graph, count; recover one from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_gen.api.given import AnyPath, Network, Settings, loaded, name_of, setting_texts
from resnet_gen.count import Counts
from resnet_gen.count import count as counted
from resnet_gen.graph import Graph
from resnet_gen.load import Loaded, load, load_text
from resnet_gen.lower import lower
from resnet_gen.problems import Document, Problem, Refused, refuse
from resnet_gen.resources import shipped_specs
from resnet_gen.source import read_text

if TYPE_CHECKING:
    from resnet_gen.infer.imported import Imported


def list_specs() -> tuple[str, ...]:
    """The names of the shipped specs, by family and then by size.

    Returns:
        Names that every function here takes for a network.

    Example:
        >>> from resnet_gen import list_specs
        >>> "resnet50" in list_specs()
        True
    """
    return tuple(shipped_specs())


def load_spec(source: Network | Mapping[str, Any], settings: Settings = ()) -> Loaded:
    """Load and check a spec: a shipped one by its name, a YAML file by its path, or a mapping of the same keys.

    Files that a mapping names, under `extends` or `parts`, lie in the working folder.

    Args:
        source: A name, as `list_specs` has them; a path; a mapping; or a loaded spec, which is returned as it is.
        settings: Keys to change, by their path, as with `--set`: `{"head.classes": 10}`. Lists are replaced whole.

    Returns:
        The checked spec, every default and parent filled in, with the position of each value.

    Raises:
        Refused: For whatever is wrong with it, each fault at its file, line and column.

    Example:
        >>> from resnet_gen import load_spec
        >>> loaded = load_spec("resnet50", {"input.size": 320, "head.classes": 10})
        >>> loaded.spec.name, loaded.spec.input.shape
        ('resnet50', (3, 320, 320))
        >>> load_spec({"name": "mine", "extends": "resnet18"}).spec.stages.depths
        (2, 2, 2, 2)
        >>> load_spec("resnet5")
        Traceback (most recent call last):
        ...
        resnet_gen.problems.Refused: error: there is no spec 'resnet5'
        hint: did you mean 'resnet50'?
    """
    if isinstance(source, Loaded):
        if settings:
            raise refuse("settings: the spec is loaded already", hint="load it again by its name or path")
        return source
    if isinstance(source, Mapping):
        from resnet_gen.api.given import as_yaml

        return load_text(read_text(Document("<mapping>", as_yaml(source))), setting_texts(settings))
    return load(name_of(source), setting_texts(settings))


def parse_spec(text: str, settings: Settings = ()) -> Loaded:
    """Load and check a spec that is at hand as YAML text.

    Files that it names, under `extends` or `parts`, lie in the working folder; messages call the text `<text>`.

    Args:
        text: One YAML mapping, as a file would hold it (docs/language.md).
        settings: Keys to change, as for `load_spec`.

    Returns:
        The checked spec.

    Raises:
        Refused: For whatever is wrong with it, each fault at its line and column.

    Example:
        >>> from resnet_gen import Refused, parse_spec
        >>> parse_spec("name: mine\\nextends: resnet18\\nhead: {classes: 10}").spec.head.kind
        'linear'
        >>> try:
        ...     parse_spec("name: mine\\nextends: resnet18\\nnorm: bach")
        ... except Refused as refused:
        ...     print(refused)
        <text>:3:7: error: norm: there is no 'bach' here
           3 | norm: bach
                     ^^^^
        hint: did you mean 'batch'? known: batch, group, layer, none
    """
    if not isinstance(text, str):
        raise refuse("parse_spec: not a text", hint="load_spec takes names, paths and mappings")
    return load_text(read_text(Document("<text>", text)), setting_texts(settings))


def new_spec(name: str) -> str:
    """A commented spec to start from, as `resnet-gen init` writes it.

    Args:
        name: What the network is called: letters, digits, '-' and '_', at most 64.

    Returns:
        The YAML text.

    Raises:
        Refused: If the name is none.

    Example:
        >>> from resnet_gen import new_spec, parse_spec
        >>> parse_spec(new_spec("mine")).spec.name
        'mine'
    """
    from resnet_gen.starter import starter

    return starter(name)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of spec files, for editors and for checks elsewhere.

    Returns:
        The schema as plain data.

    Example:
        >>> from resnet_gen import json_schema
        >>> json_schema()["required"]
        ['name']
    """
    from resnet_gen.schema import json_schema as schema

    return schema()


def build_graph(spec: Network) -> Graph:
    """Lower a spec to its graph: every operation in execution order, with its shapes, weights and names.

    Args:
        spec: A loaded spec, a name, or a path.

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
    return lower(loaded(spec))


def count(network: Graph | Network) -> Counts:
    """Count parameters, multiply-accumulates, layers and activations, exactly (docs/counting.md).

    Args:
        network: A graph, a loaded spec, a name, or a path.

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
    return counted(network if isinstance(network, Graph) else build_graph(network))


def show(spec: Network, *, layers: bool = False) -> str:
    """The network as the paper's table: stage, output size, blocks, parameters and MACs.

    Args:
        spec: A loaded spec, a name, or a path.
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
    from resnet_gen.emit import text

    graph = build_graph(spec)
    return (text.layer_table(graph) if layers else text.stage_table(graph)).removesuffix("\n")


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
    from resnet_gen.emit.report import report_files

    return report_files(loaded(spec))


def import_file(
    path: AnyPath, *, name: str | None = None, extends: str | None = None, plain_biases: bool = False
) -> Imported:
    """Recover a spec from an ONNX file of another tool, or from the names and shapes of a checkpoint (docs/import.md).

    The spec of an ONNX file is proved: it is built to the very same operations.

    Args:
        path: An ONNX file, or a checkpoint: safetensors, `.npz`, or a PyTorch file, which is read without running code.
        name: What the network is called; the file's name without it.
        extends: Write the spec of an ONNX file as changes to this shipped one.
        plain_biases: Take biases for biases, never for batch norms that were folded.

    Returns:
        The spec: `text` as YAML, `loaded`, and `account`, lines about the proof and what the spec does not carry.

    Raises:
        Refused: For a file that cannot be read, or that no spec makes, with the first node that none explains.

    Example:
        >>> from resnet_gen import emit_onnx, import_file
        >>> print(import_file(emit_onnx("cifar-resnet20", "small.onnx")).text)
        # Recovered from small.onnx. Computes what the shipped 'cifar-resnet20' does.
        name: small
        input: {channels: 3, size: 32}
        ...
    """
    from resnet_gen.infer.imported import recovered

    found = recovered(Path(path), name, parent=extends, norms=not plain_biases)
    if isinstance(found, Problem):
        raise Refused(found)
    return found
