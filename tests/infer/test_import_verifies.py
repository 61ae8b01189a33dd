"""`import` writes specs that `verify` accepts: what breaks a design rule says why."""

import pytest
from hypothesis import HealthCheck, given, settings

from resnet_gen.infer.recovery import recover_spec
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.problems import Problem, Refused
from resnet_gen.verify.outcome import examine
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights
from resnet_gen.weights.standardization import standardize_weights
from tests.properties.strategies import fitting
from tests.properties.test_specs import build, examples

NETWORKS = ["resnet18", "vgg11", "regnetx_002", "highway-c", "cifar-resnet20", "timm-vgg13", "regnetz_005", "wrn-16-4"]
LARGER = [
    "vgg16-c", "plain18", "resnet34-a", "pyramidnet110_a48", "ecaresnet50d_pruned", "regnety_016", "vgg19_bn",
    "resnest14d", "res2net50_14w_8s",
]  # fmt: skip
EACH = [*NETWORKS, *(pytest.param(name, marks=pytest.mark.long) for name in LARGER)]


def imported(graph, folder, parent=None):
    """The spec that is recovered from a graph's file, written and verified; None if there is none."""
    graph, weights = fold_batch_norm(*standardize_weights(graph, SeededWeights(graph)))
    path, spec = folder / "a file.onnx", folder / "recovered.yaml"
    path.write_bytes(OnnxFile(graph, weights, WriterOptions()).structure())
    try:
        found = recover_spec(path, "recovered", parent=parent)
    except Refused:
        return None
    if isinstance(found, Problem):
        return None
    spec.write_text(found.text)
    assert [str(finding) for finding in examine(str(spec)).all] == [], found.text
    return found.text


@pytest.mark.parametrize("name", EACH)
def test_what_is_recovered_of_a_shipped_network_is_accepted(name, tmp_path):
    text = imported(lower(load(name)), tmp_path)
    deviates = bool(load(name).spec.deviations)
    assert text is not None
    assert ("deviations: {" in text, "as in a file.onnx}" in text) == (deviates, deviates)


@pytest.mark.parametrize(
    ("parent", "changes", "deviates"),
    [
        ("vgg11", ["head.classes=7"], False),
        ("regnetx_002", ["head.classes=7"], True),  # whose widths are recovered as those of other blocks
        ("resnet18", ["stages.widths=[64, 128, 256, 256]"], True),
        ("resnet18", ["head.classes=7"], False),
        ("vgg11", ["stages.widths=[64, 128, 256, 512, 1024]"], False),
    ],
)
def test_a_child_states_the_deviations_that_its_parent_does_not(parent, changes, deviates, tmp_path):
    more = ["claims=[]", "reference=null", *changes]
    text = imported(lower(load(parent, more)), tmp_path, parent)
    assert text is not None
    assert (f"extends: {parent}" in text, "deviations" in text) == (True, deviates)


@settings(examples(10), suppress_health_check=list(HealthCheck))
@given(fitting(simple=True))
def test_what_is_recovered_of_any_network_is_accepted(tmp_path_factory, spec):
    imported(build(spec), tmp_path_factory.mktemp("any"))
