"""Generated PyTorch is the specification's network: run with a stand-in for torch that records the graph."""

import ast
from dataclasses import replace

import pytest

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.graph import live
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower, with_classes_and_channels
from resnet_gen.language.plan import plan
from resnet_gen.problems import Refused
from tests.helpers.checked_folder import checked_folder
from tests.helpers.varied import EVERY
from tests.properties.test_specs import loaded
from tests.standin.compare import is_the_network, same, with_outputs
from tests.standin.run import executed, network, traced
from tests.standin.tensor import InPlaceError


def source(loaded):
    (text,) = generate_files(CodeSubject(loaded), "pytorch").values()
    return text


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where each test leaves its source, for ruff to read all at the end."""
    yield from checked_folder(tmp_path_factory)


@pytest.mark.parametrize("name", EVERY)
def test_it_is_the_network_of_the_specification_with_its_names_and_shapes(name, folder):
    loaded = load(name)
    text = source(loaded)
    (folder / f"{name.replace('-', '_')}.py").write_text(text, encoding="utf-8")
    assert isinstance(ast.parse(text), ast.Module)
    assert max(map(len, text.splitlines())) <= 88
    is_the_network(text, loaded)


@pytest.mark.parametrize("name", EVERY)
def test_it_is_the_network_for_other_numbers_too_and_gives_its_stages_maps(name):
    loaded = load(name)
    other(executed(source(loaded)), loaded)


def other(names, loaded):
    """The same source for other numbers of classes and channels, and its stages' maps."""
    if "classes" in type(loaded.spec.head).model_fields:
        wanted = lower(with_classes_and_channels(loaded, classes=7))
        same(traced(network(names, classes=7), wanted.input.shape), wanted)
    wanted = lower(with_classes_and_channels(loaded, channels=1))
    same(traced(network(names, in_channels=1), wanted.input.shape), wanted)
    if hasattr(network(names), "forward_features"):
        outputs = [f"stage{stage.number + 1}" for stage in plan(loaded)]
        every = lower(with_outputs(loaded, outputs))
        wanted = live(replace(every, outputs=every.outputs[: len(outputs)]))
        same(live(traced(network(names), wanted.input.shape, "forward_features")), wanted)


@pytest.mark.parametrize("name", ["resnet50", "vgg16_bn", "preact110", "regnet_y_400mf"])
def test_stages_that_follow_each_other_give_their_maps(name):
    assert "def forward_features" in source(load(name))


@pytest.mark.parametrize(
    "settings",
    [
        ["head=none"],
        ["head=none", "outputs=[stage2]"],
        ["outputs=[stage1, stage3]"],
        ["stages.depths=[1, 1, 1, 1]"],
        ["stages.widths=[64, 96, 256, 300]"],
        ["stages.output_stride=8"],
        ["stages.overrides={stage2.block2: {attention: se}}"],
        ["antialias=blur", "weight_standardization=1e-5"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("naming", ["torchvision", "paths", "timm_regnet"])
def test_changed_networks_are_those_of_their_specifications(settings, naming):
    loaded = load("resnet18", [*settings, f"naming={naming}"])
    text = source(loaded)
    other(is_the_network(text, loaded), loaded)
    assert ("def forward_features" in text) == ("outputs=[stage1, stage3]" not in settings)


SMALL = {
    "name": "small",
    "input": {"channels": 4, "size": 32},
    "stem": {"kind": "conv3x3", "width": 8},
    "stages": {"depths": [3], "widths": [8], "block": "basic"},
    "head": {"kind": "linear", "classes": 5},
}


@pytest.mark.parametrize("naming", ["torchvision", "paths", "timm_sknet", "timm_resnet"])
def test_one_stage_gives_one_map(naming):
    spec = loaded({**SMALL, "naming": naming})
    names = is_the_network(source(spec), spec)
    assert hasattr(network(names), "forward_features")
    other(names, spec)


@pytest.mark.parametrize("name", ["f", "F", "tensor", "value_error", "ordereddict"])
def test_a_network_called_as_what_its_file_needs_has_another_name(name):
    spec = loaded({**SMALL, "name": name})
    is_the_network(source(spec), spec)


@pytest.mark.parametrize("name", ["torch", "collections", "jax", "match", "class"])
def test_a_file_is_not_called_as_what_would_be_imported_in_its_place(name):
    assert CodeSubject(loaded({**SMALL, "name": name})).module == f"{name}_"


NARROW = {**SMALL, "stem": "none"}
WIDENING = {"depths": [1, 2], "widths": [16, 32]}


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": {**WIDENING, "block": "selective_basic"}},
        {"stages": {**WIDENING, "block": "preact_basic"}, "norm": {"kind": "group", "groups": 2}},
    ],
    ids=["selective_basic", "groups"],
)
def test_channels_of_which_only_multiples_are_possible_are_an_argument(changes):
    spec = loaded({**NARROW, **changes})
    names = is_the_network(source(spec), spec)
    wanted = lower(with_classes_and_channels(spec, channels=8))
    same(traced(network(names, in_channels=8), wanted.input.shape), wanted)


def test_channels_that_something_follows_by_no_plain_rule_are_no_argument():
    attention = {"kind": "se", "rd_ratio": 0.3, "rd_divisor": 1, "rd_of": "block_input"}
    stages = {**WIDENING, "block": {"kind": "regnet", "group_width": 8}, "attention": attention}
    spec = loaded({**NARROW, "input": {"channels": 16, "size": 32}, "stages": stages})
    text = source(spec)
    names = is_the_network(text, spec)
    assert "def __init__(self, classes: int = 5) -> None:" in text
    wanted = lower(with_classes_and_channels(spec, classes=7))
    same(traced(network(names, classes=7), wanted.input.shape), wanted)


def test_what_no_output_needs_is_left_out():
    stages = {"depths": [1, 1], "widths": [8, 8], "block": "basic", "downsample": "max_pool"}
    spec = loaded({**SMALL, "head": "none", "outputs": ["stage1", "stage2"], "stages": stages})
    graph = lower(spec)
    assert live(graph) == graph
    assert source(spec).count("F.max_pool2d(") + source(spec).count("nn.MaxPool2d(") == 1
    is_the_network(source(spec), spec)


def test_the_same_specification_gives_the_same_bytes():
    for name in ("resnet50", "resnest50d", "cbam-resnet50"):
        assert source(load(name)) == source(load(name))


def test_resnet50_is_at_most_150_lines():
    assert len(source(load("resnet50")).splitlines()) <= 150


BROKEN = {
    "a relu is dropped": ("y = F.relu(self.bn2(self.conv2(y)), inplace=True)", "y = self.bn2(self.conv2(y))"),
    "operands are exchanged": ("torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)", "F.adaptive_avg_pool2d(x, 1)"),
    "a padding is forgotten": ("stride=stride, padding=1, bias=False)", "stride=stride, bias=False)"),
    "a stride is forgotten": ("Stage(256, 128, blocks=4, stride=2)", "Stage(256, 128, blocks=4)"),
    "a condition is wrong": ("if stride != 1 or in_channels != 4 * width:", "if stride != 1:"),
    "a bias is added": ("nn.Conv2d(in_channels, width, 1, bias=False)", "nn.Conv2d(in_channels, width, 1)"),
    "an eps is another": ("self.bn1 = nn.BatchNorm2d(64)", "self.bn1 = nn.BatchNorm2d(64, eps=1e-3)"),
    "a name is another": ("self.fc", "self.classifier"),
    "the number of blocks is another": ("blocks=6", "blocks=5"),
    "what is read later is overwritten": ("self.bn1(self.conv1(x))", "self.bn1(self.conv1(F.relu(x, inplace=True)))"),
    "what a gradient needs is overwritten": ("return F.relu(y, inplace=True)", "y = F.relu(y); y += y; return y"),
    "an argument is none of PyTorch's": ("nn.MaxPool2d(3, stride=2, padding=1)", "nn.MaxPool2d(3, stride=2, pad=1)"),
    "a function is none of PyTorch's": ("F.adaptive_avg_pool2d(", "F.global_avg_pool2d("),
    "padding is left out of pooling": ("nn.MaxPool2d(3, stride=2, padding=1)", "nn.MaxPool2d(3, stride=2)"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), BROKEN.values(), ids=BROKEN)
def test_a_module_that_is_another_network_is_noticed(old, new):
    loaded = load("resnet50")
    text = source(loaded)
    assert old in text
    with pytest.raises((AssertionError, InPlaceError, Refused, TypeError, AttributeError)):
        is_the_network(text.replace(old, new), loaded)


UNSAFE = {
    "the input": "return F.relu(x, inplace=True)",
    "a sigmoid's result": "y = torch.sigmoid(x)\n        y += x\n        return y",
    "a softmax's result": "y = F.softmax(torch.flatten(x, 1), dim=1)\n        return F.relu(y, inplace=True)",
    "what a product needs": "y = x + x\n        z = y * x\n        y += x\n        return z",
    "what a convolution takes": "y = x + x\n        z = self.conv(y)\n        y += x\n        return z",
    "a view": "y = x + x\n        z, w = y.chunk(2, dim=1)\n        z += w\n        return z",
    "what a view shows": "y = x + x\n        z = y[:, 0:1]\n        y += x\n        return z + z",
}


@pytest.mark.parametrize("body", UNSAFE.values(), ids=UNSAFE)
def test_work_in_place_on_what_is_needed_is_noticed(body):
    with pytest.raises(InPlaceError):
        of_body(body)


def of_body(body):
    return traced(network(executed(MODULE.format(body))), (2, 4, 4))


MODULE = """import torch
import torch.nn.functional as F
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x):
        {}
"""


def test_work_in_place_on_what_nobody_needs_is_recorded():
    graph = of_body("y = self.conv(x)\n        y += x\n        return F.relu(y, inplace=True)")
    assert [type(node.op).__name__ for node in graph.nodes] == ["Conv", "Add", "Activation"]
