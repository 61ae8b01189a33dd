"""Checkpoints whose names frameworks have changed: what is what is derived, said, and right by the outputs."""

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from resnet_gen import convert_weights, import_file, run
from resnet_gen.cli import exit_code
from resnet_gen.infer.checkpoints.spec_weights import weights_from
from resnet_gen.infer.checkpoints.state_names import StateLayout, derive_names
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from resnet_gen.weights.initialization import SeededWeights

FIXTURES = Path(__file__).parents[1] / "fixtures" / "checkpoints"
SMALL = ("input.size=32", "stages.depths=[1, 1]", "stages.widths={kind: double, first: 4}", "stem.width=4",
         "head.classes=5", "reference=null")  # fmt: skip


@cache
def state(seed=3):
    """A small ResNet's tensors by torchvision's names, with values."""
    return state_of(load("resnet18", SMALL), seed)


def state_of(loaded, seed=3):
    graph = lower(loaded)
    drawn = SeededWeights(graph, seed)
    found = {name: drawn.rows(name, 0, tensor.shape[0]) for name, tensor in graph.state().items()}
    rng = np.random.default_rng(seed)
    return {name: a + np.float32(0.1) * rng.random(a.shape, np.float32) for name, a in found.items()}


def wrapped(prefix, head=None):
    """What puts a prefix before all names, or one before the body and another before the head."""
    return lambda tensors: {
        f"{prefix if head is None or not name.startswith('fc.') else head}{name}": a for name, a in tensors.items()
    }


def called(head):
    """The last layer in a module of another name."""
    return lambda tensors: {name.replace("fc.", f"{head}.", 1) if name.startswith("fc.") else name: a
                            for name, a in tensors.items()}  # fmt: skip


def both(first, second):
    return lambda tensors: second(first(tensors))


def with_more(change, more):
    return lambda tensors: {**change(tensors), **more}


def hugging_face(tensors, outer="resnet."):
    """The names that transformers gives the same network."""
    names = {}
    for name in tensors:
        layer, _, role = name.rpartition(".")
        words = layer.split(".")
        if words[0] == "fc":
            new = "classifier.1"
        elif len(words) == 1:
            new = f"{outer}embedder.embedder.{'convolution' if words[0] == 'conv1' else 'normalization'}"
        else:
            block = f"{outer}encoder.stages.{int(words[0][-1]) - 1}.layers.{words[1]}"
            kind = {"0": "convolution", "1": "normalization", "c": "convolution", "b": "normalization"}
            if words[2] == "downsample":
                new = f"{block}.shortcut.{kind[words[3]]}"
            else:
                new = f"{block}.layer.{int(words[2][-1]) - 1}.{kind[words[2][0]]}"
        names[f"{new}.{role}"] = tensors[name]
    return names


LOSS = {"criterion.weight": np.ones(5, np.float32)}
AVERAGE = {f"ema_model.module.{name}": a * 0 for name, a in state().items()}
WRAPPED = {
    "mmpretrain": (wrapped("backbone.", "head."), "'head.' is taken off 2 names"),
    "DataParallel of it": (wrapped("module.backbone.", "module.head."), "'module.head.' is taken off"),
    "torch.compile of DDP": (wrapped("_orig_mod.module."), "'_orig_mod.module.' "),
    "Lightning": (wrapped("model.net."), "'model.net.' "),
    "Lightning with a loss": (with_more(wrapped("model."), LOSS), "1 tensor of no layer, left out: 'criterion.weight'"),
    "six modules deep": (wrapped("a.b.c.d.e.f."), "'a.b.c.d.e.f.' is taken off"),
    "prefixes by part": (wrapped("encoder.trunk.", "decoder."), "'decoder.' is taken off 2 names"),
    "fc in a Sequential": (called("fc.1"), "'fc.1' is 'fc'"),
    "fc first in a Sequential": (called("fc.0"), "'fc.0' is 'fc'"),
    "a head of another name": (both(called("classifier"), wrapped("net.")), "'net.classifier' is 'fc'"),
    "both": (both(called("fc.1"), wrapped("module.backbone.", "module.")), "'module.fc.1' is 'fc'"),
    "a projector beside": (
        with_more(wrapped("backbone."), {"projector.0.weight": np.ones((3, 8), np.float32)}), "'projector.0.weight'",
    ),
    "an average beside": (with_more(wrapped("model."), AVERAGE), "an average of the weights, not read"),
    "an average alone": (wrapped("state_dict_ema.module."), "'state_dict_ema.module.' "),
}  # fmt: skip


def outputs(spec, weights):
    x = np.random.default_rng(0).standard_normal((2, *spec.spec.input.shape), np.float32)
    return run(spec, x, weights=weights)["logits"]


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """A small ResNet, its weights by its own names, and what it outputs with them."""
    path = tmp_path_factory.mktemp("exact") / "exact.npz"
    np.savez(path, **state())
    loaded = load("resnet18", SMALL)
    return loaded, path, outputs(loaded, path)


@pytest.fixture(scope="module")
def converted(exact, tmp_path_factory):
    """What a conversion makes of the file with the network's names."""
    loaded, plain, _ = exact
    path = tmp_path_factory.mktemp("converted") / "b.safetensors"
    convert_weights(loaded, plain, path)
    return path.read_bytes()


@pytest.mark.parametrize(("change", "said"), WRAPPED.values(), ids=WRAPPED)
def test_the_weights_are_found(change, said, exact, converted, tmp_path):
    """By a build, with a warning; by a conversion, to the same bytes as from the file with the network's names."""
    loaded, _, _ = exact
    path = tmp_path / "wrapped.npz"
    tensors = change(state())
    np.savez(path, **dict(sorted(tensors.items())))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = weights_from(path, loaded, lower(loaded))
    assert said.strip() in str(caught[-1].message)
    for name, a in state().items():
        np.testing.assert_array_equal(found.rows(name, 0, a.shape[0]), a)
    made = convert_weights(loaded, path, tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == converted
    assert {row.old for row in made.rows if row.old} == set(tensors)


@pytest.mark.parametrize("outer", ["resnet.", "", "module.resnet."])
def test_hugging_faces_names_are_converted(outer, exact, converted, tmp_path):
    loaded, _, _ = exact
    np.savez(tmp_path / "hf.npz", **hugging_face(state(), outer))
    made = convert_weights(loaded, tmp_path / "hf.npz", tmp_path / "a.safetensors")
    assert made.source == "transformers_resnet"
    assert (tmp_path / "a.safetensors").read_bytes() == converted


@pytest.mark.parametrize(
    "change",
    ["mmpretrain", *(pytest.param(name, marks=pytest.mark.long) for name in WRAPPED if name != "mmpretrain")],
)
def test_an_import_makes_the_network_with_the_same_outputs(change, exact, tmp_path):
    _, _, wanted = exact
    np.savez(tmp_path / "any.npz", **WRAPPED[change][0](state()))
    arguments = ["import", "--checkpoint", tmp_path / "any.npz", "-o", tmp_path / "s.yaml", "--weights"]
    assert exit_code([*map(str, arguments), str(tmp_path / "s.safetensors")]) == 0
    found = load(str(tmp_path / "s.yaml"), ["input.size=32"])
    np.testing.assert_array_equal(outputs(found, tmp_path / "s.safetensors"), wanted)


@pytest.mark.parametrize("outer", ["resnet.", ""])
def test_an_import_of_hugging_faces(outer, exact, tmp_path):
    _, _, wanted = exact
    np.savez(tmp_path / "any.npz", **hugging_face(state(), outer))
    found = import_file(tmp_path / "any.npz")
    assert found.loaded.spec.naming.kind == "transformers_resnet"
    (tmp_path / "w.safetensors").write_bytes(b"".join(found.weights()))
    (tmp_path / "s.yaml").write_text(found.text, encoding="utf-8")
    again = load(str(tmp_path / "s.yaml"), ["input.size=32"])
    np.testing.assert_array_equal(outputs(again, tmp_path / "w.safetensors"), wanted)


def test_a_head_of_several_layers(tmp_path):
    """`fc = Sequential(Linear, ReLU, Dropout, Linear)`, as many train it, is a head with a hidden layer."""
    loaded = load("resnet18", (*SMALL[:-2], "head={kind: mlp, pool: 1, hidden: [6], classes: 5}", "reference=null"))
    tensors = state_of(loaded)
    renamed = {name.replace("fc1.", "fc.0.").replace("fc2.", "fc.3."): a for name, a in tensors.items()}
    assert "fc.3.bias" in renamed
    np.savez(tmp_path / "named.npz", **tensors)
    np.savez(tmp_path / "any.npz", **renamed)
    found = import_file(tmp_path / "any.npz")
    assert found.loaded.spec.head.hidden == (6,)
    (tmp_path / "s.yaml").write_text(found.text, encoding="utf-8")
    again = load(str(tmp_path / "s.yaml"), ["input.size=32"])
    with pytest.warns(UserWarning, match="'fc.3' is 'fc2'"):
        here = outputs(again, tmp_path / "any.npz")
    np.testing.assert_array_equal(here, outputs(loaded, tmp_path / "named.npz"))


@pytest.mark.parametrize("layers", [("6",), ("0",), ("0", "6"), ("0", "3", "6")], ids="+".join)
@pytest.mark.parametrize("prefix", ["", "net.backbone."])
def test_some_of_a_heads_layers_are_in_a_sequential(layers, prefix, tmp_path):
    """VGG has three linear layers, of which the last alone is exchanged where it is trained for other classes."""
    head = "head={kind: mlp, pool: 1, hidden: [6, 7], classes: 5}"
    loaded = load("vgg11_bn", ("input.size=32", head, SMALL[2], "reference=null", "deviations={}"))
    tensors = state_of(loaded)
    inner = {f"classifier.{n}": f"classifier.{n}.1" for n in layers}
    renamed = {f"{prefix}{inner.get(n.rpartition('.')[0], n.rpartition('.')[0])}.{n.rpartition('.')[2]}": a
               for n, a in tensors.items()}  # fmt: skip
    np.savez(tmp_path / "any.npz", **renamed)
    with pytest.warns(UserWarning, match=rf"classifier.{layers[0]}.1' is 'classifier.{layers[0]}'"):
        found = weights_from(tmp_path / "any.npz", loaded, lower(loaded))
    for name, a in tensors.items():
        np.testing.assert_array_equal(found.rows(name, 0, a.shape[0]), a)
    convert_weights(loaded, tmp_path / "any.npz", tmp_path / "a.safetensors")
    np.savez(tmp_path / "plain.npz", **tensors)
    convert_weights(loaded, tmp_path / "plain.npz", tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def without(word):
    return lambda tensors: {name: a for name, a in tensors.items() if word not in name}


def with_norm(head):
    roles = ("weight", "bias", "running_mean", "running_var")
    return with_more(called(f"{head}.1"), {f"{head}.0.{role}": np.ones(8, np.float32) for role in roles})


SPARE = {"b.weight": np.ones((5, 8)), "b.bias": np.ones(5)}
WRONG = {
    "two networks": (lambda t: {**wrapped("encoder_q.")(t), **wrapped("encoder_k.")(t)}, "'encoder_k.'"),
    "a norm in the head": (with_norm("fc"), "fc.0"),
    "a norm in a head elsewhere": (both(with_norm("classifier"), wrapped("m.")), "'fc.weight' is missing"),
    "two last layers": (with_more(called("a"), SPARE), "'fc.weight' is missing"),
    "another shape": (
        both(wrapped("m.", "h."), with_more(dict, {"m.layer2.0.conv1.weight": np.ones((7, 4, 3, 3))})),
        "'layer2.0.conv1.weight' is 7x4x3x3, not 8x4x3x3",
    ),
    "a tensor too many": (with_more(wrapped("a.", "b."), {"a.layer1.0.conv9.weight": np.ones(3)}), "conv9"),
    "a tensor beside bare names": (with_more(dict, {"extra.weight": np.ones(3)}), "'extra.weight' belongs to no layer"),
    "a tensor missing": (both(wrapped("a.", "b."), without("layer1.0.bn1.bias")), "'layer1.0.bn1.bias' is missing"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_what_is_not_sure_is_refused(change, said, exact, tmp_path):
    loaded, _, _ = exact
    np.savez(tmp_path / "wrong.npz", **{name: a.astype(np.float32) for name, a in change(state()).items()})
    for attempt in (
        lambda: weights_from(tmp_path / "wrong.npz", loaded, lower(loaded)),
        lambda: convert_weights(loaded, tmp_path / "wrong.npz", tmp_path / "out.npz"),
    ):
        with pytest.raises(Refused) as caught:
            attempt()
        assert said in str(caught.value)
    assert not (tmp_path / "out.npz").exists()


def test_of_two_networks_somebody_says_which(exact, converted, tmp_path):
    loaded, _, _ = exact
    two = {**wrapped("module.encoder_q.")(state()), **wrapped("module.encoder_k.")(state(seed=9))}
    np.savez(tmp_path / "moco.npz", **two)
    with pytest.raises(Refused, match=r"--rename 'module.encoder_q.\*=' --rename 'module.encoder_k.\*=\*' takes one"):
        convert_weights(loaded, tmp_path / "moco.npz", tmp_path / "a.safetensors")
    rename = ["module.encoder_k.*=", "module.encoder_q.*=*"]
    made = convert_weights(loaded, tmp_path / "moco.npz", tmp_path / "a.safetensors", rename=rename)
    assert (tmp_path / "a.safetensors").read_bytes() == converted
    assert made.totals()["dropped"] == len(state())


def test_names_of_the_file_stand_in_the_report(tmp_path, capsys):
    np.savez(tmp_path / "mm.npz", **wrapped("backbone.", "head.")(state()))
    settings = [word for text in SMALL for word in ("--set", text)]
    arguments = ["weights", "convert", "resnet18", str(tmp_path / "mm.npz"), *settings, "-o", str(tmp_path / "o.npz")]
    assert exit_code([*arguments, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tensors"][0]["old"] == "backbone.conv1.weight"
    assert found["renamed"] == ["'backbone.' is taken off 30 names", "'head.' is taken off 2 names"]


def test_counters_go_with_their_norms(exact, tmp_path):
    loaded, _, _ = exact
    more = {f"{n[:-12]}.num_batches_tracked": np.array(7) for n in state() if n.endswith(".running_var")}
    np.savez(tmp_path / "mm.npz", **wrapped("backbone.", "head.")({**state(), **more}))
    made = convert_weights(loaded, tmp_path / "mm.npz", tmp_path / "o.safetensors")
    assert "zero" not in made.totals()
    assert made.totals()["copied"] == len(state()) + len(more)


@pytest.mark.parametrize(
    ("file", "classes", "kind", "renamed"),
    [
        ("backbone_and_head_prefixes", 1000, "torchvision", 102),
        ("fc_in_a_sequential", 7, "torchvision", 2),
        ("hugging_face_names", 1000, "transformers_resnet", 0),
    ],
)
def test_checkpoints_of_frameworks(file, classes, kind, renamed):
    found = import_file(FIXTURES / f"checkpoint_{file}.npz")
    assert found.data["spec"]["extends"] == "resnet18"
    assert found.loaded.spec.head.classes == classes
    assert found.loaded.spec.naming.kind == kind
    assert {name: t.shape for name, t in found.tensors.items()} == {
        name: t.shape for name, t in lower(found.loaded).state().items()
    }
    assert len(found.data["names"]) == renamed
    assert found.data["left_out"] == []


def test_names_of_any_length_take_time_as_they_are_long():
    names = {"a." * 100_000 + "conv1.weight": (3,), "b" * 200_000: (1,), "." * 50_000: ()}
    found = derive_names(names, StateLayout(frozenset({"conv1"}), ("fc",)))
    assert [*found.names] == ["conv1.weight"]


OF_EACH_SCHEME = (
    "resnet18",
    "resnet50d",
    "regnetx_002",
    "regnet_y_400mf",
    "resnetv2_50x1_bit",
    "seresnet50",
    "vgg11_bn",
)


@cache
def shapes_of(name):
    return {key: tensor.shape for key, tensor in lower(load(name)).state().items()}


def recognized(shapes, folder):
    path = folder / "net.npz"
    np.savez(path, **{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    return import_file(path).text


@pytest.mark.parametrize("name", OF_EACH_SCHEME)
def test_a_stray_tensor_beside_a_wrapper_makes_no_other_network(name, tmp_path):
    """Nor is any tensor in the wrapper itself left out, such as a norm behind the last stage."""
    shapes = shapes_of(name)
    inside = {f"online.{key}": shape for key, shape in shapes.items()}
    assert recognized({**inside, "queue": (3,)}, tmp_path) == recognized(shapes, tmp_path)
    with pytest.raises(Refused):
        recognized({**inside, "online.extra.weight": (3,), "queue": (3,)}, tmp_path)


@pytest.mark.parametrize("name", OF_EACH_SCHEME[:4])
def test_a_last_layer_in_a_sequential_is_that_of_any_scheme(name, tmp_path):
    shapes = shapes_of(name)
    *_, last = (node.name for node in lower(load(name)).nodes if node.op.is_layer)
    moved = {
        key.replace(f"{last}.", f"{last}.1.") if key.startswith(f"{last}.") else key: s for key, s in shapes.items()
    }
    assert moved != shapes
    assert recognized(moved, tmp_path) == recognized(shapes, tmp_path)
