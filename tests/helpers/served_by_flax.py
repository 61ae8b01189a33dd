"""What generated Flax of what is served computes: run by test_flax_served.py, in a process that has JAX."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from resnet_gen.build.build import model_bytes
from resnet_gen.build.request import Request
from resnet_gen.language.lower import lower
from resnet_gen.language.served_outputs import with_served_maps
from resnet_gen.weights.initialization import SeededWeights
from tests.generate.test_torch_served import CASES, pixels, served
from tests.helpers.flax_runs import LEAVES, module
from tests.helpers.onnx_runs import run_named


def arrays(graph):
    """The weights that the file has, as Flax names and lays them out."""
    weights, found = SeededWeights(graph, 0), {}
    for name, tensor in graph.state().items():
        values = weights.rows(name, 0, tensor.shape[0]).copy()
        layer, _, role = name.rpartition(".")
        leaf = LEAVES.get(role) or ("kernel" if values.ndim > 1 else "scale")
        axes = (*range(2, values.ndim), 1, 0) if values.ndim > 1 else (0,)
        found[f"{layer}.{leaf}"] = values.transpose(axes)
    return found


def served_model(loaded):
    """The served module with the weights that are drawn for a file."""
    made = module(loaded)
    network = made.Tiny(rngs=nnx.Rngs(0))
    made.load(network, arrays(lower(with_served_maps(loaded))))
    return made.ServedTiny(network)


def check(loaded, x, compiled=False):
    model = served_model(loaded)
    found = nnx.jit(lambda model, x: model(x))(model, x) if compiled else model(jnp.asarray(x))
    wanted = run_named(model_bytes(loaded, Request()), x)
    for (output, ours), theirs in zip(wanted.items(), found, strict=True):
        assert ours.shape == theirs.shape, output
        assert np.allclose(ours, np.asarray(theirs), atol=1e-5, rtol=1e-5), output


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_it_outputs_what_the_file_does(name, compiled):
    check(served(name), pixels(served(name)), compiled)


@pytest.mark.parametrize("size", [(24, 63), (7, 5), (1, 1), (16, 16), (100, 33)])
def test_pictures_of_any_size_are_resized_as_the_file_does_it(size):
    x = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)
    model, wanted = served_model(served("any")), model_bytes(served("any"), Request())
    ours = run_named(wanted, x)["logits"]
    assert np.allclose(ours, np.asarray(model(x)[-1]), atol=0.01 * np.abs(ours).max())


def test_the_network_that_is_served_is_left_as_it_was():
    model = served_model(served("bytes"))
    before = [path for path, _ in nnx.iter_graph(model.network)]
    model(pixels(served("bytes")))
    assert [path for path, _ in nnx.iter_graph(model.network)] == before
    norms = [node for _, node in nnx.iter_graph(model.network) if isinstance(node, nnx.BatchNorm)]
    assert norms
    assert not any(norm.use_running_average for norm in norms)
