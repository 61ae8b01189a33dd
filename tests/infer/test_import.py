"""`import`: specs out of files, on the command line: what is printed, written, refused, and left behind."""

import json
import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import load_file, save_file

from resnet_gen.graph.matching import match
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from tests.helpers.onnx_runs import TINY, TOLERANCE, network, session

SMALL = ["--set", "input.size=32", "--set", "stages.widths.first=8", "--set", "stem.width=8", "--set", "head.classes=5"]


@pytest.fixture
def model(cli, tmp_path):
    """Builds a network as another tool might have: other names of input and output, no metadata."""

    def build(name, *options):
        code, _, err = cli("build", name, "-o", tmp_path / "built", "--seed", "7", "--force", *options)
        assert code == 0, err
        made = onnx.load(tmp_path / "built" / f"{name}.onnx")
        del made.metadata_props[:]
        renamed = {"input": "x", "logits": "y"}
        for node in made.graph.node:
            node.input[:] = [renamed.get(n, n) for n in node.input]
            node.output[:] = [renamed.get(n, n) for n in node.output]
        for value in (*made.graph.input, *made.graph.output):
            value.name = renamed.get(value.name, value.name)
        path = tmp_path / f"{name}.foreign.onnx"
        onnx.save(made, path)
        return path

    return build


KEPT = """\
# Recovered from resnet18.foreign.onnx.
name: resnet18-foreign
input: {channels: 3, size: 32}
stem: {kind: conv7x7, width: 8}
stages:
  depths: [2, 2, 2, 2]
  widths: {kind: double, first: 8}
  block: basic
head: {kind: linear, classes: 5}
naming: torchvision
"""

KEPT_ACCOUNT = """\
proof: the spec is built to the same 69 operations, each with the same operands
names: 'torchvision' gives all 41 layers with weights the names that they have
not carried: how a picture becomes the input (resizing, crop, mean, std), which no graph shows
not carried: names of input and outputs: 'x' -> 'input', 'y' -> 'logits'
not carried: metadata of the file, and its weights without --weights
"""

FOLDED_ACCOUNT = """\
proof: the spec is built to the same 49 operations, each with the same operands
folded: 20 batch norms taken for folded, as no file tells their biases from plain ones
names: 'torchvision' gives all 21 layers with weights the names that they have
not carried: how a picture becomes the input (resizing, crop, mean, std), which no graph shows
not carried: names of input and outputs: 'x' -> 'input', 'y' -> 'logits'
not carried: the batch of 2: it is left open
not carried: eps and statistics of the folded norms, which the file has no longer
not carried: metadata of the file, and its weights without --weights
"""


def test_the_spec_goes_to_stdout_and_the_account_to_stderr(cli, model):
    assert cli("import", model("resnet18", *SMALL)) == (0, KEPT, KEPT_ACCOUNT)


def test_what_is_folded_and_fixed_is_told(cli, model):
    code, out, err = cli("import", model("resnet18", *SMALL, "--fold-bn", "--batch", "2"))
    assert (code, out, err) == (0, KEPT, FOLDED_ACCOUNT)


def test_a_shipped_network_is_told_and_can_be_extended(cli, model):
    file = model("cifar-resnet20")
    code, out, err = cli("import", file, "--name", "mine")
    assert out.startswith(
        "# Recovered from cifar-resnet20.foreign.onnx. Computes what the shipped 'cifar-resnet20' does."
    )
    assert "\nsame: computes what the shipped 'cifar-resnet20' does\n" in err
    code, out, _ = cli("import", file, "--name", "mine", "--extends", "cifar-resnet20")
    assert (code, out.splitlines()[1:]) == (0, ["name: mine", "extends: cifar-resnet20"])
    code, out, _ = cli("import", file, "--name", "mine", "--extends", "resnet50")
    assert out.splitlines()[1:] == [
        "name: mine",
        "extends: resnet50",
        "input: {size: 32}",
        "stem: {kind: conv3x3, width: 16}",
        "stages:",
        "  depths: [3, 3, 3]",
        "  widths: {first: 16}",
        "  block: basic",
        "  shortcut: zero_pad",
        "head: {classes: 10}",
    ]


def test_a_network_that_takes_its_weights_as_they_are_is_not_told_as_one_that_standardizes_them(cli, model):
    file = model("resnetv2_50x1_bit", "--set", "weight_standardization=null")
    code, out, err = cli("import", file, "--extends", "resnetv2_50x1_bit")
    same = "omputes what the shipped 'resnetv2_50x1_bit' does with its weights standardized already"
    assert (code, out.splitlines()[0]) == (0, f"# Recovered from {file.name}. C{same}.")
    assert out.endswith("\nweight_standardization: null\n")
    assert f"\nsame: c{same}\n" in err
    told = json.loads(cli("import", file, "--format", "json")[1])
    assert (told["same_as"], told["same_as_standardized"]) == ([], ["resnetv2_50x1_bit"])


def test_a_shipped_network_is_needed_to_extend(cli, model, tmp_path):
    file = model("cifar-resnet20")
    code, out, err = cli("import", file, "--extends", TINY)
    assert (code, out) == (2, "")
    assert err == f"error: --extends: '{TINY}' is not a shipped spec\n"


CARRIED = [
    ("resnet18", SMALL, False),
    ("seresnet18", [*SMALL, "--set", "activation=silu"], True),
    ("skresnet18", SMALL[:-2], False),
    ("wrn-16-4", ["--set", "stages.widths.first=8"], True),
    ("resnet10t", ["--set", "input.size=64"], False),
    ("cifar-resnet20", [], True),
]


@pytest.mark.parametrize(
    ("name", "settings", "fold"),
    [*CARRIED, *(pytest.param(name, settings, not fold, marks=pytest.mark.long) for name, settings, fold in CARRIED)],
)
def test_the_weights_come_along_and_the_outputs_stay(cli, model, tmp_path, name, settings, fold):
    """Import, build with the weights: the same outputs; folded again, those of a folded file bit for bit."""
    file = model(name, *settings, *["--fold-bn"] * fold)
    spec, weights = tmp_path / "mine.yaml", tmp_path / "w" / "mine.safetensors"
    code, out, err = cli("import", file, "-o", spec, "--weights", weights, "--name", "mine")
    assert (code, out) == (0, f"{spec}\n{weights}\n"), err
    assert err.endswith("not carried: metadata of the file\n")
    shape = session(str(file)).get_inputs()[0].shape[1:]
    image = np.random.default_rng(1).standard_normal((1, *shape)).astype(np.float32)
    wanted = session(str(file)).run(None, {"x": image})
    for again in (False, True):
        options = ["--fold-bn"] * again
        assert cli("build", spec, "--weights", weights, "-o", tmp_path / f"b{again}", *options)[0] == 0
        found = session(str(tmp_path / f"b{again}" / "mine.onnx")).run(None, {"input": image})
        for ours, theirs in zip(found, wanted, strict=True):
            assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()
            assert fold != again or ours.tobytes() == theirs.tobytes()


def test_a_folded_norm_becomes_one_that_changes_nothing(cli, model, tmp_path):
    file, weights = model("resnet18", *SMALL, "--fold-bn"), tmp_path / "w.safetensors"
    assert cli("import", file, "--weights", weights, "-o", tmp_path / "s.yaml")[0] == 0
    held = load_file(weights)
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(file).graph.initializer}
    assert held["layer2.0.conv1.weight"].tobytes() == constants["layer2.0.conv1.weight"].tobytes()
    assert held["layer2.0.bn1.bias"].tobytes() == constants["layer2.0.conv1.bias"].tobytes()
    assert set(held["layer2.0.bn1.weight"]) == {1.0}
    assert set(held["layer2.0.bn1.running_mean"]) == {0.0}
    assert set(held["layer2.0.bn1.running_var"]) == {np.float32(1 - 1e-5)}


class TestWriting:
    def test_a_folder_takes_the_spec_under_its_name(self, cli, model, tmp_path):
        (tmp_path / "specs").mkdir()
        code, out, _ = cli("import", model("resnet18", *SMALL), "-o", tmp_path / "specs", "--name", "mine")
        assert (code, out) == (0, f"{tmp_path / 'specs' / 'mine.yaml'}\n")
        assert load(str(tmp_path / "specs" / "mine.yaml")).spec.name == "mine"

    def test_nothing_is_replaced_without_force(self, cli, model, tmp_path):
        file, spec = model("resnet18", *SMALL), tmp_path / "mine.yaml"
        spec.write_text("old")
        code, out, err = cli("import", file, "-o", spec, "--weights", tmp_path / "w.safetensors")
        assert (code, out) == (2, "")
        assert err == f"{spec}: error: exists already\nhint: --force replaces it\n"
        assert spec.read_text() == "old"
        assert not (tmp_path / "w.safetensors").exists()
        assert cli("import", file, "-o", spec, "--force")[0] == 0
        assert spec.read_text().startswith("# Recovered")

    def test_nothing_is_written_of_a_network_that_is_not_explained(self, cli, tmp_path, stranger):
        before = sorted(tmp_path.iterdir())
        assert cli("import", stranger, "-o", tmp_path / "s.yaml", "--weights", tmp_path / "w.safetensors")[0] == 1
        assert sorted(tmp_path.iterdir()) == before

    def test_nothing_is_written_where_the_weights_are_not_in_the_file(self, cli, model, tmp_path):
        file = model("resnet18", *SMALL)
        made = onnx.load(file)
        for tensor in made.graph.initializer:
            if tensor.dims and len(tensor.dims) > 1:
                tensor.ClearField("raw_data")
                tensor.data_location = TensorProto.EXTERNAL
                tensor.external_data.add(key="location", value="gone.data")
        onnx.save(made, file)
        code, out, err = cli("import", file, "-o", tmp_path / "s.yaml", "--weights", tmp_path / "w.safetensors")
        assert (code, out) == (2, "")
        assert "gone.data" in err
        assert not (tmp_path / "s.yaml").exists()
        assert not (tmp_path / "w.safetensors").exists()
        assert cli("import", file, "-o", tmp_path / "s.yaml")[0] == 0

    def test_json_says_all_of_it(self, cli, model):
        code, out, _ = cli("import", model("resnet18", *SMALL), "--format", "json")
        told = json.loads(out)
        assert code == 0
        assert told["spec"]["stages"] == {
            "depths": [2, 2, 2, 2], "widths": {"kind": "double", "first": 8}, "block": "basic",
        }  # fmt: skip
        assert {k: v for k, v in told.items() if k != "spec"} == {
            "operations": 69, "same_as": [], "same_as_standardized": [], "folded": False, "naming": "torchvision",
            "renamed": {}, "outputs": {"y": "logits"},
        }  # fmt: skip


@pytest.fixture
def stranger(tmp_path):
    """A network with a transposed convolution behind its stem."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], [0.1] * 108)
    other = helper.make_tensor("v", TensorProto.FLOAT, [4, 2, 2, 2], [0.1] * 32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("ConvTranspose", ["b", "v"], ["y"], name="up", strides=[2, 2]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 16, 16])
    graph = helper.make_graph(nodes, "stranger", [x], [y], [weight, other])
    path = tmp_path / "stranger.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


class TestRefusals:
    def test_a_node_that_is_none_of_our_operations(self, cli, stranger):
        code, out, err = cli("import", stranger)
        assert (code, out) == (1, "")
        assert err == (
            f"{stranger}: error: no part makes 'up', ONNX's ConvTranspose to 2x16x16, which reads 'relu'\n"
            "hint: node 2 'up', ConvTranspose: it is none of our operations; 2 of 3 operations are explained, up to "
            "the stem 'conv3x3'\n"
        )

    @pytest.mark.parametrize("behind", ["Conv", "BatchNormalization", "Relu", "Add", "GlobalAveragePool", "Gemm"])
    @pytest.mark.parametrize("which", ["first", "middle", "last"])
    def test_the_foreign_operation_is_named_wherever_it_stands(self, behind, which, cli, model):
        path = model("cifar-resnet20")
        made = onnx.load(path)
        places = [place for place, node in enumerate(made.graph.node) if node.op_type == behind]
        place = places[{"first": 0, "middle": len(places) // 2, "last": -1}[which]]
        before = made.graph.node[place]
        strange = helper.make_node("Softsign", ["before"], [before.output[0]], name="strange")
        before.output[0] = "before"
        made.graph.node.insert(place + 1, strange)
        onnx.save(made, path)
        code, out, err = cli("import", path)
        assert (code, out) == (1, "")
        assert err.startswith(f"{path}: error: no part makes 'strange', ONNX's Softsign to ")
        assert f", which reads '{before.name}'\nhint: node {place + 1} 'strange', Softsign: " in err

    def test_a_file_that_is_none(self, cli, tmp_path):
        path = tmp_path / "m.onnx"
        path.write_bytes(b"\x08\x07garbage" * 10)
        code, out, err = cli("import", path)
        assert (code, out) == (2, "")
        assert err.startswith(f"{path}: error: ")

    def test_a_file_that_is_not_there(self, cli, tmp_path):
        code, out, err = cli("import", tmp_path / "no.onnx")
        assert (code, out, err) == (
            2,
            "",
            f"{tmp_path / 'no.onnx'}: error: cannot be read: No such file or directory\n",
        )

    def test_a_name_that_is_none(self, cli, model):
        code, _, err = cli("import", model("resnet18", *SMALL), "--name", "a b")
        assert code == 2
        assert err == (
            "error: --name: 'a b' is not a name\n"
            "hint: use letters, digits, '-' and '_', at most 64, the first a letter or digit\n"
        )

    @pytest.mark.parametrize("name", ["", " ", "-a", "é"])
    def test_a_name_that_no_spec_can_have(self, cli, tmp_path, name):
        save_file({"a": np.zeros(1, np.float32)}, tmp_path / "c.safetensors")
        for file in ("c.safetensors", "none.onnx"):
            code, out, err = cli("import", tmp_path / file, "--name", name)
            assert (code, out) == (2, "")
            assert err.startswith(f"error: --name: '{name}' is not a name\n")

    @pytest.mark.parametrize("name", ["w.npz", "w.pth", "w", "w.safetensors.bak"])
    def test_weights_of_another_format_before_any_work(self, cli, tmp_path, name):
        code, out, err = cli("import", tmp_path / "none.onnx", "--weights", tmp_path / name, "--force")
        assert (code, out) == (2, "")
        assert err == (
            f"{tmp_path / name}: error: import writes no weights as '{(tmp_path / name).suffix}'\n"
            "hint: the name ends in .safetensors; weights convert writes other formats\n"
        )
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("options", [[], ["--format", "json"], ["--plain-biases"]])
    def test_force_where_nothing_is_written(self, cli, tmp_path, options):
        code, out, err = cli("import", tmp_path / "none.onnx", "--force", *options)
        assert (code, out) == (2, "")
        assert err.startswith("error: --force means nothing without -o or --weights\n")

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--extends", ["resnet50"]),
            ("--extends", [""]),
            ("--plain-biases", []),
        ],
    )
    def test_what_means_nothing_for_a_checkpoint(self, cli, option, value):
        code, out, err = cli("import", TINY.with_name("zip_float32.pt"), option, *value)
        assert (code, out) == (2, "")
        assert err == f"error: {option} means nothing for a checkpoint\nhint: it is for ONNX files\n"

    def test_damaged_files_never_end_in_a_traceback(self, cli, model):
        file = model("resnet18", *SMALL)
        data, draw = file.read_bytes(), random.Random(5)
        for _ in range(40):
            start = draw.randrange(min(len(data), 20_000))
            file.write_bytes(
                data[:start] + draw.randbytes(draw.choice([0, 1, 4])) + data[start + draw.choice([0, 1, 9]) :]
            )
            assert cli("import", file)[0] in (0, 1, 2)


def state_of(name, *settings):
    return {weight: np.zeros(tensor.shape, np.float32) for weight, tensor in network(name, *settings).state().items()}


CHECKPOINT = """\
# Recognized by the names and shapes in mine.safetensors.
name: mine
extends: resnet18
head: {classes: 7}
"""


class TestCheckpoints:
    def imported(self, cli, tmp_path, state, *options):
        path = tmp_path / "mine.safetensors"
        save_file(state, path)
        return cli("import", path, *options)

    def test_a_published_network_with_other_classes(self, cli, tmp_path):
        code, out, err = self.imported(cli, tmp_path, state_of("resnet18", "head.classes=7"))
        assert (code, out) == (0, CHECKPOINT)
        assert err.splitlines()[:4] == [
            "proof: all names and shapes of weights are the spec's, and no more",
            "same: 'resnetblur18' has the same names and shapes; it differs in antialias, naming",
            "same: 'timm-resnet18' has the same names and shapes; it differs in naming",
            "not shown by names and shapes: strides, padding, dilation, pooling, activations, eps, the image's size "
            "and how a picture becomes it; they are those of 'resnet18'",
        ]

    def test_other_channels_and_what_a_wrapper_leaves_before_the_names(self, cli, tmp_path):
        settings = ["input.channels=1", "input.mean=null", "input.std=null"]
        state = {f"module.{name}": array for name, array in state_of("resnet50d", *settings).items()}
        code, out, err = self.imported(cli, tmp_path, state)
        assert code == 0
        assert out.splitlines()[2:] == ["extends: resnet50d", "input: {channels: 1, mean: null, std: null}"]
        assert "names: each has 'module.' before it, which the spec's have not\n" in err

    @pytest.mark.filterwarnings("always:.*which is taken off")
    @pytest.mark.parametrize("prefix", ["module.", "module.model.", "_orig_mod.module.model."])
    @pytest.mark.parametrize(
        ("name", "settings"),
        [("resnet18", []), ("cifar-resnet20", ["stages.depths=[2,2,2]", "stages.shortcut=projection"])],
    )
    def test_as_many_prefixes_as_for_weights(self, cli, tmp_path, name, settings, prefix):
        state = {f"{prefix}{weight}": array for weight, array in state_of(name, *settings).items()}
        code, _, err = self.imported(cli, tmp_path, state, "-o", tmp_path / "mine.yaml")
        assert code == 0, err
        assert f"names: each has '{prefix}' before it, which the spec's have not\n" in err
        assert cli("build", tmp_path / "mine.yaml", "--weights", tmp_path / "mine.safetensors", "-o", tmp_path)[0] == 0

    @pytest.mark.parametrize(
        ("name", "others"),
        [
            ("cifar-resnet20", ["cifar-plain20"]),
            ("cifar-resnet32", ["cifar-plain32"]),
            ("cifar-resnet110", ["cifar-plain110"]),
            ("resnet34-a", ["resnet34-v1", "plain34"]),
            ("resnest50d", ["resnest50d_2s1x64d"]),
        ],
    )
    @pytest.mark.parametrize("classes", [None, 7])
    def test_of_networks_of_one_shape_the_published_and_the_residual_come_first(
        self, cli, tmp_path, name, others, classes
    ):
        state = state_of(name, *[f"head.classes={classes}"] * bool(classes))
        code, out, err = self.imported(cli, tmp_path, state)
        assert (code, out.splitlines()[2]) == (0, f"extends: {name}")
        assert [line.split("'")[1] for line in err.splitlines() if line.startswith("same: ")] == others
        code, _, err = cli("build", "vgg11", "--weights", tmp_path / "mine.safetensors", "-o", tmp_path)
        hint = err.splitlines()[-1]
        more = ", ".join(f"'{other}'" for other in others)
        assert (code, hint) == (2, f"hint: its names and shapes are those of '{name}', and of {more}")

    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            ("resnet50", ["stages.depths=[2,3,5,2]", "stages.block={kind: bottleneck, groups: 16, base_width: 8}"]),
            ("seresnet18", ["stem={kind: deep, widths: [16,16,32]}", "stages.depths=[1,2,3,1]", "head.classes=7"]),
            ("resnet50d", ["stages.depths=[2,1]", "stages.widths=[24,72]"]),
            ("timm-resnet50", ["stages.depths=[1,1,1,2]", "stages.attention={kind: eca, kernel: 5}"]),
            ("resnetv2_50", ["stages.depths=[1,2,1,1]"]),
            ("regnety_002", ["stages.widths=[16,32]", "stages.depths=[1,2]", "stages.strides=[2,2]"]),
            ("cifar-resnet20", ["stages.depths=[2,2,2]", "stages.shortcut=projection"]),
        ],
    )
    def test_networks_that_nobody_ships(self, cli, tmp_path, name, settings):
        state = state_of(name, *settings)
        code, _, err = self.imported(cli, tmp_path, state, "-o", tmp_path / "mine.yaml")
        assert code == 0, err
        found = lower(load(str(tmp_path / "mine.yaml")))
        assert {weight: t.shape for weight, t in found.state().items()} == {w: a.shape for w, a in state.items()}

    @pytest.mark.parametrize(
        ("name", "before", "settings"), [("resnet18", "encoder.", ["input.channels=1"]), ("seresnet18", "", [])]
    )
    def test_a_network_without_its_head(self, cli, tmp_path, name, before, settings):
        state = state_of(name, "head=none", "reference=null", *settings)
        given = {before + weight: array for weight, array in state.items()}
        code, out, err = self.imported(cli, tmp_path, given)
        assert (code, out.splitlines()[2], out.splitlines()[-1]) == (0, f"extends: {name}", "head: none")
        assert "names: the file has no head, so the spec has none" in err
        path = tmp_path / "found.yaml"
        path.write_text(out, encoding="utf-8")
        found = lower(load(str(path))).state()
        assert {weight: t.shape for weight, t in found.items()} == {w: a.shape for w, a in state.items()}
        del given[f"{before}layer4.1.bn2.bias"]
        code, _, err = self.imported(cli, tmp_path, given)
        assert (code, "head" in err) == (1, False)

    def test_the_first_tensor_that_does_not_fit_is_named(self, cli, tmp_path):
        state = state_of("resnet18")
        state["layer3.0.conv1.weight"] = np.zeros((256, 128, 5, 5), np.float32)
        code, out, err = self.imported(cli, tmp_path, state)
        assert (code, out) == (1, "")
        assert err == (
            f"{tmp_path / 'mine.safetensors'}: error: 'layer3.0.conv1.weight' is 256x128x5x5, and 256x128x3x3 in "
            "'timm/resnet18', the closest network\nhint: 101 of 102 tensors fit it\n"
        )

    def test_a_tensor_that_is_missing_or_too_many(self, cli, tmp_path):
        state = state_of("resnet18")
        del state["layer4.1.bn2.bias"]
        assert "error: 'layer4.1.bn2.bias' is missing: 512 in 'timm/resnet18'" in self.imported(cli, tmp_path, state)[2]
        state = {**state_of("resnet18"), "aux": np.zeros((3, 3), np.float32)}
        assert "error: 'aux' (3x3) is not in 'timm/resnet18', the closest" in self.imported(cli, tmp_path, state)[2]

    def test_nothing_known(self, cli, tmp_path):
        code, _, err = self.imported(cli, tmp_path, {"a": np.zeros(3, np.float32)})
        assert code == 1
        assert err == (
            f"{tmp_path / 'mine.safetensors'}: error: none of its names and shapes are those of a known network\n"
        )

    def test_json(self, cli, tmp_path):
        code, out, _ = self.imported(cli, tmp_path, state_of("resnet34"), "--format", "json")
        assert (code, json.loads(out)) == (
            0,
            {
                "spec": {"name": "mine", "extends": "resnet34"},
                "same_names_and_shapes": {
                    "resnet34-b": [], "timm-resnet34": ["naming"],
                },
                "prefix": "",
                "names": {},
                "left_out": [],
            },
        )  # fmt: skip


def test_the_proof_is_of_the_graph(cli, model, tmp_path):
    """What is written is built to what was given, and to nothing like it."""
    file = model("resnet18", *SMALL)
    cli("import", file, "-o", tmp_path / "s.yaml")
    found = lower(load(str(tmp_path / "s.yaml")))
    assert match(found, network("resnet18", *[s for s in SMALL if s != "--set"])).same
    assert not match(found, network("resnet18")).same
