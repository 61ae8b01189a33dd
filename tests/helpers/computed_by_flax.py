"""What generated Flax computes: run by test_generate_flax.py, in a process that has JAX and nothing else to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from resnet_gen.generate.base import CodeSubject
from resnet_gen.language.load import load
from tests.generate.test_generate_flax import SMALL
from tests.helpers.flax_runs import model, module, network_class, off, outputs, tensors
from tests.helpers.onnx_runs import TOLERANCE, Ruled, difference, image
from tests.helpers.onnx_runs import outputs as onnx_outputs

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
def test_outputs_are_the_reference_s(reference):
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
def test_outputs_are_the_emitted_onnx_s(name):
    loaded = load(name, WITHOUT_REFERENCE[name])
    graph = CodeSubject(loaded).graph
    found = outputs(model(loaded, graph), image(graph, 2))
    assert difference(found, onnx_outputs(graph, Ruled(graph), image(graph, 2))) < TOLERANCE


@pytest.mark.parametrize("name", SMALL)
def test_paths_are_the_published_names(name):
    loaded = load(name)
    made = module(loaded)
    network = nnx.eval_shape(lambda: network_class(made)(rngs=nnx.Rngs(0)))
    found = {".".join(map(str, path)): value.shape for path, value in nnx.to_flat_state(nnx.state(network))}
    assert found == {name: values.shape for name, values in tensors(CodeSubject(loaded).graph).items()}


@pytest.fixture
def digits():
    loaded = load("resnet8-digits")
    return loaded, module(loaded), CodeSubject(loaded).graph


def test_a_network_learns(digits):
    """A step against its gradient makes a loss smaller, and moves the means of batch norm."""
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


def test_bfloat16_computes_in_it_and_keeps_parameters(digits):
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


def test_features_are_the_stages_maps():
    loaded = load("resnet18", ("input.size=64",))
    graph = CodeSubject(loaded).graph
    network = model(loaded, graph)
    x = np.zeros((2, 64, 64, 3), np.float32)
    maps = nnx.eval_shape(lambda network, x: network.forward_features(x), network, x)
    assert [m.shape for m in maps] == [(2, 16, 16, 64), (2, 8, 8, 128), (2, 4, 4, 256), (2, 2, 2, 512)]


def test_load_tells_the_first_ten_differences_and_changes_nothing(digits):
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


def test_group_norm_takes_the_mean_off_before_it_squares():
    """Values far from 0, where the mean of squares less the square of the mean has no digits left."""
    made = module(load("resnetv2_50d_gn"))
    norm = made.GroupNorm(4, 2, rngs=nnx.Rngs(0))
    x = 1000 + np.arange(2 * 8 * 8 * 4, dtype=np.float32).reshape(2, 8, 8, 4) % 7 / 100
    groups = x.reshape(2, 64, 2, 2).transpose(0, 2, 1, 3).reshape(2, 2, -1).astype(np.float64)
    wanted = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    found = np.asarray(norm(x)).reshape(2, 64, 2, 2).transpose(0, 2, 1, 3).reshape(2, 2, -1)
    assert np.abs(found - wanted).max() < 0.02
