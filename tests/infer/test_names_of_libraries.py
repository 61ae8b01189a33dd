"""Checkpoints of libraries that none of our networks is of, and of scripts that keep more than weights in a file.

`names_of_libraries.json` has what transformers 5.24 and MMPretrain 1.2 call the tensors of small networks, as their own
code made them.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from resnet_gen import convert_weights, import_file, run
from resnet_gen.infer.checkpoints.names import FOREIGN
from resnet_gen.infer.checkpoints.nearest import order_networks
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from resnet_gen.weights.formats.pickle import StridedTensor, state_dict
from tests.infer.test_wrapped_checkpoints import SMALL, state, wrapped

NAMES = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "checkpoints" / "names_of_libraries.json").read_text(encoding="utf-8")
)


@cache
def tensors(library):
    rng = np.random.default_rng(5)
    return {name: rng.random(shape, np.float32) + np.float32(0.5) for name, shape in NAMES[library].items()}


def imported(path, given):
    np.savez(path, **given)
    return import_file(path)


def refusal(path, given):
    with pytest.raises(Refused) as caught:
        imported(path, given)
    return caught.value.problems[0]


def zeros(name, *settings):
    state = lower(load(name, settings)).state()
    return {name: np.zeros(tensor.shape, np.float16) for name, tensor in state.items()}


FOUND = {
    "transformers RegNetY": ("transformers_regnet", "regnet", "se", "linear", []),
    "transformers RegNetX, no head": ("transformers_regnet", "regnet", "none", "none", ["'regnet.' is put before"]),
    "transformers ResNet, no head": ("transformers_resnet", "basic", "none", "none", ["'resnet.' is put before"]),
    "mmpretrain ResNetV1d": ("mmpretrain_resnet", "basic", "none", "linear", ["'backbone.' is taken off"]),
    "mmpretrain ResNetV1c": ("mmpretrain_resnet", "basic", "none", "none", []),
    "mmpretrain SEResNet": ("mmpretrain_resnet", "bottleneck", "se", "linear", ["'head.' is taken off 2 names"]),
}


@pytest.mark.parametrize("library", FOUND)
def test_a_spec_is_derived(library, tmp_path):
    """With every tensor, and by the names that the library has."""
    naming, block, attention, head, said = FOUND[library]
    found = imported(tmp_path / "any.npz", tensors(library))
    spec = found.loaded.spec
    assert (spec.naming.kind, spec.stages.block.kind) == (naming, block)
    assert (spec.stages.attention.kind, spec.head.kind) == (attention, head)
    assert all(any(words in line for line in found.account) for words in said)
    assert any("has no head" in line for line in found.account) == (head == "none")
    whole = {name: t.shape for name, t in lower(found.loaded).state().items()}
    assert {name: t.shape for name, t in found.tensors.items()} == whole
    assert len(whole) == len(NAMES[library])
    registered = spec.naming.registered(list(whole))
    endings = ("regnet.", "resnet.", "backbone.", "head.")
    assert [_without(name, endings) for name in registered] == [_without(name, endings) for name in NAMES[library]]


def _without(name, beginnings):
    for beginning in beginnings:
        name = name.removeprefix(beginning)
    return name


@pytest.mark.parametrize(
    ("library", "old", "new"),
    [
        ("transformers RegNetY", "regnet.encoder.stages.1.layers.0.layer.3.convolution.weight", "s2.b1.conv3.conv"),
        ("transformers RegNetY", "regnet.encoder.stages.0.layers.0.layer.2.attention.2.weight", "s1.b1.se.fc2"),
        ("transformers RegNetX, no head", "encoder.stages.1.layers.0.layer.2.convolution.weight", "s2.b1.conv3.conv"),
    ],
)
def test_weights_come_to_their_layers(library, old, new, tmp_path):
    """A layer's number depends on whether a gate stands before it, and shapes alone do not tell one from the other."""
    found = imported(tmp_path / "any.npz", tensors(library))
    (tmp_path / "s.yaml").write_text(found.text, encoding="utf-8")
    convert_weights(load(str(tmp_path / "s.yaml")), tmp_path / "any.npz", tmp_path / "t.npz", to="timm")
    with np.load(tmp_path / "t.npz") as theirs:
        np.testing.assert_array_equal(theirs[f"{new}.weight"], tensors(library)[old])


def test_of_foreign_schemes_the_usual_network_is_named():
    """Which of several is meant, names do not tell; timm's legacy ones are further from other libraries'."""
    networks = {name: load(name) for name in ("legacy_seresnet50", "seresnet50")}
    assert order_networks(networks) == ["seresnet50", "legacy_seresnet50"]


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_scheme_names_every_layer_apart(kind):
    name = "regnety_002" if "regnet" in kind else "resnet50d"
    graph = lower(load(name, [f"naming={kind}", "reference=null"]))
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)


def test_a_decoder_beside_an_encoder_is_left_out(tmp_path):
    """Its modules may be called as the network's are; a second set of the same is still refused."""
    more = {"decoder.blocks.0.conv1.0.weight": np.ones((3, 3)), "segmentation_head.0.bias": np.ones(1)}
    body = {name: a for name, a in state().items() if not name.startswith("fc.")}
    found = imported(tmp_path / "any.npz", {**wrapped("encoder.")(body), **more})
    assert found.loaded.spec.head.kind == "none"
    assert sorted(found.data["left_out"]) == sorted(more)
    loaded = load("resnet18", (*SMALL[:-2], "head=none", "reference=null"))
    np.savez(tmp_path / "body.npz", **body)
    with pytest.warns(UserWarning, match="'encoder.' is taken off 30 names.*2 tensors of no layer, left out"):
        ours = run(loaded, np.ones((1, 3, 32, 32), np.float32), weights=tmp_path / "any.npz")
    wanted = run(loaded, np.ones((1, 3, 32, 32), np.float32), weights=tmp_path / "body.npz")
    for name, values in wanted.items():
        np.testing.assert_array_equal(ours[name], values)


STOPS = {
    "a loss": ({"criterion.weight": np.ones(5)}, "'criterion.weight' (5) is not in"),
    "a second head": ({"aux.weight": np.ones((3, 8)), "aux.bias": np.ones(3)}, "'aux.weight' (3x8) is not in"),
    "an average by other names": ({"shadow_conv1": np.ones((4, 3, 7, 7))}, "'shadow_conv1' (4x3x7x7) is not in"),
}


@pytest.mark.parametrize(("more", "said"), STOPS.values(), ids=STOPS)
def test_what_stands_beside_bare_names_is_the_reason(more, said, tmp_path):
    """Not the number of classes, which any checkpoint may have; and what leaves it out is said."""
    problem = refusal(tmp_path / "any.npz", {**zeros("resnet18", "head.classes=7", "reference=null"), **more})
    assert problem.message.startswith(said)
    assert "`weights convert --rename PATTERN=` leaves out" in problem.hint


def test_two_networks_in_a_file_are_named(tmp_path):
    given = zeros("resnet18")
    problem = refusal(tmp_path / "any.npz", {**wrapped("q.")(given), **wrapped("k.")(given)})
    assert "it is there as 'k.' and 'q.'" in problem.hint


HELD = StridedTensor(None, 0, (1,), (1,))


def test_the_one_state_dict_of_a_script_is_read():
    """Whatever its key is; of several, nothing says which is meant, and a tensor beside it is of one itself."""
    with pytest.warns(UserWarning, match="f: read are the tensors under 'net'"):
        found = state_dict({"net": {"a.weight": HELD}, "acc": 91.5, "optimizer": {"state": {}}}, "f", 1000)
    assert found == {"a.weight": HELD}
    with pytest.raises(Refused, match="it holds several state dicts: 'teacher', 'student'"):
        state_dict({"teacher": {"a": HELD}, "student": {"a": HELD}, "epoch": 3}, "f", 1000)
    with pytest.raises(Refused, match="'net' is not a tensor"):
        state_dict({"bias": HELD, "net": {"a.weight": HELD}}, "f", 1000)
    with pytest.raises(Refused, match="'optimizer' is not a tensor"):
        state_dict({"optimizer": {"state": {}}, "epoch": 3}, "f", 1000)
