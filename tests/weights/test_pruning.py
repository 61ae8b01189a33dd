"""Two of every four weights zero: which, how many, what it costs, and what stays as it was."""

import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from resnet_gen import build_graph, prune_weights, run
from resnet_gen.problems import Refused
from resnet_gen.weights import checkpoint
from resnet_gen.weights.pruning import measure_pruning, prune

NET = "cifar-resnet20"
SHAPES = st.tuples(st.integers(1, 3), st.sampled_from([4, 8]), st.integers(1, 3), st.integers(1, 3))


def in_groups(values):
    """Every four input channels in a row, for each output channel and place."""
    return np.moveaxis(values, 1, -1).reshape(-1, 4)


@settings(max_examples=60)
@given(arrays.arrays(np.float32, SHAPES, elements=st.floats(-4, 4, width=32)))
def test_of_every_four_the_two_largest_stay_and_two_are_zero(values):
    for shaped in (values, values.reshape(len(values), -1)[:, : values.shape[1]]):
        found = prune(shaped)
        before, after = in_groups(shaped), in_groups(found)
        assert (np.count_nonzero(after, axis=1) <= 2).all()
        kept = after != 0
        assert (after[kept] == before[kept]).all()
        largest = np.sort(np.abs(before), axis=1)[:, 2:].sum(axis=1)
        np.testing.assert_array_equal(np.sort(np.abs(after), axis=1)[:, 2:].sum(axis=1), largest)
        assert measure_pruning("w", shaped, found).zeros >= shaped.size // 2


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_types_stay(dtype):
    values = np.arange(8, dtype=np.float32).reshape(1, 8, 1, 1).astype(dtype)
    found = prune(values)
    assert found.dtype == values.dtype
    assert found.ravel().astype(int).tolist() == [0, 0, 2, 3, 0, 0, 6, 7]


@pytest.fixture
def trained(tmp_path):
    draw = np.random.default_rng(0)
    state = build_graph(NET).state()
    values = {n: draw.standard_normal(t.shape).astype(np.float32) * 0.1 for n, t in state.items()}
    values |= {n: np.abs(v) + 0.5 for n, v in values.items() if n.endswith("running_var")}
    np.savez(tmp_path / "in.npz", **values)
    return tmp_path / "in.npz", values


@pytest.mark.parametrize("name", ["out.npz", "out.safetensors", "out.pth"])
def test_a_checkpoint_is_pruned_where_it_may_be_and_is_else_the_same_to_the_bit(name, trained, tmp_path):
    path, values = trained
    pruning = prune_weights(NET, path, tmp_path / name, keep=["layer3.*.conv2", "fc"])
    assert checkpoint.read(tmp_path / name).keys() == values.keys()
    graph = build_graph(NET)
    loaded = checkpoint.match_state_dict(graph, checkpoint.read(tmp_path / name), tmp_path / name)
    pruned = {tensor.name for tensor in pruning.tensors}
    for tensor, before in values.items():
        after = loaded.rows(tensor, 0, before.shape[0]) if before.ndim else before
        np.testing.assert_array_equal(after, prune(before) if tensor in pruned else before)
    assert set(pruning.whole) == {"conv1.weight", "fc.weight", *(f"layer3.{n}.conv2.weight" for n in range(3))}
    assert pruning.share == 0.5
    assert all(0 < tensor.relative_error < 1 for tensor in pruning.tensors)


def test_the_cost_is_that_of_the_outputs(trained, tmp_path):
    """Signal to noise, found again by running both."""
    path, _ = trained
    draw = np.random.default_rng(1)
    images = draw.standard_normal((4, 3, 32, 32)).astype(np.float32)
    np.savez(tmp_path / "images.npz", images)
    pruning = prune_weights(NET, path, tmp_path / "out.npz", calibration=tmp_path / "images.npz")
    exact, found = (run(NET, images, weights=w)["logits"].astype(float) for w in (path, tmp_path / "out.npz"))
    ratio = 10 * np.log10((exact**2).sum() / ((exact - found) ** 2).sum())
    assert pruning.comparison.decibels["logits"] == pytest.approx(ratio, abs=0.05)
    assert not pruning.drawn


def test_the_command_says_what_it_did(trained, tmp_path, cli):
    path, _ = trained
    code, out, _ = cli("weights", "prune", NET, path, "-o", tmp_path / "out.npz", "--keep", "fc")
    assert code == 0
    assert "50.0% of what was pruned is zero" in out
    assert "3 input channels, no multiple of 4" in out
    code, out, _ = cli("weights", "prune", NET, path, "-o", tmp_path / "b.npz", "--format", "json")
    assert json.loads(out)["drawn"] is True
    assert cli("weights", "prune", NET, path, "-o", tmp_path / "out.npz")[0] == 2


@pytest.mark.parametrize(
    ("spec", "more", "words"),
    [
        (NET, {"keep": ["nothing"]}, "there is no layer 'nothing'"),
        ("resnetv2_50x1_bit", {}, "standardizes its weights"),
        ("resnet18", {}, "."),
    ],
)
def test_what_cannot_be_pruned_is_refused(spec, more, words, trained, tmp_path):
    with pytest.raises(Refused, match=words):
        prune_weights(spec, trained[0], tmp_path / "out.npz", **more)
    assert not (tmp_path / "out.npz").exists()
