"""What torch.onnx.export writes for networks of torchvision and timm is read as the spec of the same reference.

The files have no weights (tests/fixtures/make_exports.py): names and dimensions are all that is needed.
"""

import tarfile
from functools import lru_cache

import pytest

from resnet_gen.graph.counts import count
from resnet_gen.graph.matching import match
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.reading import NotExplained, Opaque, read
from resnet_gen.ops import BatchNorm
from resnet_gen.system.resources import shipped_specs
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from resnet_gen.weights.standardization import standardize_weights
from tests.fixtures.make_exports import ARCHIVE, OUTSIDE, exports
from tests.helpers.shipped import published
from tests.helpers.varied import VARIED

FAMILY = [export for export in exports() if export.network.partition("/")[2] not in OUTSIDE]
PLAIN = ("legacy", "dynamo")


def chosen(export):
    """An export as a case; what another stands for is left to `make test-all`."""
    stands = export.network.partition("/")[2] in VARIED or export.exporter not in PLAIN
    return pytest.param(export, id=export.file, marks=() if stands else pytest.mark.long)


EVERY = [chosen(export) for export in FAMILY]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All files of the archive."""
    where = tmp_path_factory.mktemp("exports")
    with tarfile.open(ARCHIVE) as archive:
        for entry in archive:
            (where / entry.name).write_bytes(archive.extractfile(entry).read())
    return where


@lru_cache(maxsize=1)
def specs():
    """The shipped spec of each reference; of a network that is none's, that of the same name."""
    named = {f"{library}/{name}": name for name in shipped_specs() for library in ("torchvision", "timm")}
    return named | published()


@lru_cache(maxsize=2)
def wanted(network):
    """The spec's graph for an image of 224 pixels, with norms kept and folded."""
    graph = lower(load(specs()[network], ["input.size=224"]))
    kept, weights = standardize_weights(graph, SeededWeights(graph))
    return kept, fold_batch_norm(kept, weights)[0]


def weighted(graph):
    """The names of what has weights, in order."""
    return [node.name for node in graph.nodes if node.tensors]


def test_the_archive_holds_every_export_and_is_small(folder):
    assert {path.name for path in folder.iterdir()} == {export.file for export in exports()}
    assert ARCHIVE.stat().st_size < 1 << 20


@pytest.mark.parametrize("export", EVERY)
def test_an_export_is_the_spec_of_the_same_reference(export, folder):
    kept, folded = wanted(export.network)
    found = read(folder / export.file)
    graph = kept if export.exporter in ("legacy-kept", "dynamo-raw") else folded
    assert match(graph, found.graph).same
    theirs, ours = count(found.graph), count(graph)
    assert theirs == ours
    assert (found.opset, found.batch) == (export.opset, None if export.dynamic else 1)
    assert found.producer.startswith("pytorch 2.")
    assert found.precision == "fp32"
    if found.batch_norm != "kept" and any(isinstance(node.op, BatchNorm) for node in kept.nodes):
        assert found.batch_norm == "folded"


@pytest.mark.parametrize("export", EVERY)
def test_layers_of_an_export_are_called_as_in_the_checkpoint(export, folder):
    """Whichever names the exporter gives its nodes and weights."""
    kept, folded = wanted(export.network)
    found = read(folder / export.file).graph
    graph = kept if export.exporter in ("legacy-kept", "dynamo-raw") else folded
    assert sorted(weighted(found)) == sorted(weighted(graph))


GIGA = {
    "mobilenet_v2": 0.301,
    "efficientnet_b0": 0.386,
    "densenet121": 2.834,
    "googlenet": 1.498,
    "convnext_tiny": 4.456,
    "squeezenet1_0": 0.819,
}
"""Multiply-adds of networks outside the family as torchvision 0.28 counts them (`_ops` of their weights)."""
FIRST = {
    "mobilenet_v2": "node 3 '/features/features.0/features.0.2/Clip', Clip: "
    "Clip(x, least=0, most=6) is none of our activations",
    "vit_b_16": "node 15 '/Concat', Concat: operand 0 is no activation",
    "convnext_tiny": "node 16 '/features/features.0/features.0.1/LayerNormalization', "
    "LayerNormalization: it is none of our operations",
}


@pytest.mark.parametrize("name", FIRST)
def test_a_network_of_other_operations_is_refused_with_its_first_node(name, folder):
    (path,) = folder.glob(f"torchvision.{name}.*")
    with pytest.raises(NotExplained) as refused:
        read(path)
    assert str(refused.value) == f"{path}: error: {FIRST[name]}"


@pytest.mark.parametrize("name", GIGA)
def test_networks_outside_the_family_have_the_multiply_adds_that_torchvision_counts(name, folder):
    (path,) = folder.glob(f"torchvision.{name}.*")
    graph = read(path, partial=True).graph
    assert round(count(graph).macs / 1e9, 3) == GIGA[name]
    assert any(isinstance(node.op, Opaque) for node in graph.nodes) == (name in FIRST)
