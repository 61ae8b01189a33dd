"""`generate --to flax`: source that is well formed of every network; with jax and flax installed, what it computes."""

import ast
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from resnet_gen import convert_weights
from resnet_gen.generate.base import Subject, generated
from resnet_gen.load import load
from resnet_gen.problems import Refused
from tests.flax_runs import model, module, network_class, off, outputs, tensors
from tests.onnx_runs import TOLERANCE, Ruled, difference, image
from tests.onnx_runs import outputs as onnx_outputs
from tests.reference import weights_rule
from tests.varied import EVERY, VARIED


@cache
def source(name, *settings):
    ((_, text),) = generated(Subject(load(name, settings)), "flax").items()
    return text


@pytest.mark.parametrize("name", EVERY)
def test_every_network_is_one_file_that_compiles(name):
    text = source(name)
    tree = ast.parse(text)
    *_, network, load_function = tree.body
    assert isinstance(network, ast.ClassDef)
    assert load_function.name == "load"
    assert "SAME" not in text


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flax")
    for name in VARIED:
        (folder / f"{name.replace('-', '_')}.py").write_text(source(name))
    return folder


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")])
def test_ruff_has_nothing_to_say(arguments, sources):
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", str(sources)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_a_file_is_the_same_in_every_process():
    code = "import sys; from tests.test_generate_flax import source; print(*map(source, sys.argv[1:]))"
    names = ["resnest50d_4s2x40d", "regnet_y_400mf", "alphago-zero-20"]
    found = {
        subprocess.run(
            [sys.executable, "-c", code, *names],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(found) == 1
    assert found.pop().count("\nclass ") > 20


@pytest.mark.parametrize("name", ["resnest50d", "legacy_seresnet18", "skresnet18"])
def test_no_two_things_of_a_file_have_one_name(name):
    body = ast.parse(source(name)).body
    names = [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    names += [alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    names += [node.targets[0].id for node in body if isinstance(node, ast.Assign)]
    assert len(names) == len(set(names))


@pytest.fixture
def nnx():
    pytest.importorskip("jax", reason="jax is not installed: pip install resnet-gen[flax]")
    return pytest.importorskip("flax.nnx", reason="flax is not installed: pip install resnet-gen[flax]")


TRIED = [
    "torchvision/resnet18",
    "torchvision/resnet50",
    "torchvision/resnext50_32x4d",
    "torchvision/wide_resnet50_2",
    "torchvision/regnet_y_400mf",
    "torchvision/vgg11_bn",
    "timm/seresnet50",
    "timm/resnetv2_50",
    "timm/resnest50d",
    "timm/res2net50_26w_4s",
    "timm/skresnet18",
    "timm/resnetv2_50x1_bit",
    "timm/ecaresnet50d",
    "timm/resnetblur18",
    "timm/resnetaa50d",
    "timm/regnetz_005",
    "timm/legacy_seresnet18",
    "timm/resnetv2_50d_gn",
]
"""References, one of each kind."""


@pytest.mark.parametrize("reference", TRIED)
def test_outputs_are_the_reference_s(reference, nnx):
    assert off(reference) < TOLERANCE


WITHOUT_REFERENCE = {
    "cifar-resnet20": (),
    "preact110": (),
    "highway-c": (),
    "alphago-zero-20": (),
    "resnet34-a": ("input.size=64",),
    "cbam-resnet50": ("input.size=64",),
    "ecanet50": ("input.size=64",),
    "pyramidnet110_a48": (),
    "resnest14d": ("input.size=72",),  # whose windows hang over: maps of 9 pixels, halved
}


@pytest.mark.parametrize("name", WITHOUT_REFERENCE)
def test_outputs_are_the_emitted_onnx_s(name, nnx):
    loaded = load(name, WITHOUT_REFERENCE[name])
    graph = Subject(loaded).graph
    found = outputs(model(loaded, graph), image(graph, 2))
    assert difference(found, onnx_outputs(graph, Ruled(graph), image(graph, 2))) < TOLERANCE


SMALL = ("cifar-resnet20", "resnet8-digits", "regnet_y_400mf", "res2net50_26w_4s", "alphago-zero-20", "skresnet18")


@pytest.mark.parametrize("name", SMALL)
def test_paths_are_the_published_names(name, nnx):
    loaded = load(name)
    made = module(loaded)
    network = nnx.eval_shape(lambda: network_class(made)(rngs=nnx.Rngs(0)))
    found = {".".join(map(str, path)): value.shape for path, value in nnx.to_flat_state(nnx.state(network))}
    assert found == {name: values.shape for name, values in tensors(Subject(loaded).graph).items()}


@pytest.mark.parametrize("name", SMALL)
def test_weights_convert_writes_what_load_takes(name, tmp_path):
    """The outputs above are computed with these very arrays."""
    graph = Subject(load(name)).graph
    source, out = tmp_path / "published.npz", tmp_path / "flax.npz"
    np.savez(source, **{key: weights_rule.tensor(key, tensor.shape) for key, tensor in graph.state().items()})
    convert_weights(name, source, out, to="flax")
    wanted = tensors(graph)
    with np.load(out) as found:
        assert set(found.files) == set(wanted)
        assert all(np.array_equal(found[key], values) for key, values in wanted.items())


@pytest.fixture
def digits(nnx):
    loaded = load("resnet8-digits")
    return loaded, module(loaded), Subject(loaded).graph


def test_a_network_learns(digits, nnx):
    """A step against its gradient makes a loss smaller, and moves the means of batch norm."""
    import jax

    _, made, graph = digits
    network = network_class(made)(rngs=nnx.Rngs(0))
    x = image(graph, 4).transpose(0, 2, 3, 1)

    def loss(network):
        return (network(x) ** 2).mean()

    before, gradient = nnx.jit(nnx.value_and_grad(loss))(network)
    nnx.update(network, jax.tree.map(lambda p, g: p - 1e-3 * g, nnx.state(network, nnx.Param), gradient))
    assert loss(network) < before
    means = [np.abs(v[...]).max() for path, v in nnx.to_flat_state(nnx.state(network)) if path[-1] == "mean"]
    assert len(means) == 9
    assert min(means) > 0


def test_bfloat16_computes_in_it_and_keeps_parameters(digits, nnx):
    import jax.numpy as jnp

    loaded, made, graph = digits
    exact = model(loaded, graph)
    rough = network_class(made)(dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    made.load(rough, tensors(graph))
    rough.eval()
    x = image(graph, 4).transpose(0, 2, 3, 1)
    assert rough(x).dtype == jnp.bfloat16
    assert {value.dtype.name for _, value in nnx.to_flat_state(nnx.state(rough))} == {"float32"}
    apart = difference(np.asarray(rough(x), np.float32), np.asarray(exact(x)))
    assert 1e-4 < apart < 0.05


def test_features_are_the_stages_maps(nnx):
    loaded = load("resnet18", ("input.size=64",))
    graph = Subject(loaded).graph
    network = model(loaded, graph)
    x = np.zeros((2, 64, 64, 3), np.float32)
    maps = nnx.eval_shape(lambda network, x: network.forward_features(x), network, x)
    assert [m.shape for m in maps] == [(2, 16, 16, 64), (2, 8, 8, 128), (2, 4, 4, 256), (2, 2, 2, 512)]


def test_load_tells_the_first_ten_differences_and_changes_nothing(digits, nnx):
    _, made, graph = digits
    network = network_class(made)(rngs=nnx.Rngs(0))
    before = [np.asarray(value[...]) for _, value in nnx.to_flat_state(nnx.state(network))]
    given = tensors(graph)
    wanted = given.pop("fc.bias")
    given["fc.bais"] = wanted
    given["fc.kernel"] = given["fc.kernel"].T
    with pytest.raises(ValueError, match=r"^3 differences: ") as refused:
        made.load(network, given)
    rows = given["fc.kernel"].shape
    assert str(refused.value) == (
        f"3 differences: 'fc.bias' is missing; 'fc.bais' is unknown; 'fc.kernel' is {rows}, not {rows[::-1]}"
    )
    with pytest.raises(ValueError, match=rf"^{len(before)} differences: ") as refused:
        made.load(network, {})
    assert str(refused.value).count("is missing") == 10
    after = [np.asarray(value[...]) for _, value in nnx.to_flat_state(nnx.state(network))]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_mypy_is_content(nnx, sources):
    pytest.importorskip("mypy", reason="mypy is not installed where jax is: pip install mypy")
    cache = sources.parent / "mypy"
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(cache), str(sources)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("word", ["train", "dtype", "names", "a b"])
def test_a_name_that_no_member_can_have_is_refused(word, monkeypatch):
    subject = Subject(load("resnet8-digits"))
    nodes = tuple(replace(n, name=n.name.replace("fc", word)) for n in subject.graph.nodes)
    renamed = replace(subject.graph, nodes=nodes)
    monkeypatch.setattr("resnet_gen.modules.outline.lower", lambda _: renamed)
    with pytest.raises(Refused, match=f"'{word}', which no member"):
        generated(subject, "flax")


def test_group_norm_takes_the_mean_off_before_it_squares(nnx):
    """Values far from 0, where the mean of squares less the square of the mean has no digits left."""
    made = module(load("resnetv2_50d_gn"))
    norm = made.GroupNorm(4, 2, rngs=nnx.Rngs(0))
    x = 1000 + np.arange(2 * 8 * 8 * 4, dtype=np.float32).reshape(2, 8, 8, 4) % 7 / 100
    groups = x.reshape(2, 64, 2, 2).transpose(0, 2, 1, 3).reshape(2, 2, -1).astype(np.float64)
    wanted = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    found = np.asarray(norm(x)).reshape(2, 64, 2, 2).transpose(0, 2, 1, 3).reshape(2, 2, -1)
    assert np.abs(found - wanted).max() < 0.02
