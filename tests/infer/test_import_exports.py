"""What torch.onnx.export writes for torchvision's and timm's networks is recovered as the shipped spec of that name."""

import pytest

from resnet_gen.cli import main
from resnet_gen.graph.matching import match
from resnet_gen.infer.proof import RecoveredSpec, live
from resnet_gen.infer.search import infer_spec
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.reading import read
from resnet_gen.weights.folding import folded_graph
from tests.fixtures.make_exports import OUTSIDE
from tests.onnx.reading.test_exports import EVERY, folder, specs

_ = folder

BIASED = ("torchvision/vgg16_bn",)
"""Convolutions with a bias before a norm: of a file that folds the norm nobody can tell that there was one."""
FOLDS_NOTHING = ("legacy-kept", "dynamo-raw")


@pytest.mark.parametrize("export", EVERY)
def test_an_export_is_recovered_as_the_shipped_spec(export, folder):
    name = specs()[export.network]
    found = infer_spec(read(folder / export.file).graph, "found")
    assert isinstance(found, RecoveredSpec), found
    shipped = load(name, ["input.size=224"])
    graph = live(lower(shipped))
    if export.network in BIASED and found.folded:
        assert match(folded_graph(graph), folded_graph(found.graph)).same
    else:
        assert match(graph, found.graph).same
    assert found.naming.renamed == {}
    norms = shipped.spec.norm.kind == "batch"
    assert found.folded == (norms and export.exporter not in FOLDS_NOTHING)


REFUSED = {
    "mobilenet_v2": "no part makes 'features.0.2', ONNX's Clip to 32x112x112, which reads 'features.0.0'",
    "densenet121": "no part makes 'features.denseblock1.denselayer1.norm1', BatchNorm() to 64x56x56, "
    "which reads 'features.pool0'",
}


UNREAD = {"vit_b_16": "node 15 '/Concat', Concat: operand 0 is no activation"}
"""What is refused while the file is read."""


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_network_outside_the_family_is_refused_with_its_first_node(name, folder, capsys):
    (path,) = folder.glob(f"torchvision.{name}.*")
    with pytest.raises(SystemExit) as left:
        main(["import", str(path)])
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (2 if name in UNREAD else 1, "")
    assert err.startswith(f"{path}: error: ")
    assert {**REFUSED, **UNREAD}.get(name, "no part makes ") in err
