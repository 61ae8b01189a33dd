"""Engines that are to use sparse kernels: whether the weights have the zeros for them is looked at, and said."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from resnet_gen import build, build_graph
from resnet_gen.build import sparse_weights
from resnet_gen.build.build_notes import list_sparsity_notes
from resnet_gen.weights.pruning import explain_whole, has_pattern, list_layers, prune
from tests.engine.test_engines import fake

__all__ = ["fake"]
NET = "cifar-resnet20"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Weights as drawn, pruned, and pruned but for the last layer."""
    folder = tmp_path_factory.mktemp("weights")
    draw = np.random.default_rng(0)
    state = build_graph(NET).state()
    values = {n: draw.standard_normal(t.shape).astype(np.float32) * 0.1 for n, t in state.items()}
    values |= {n: np.abs(v) + 0.5 for n, v in values.items() if n.endswith("running_var")}
    np.savez(folder / "dense.npz", **values)
    layers = [name for name, node in list_layers(build_graph(NET)).items() if explain_whole(node) is None]
    sparse = {**values, **{name: prune(values[name]) for name in layers}}
    np.savez(folder / "sparse.npz", **sparse)
    np.savez(folder / "part.npz", **{**sparse, "fc.weight": values["fc.weight"]})
    return folder


def built(folder, weights=None, **more):
    """The part of the manifest, and the notes of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        *_, manifest = build(NET, folder, compare=False, weights=weights, **more)
    data = json.loads(manifest.read_text())
    said = [str(one.message) for one in caught if "sparsity" in str(one.message)]
    return data.get("engine") or data.get("bundle"), list(list_sparsity_notes(manifest)), said


def test_dense_weights_are_a_warning_with_what_helps(checkpoints, fake, tmp_path):
    for place, weights, words in (
        ("seed", None, "drawn weights have no zeros"),
        ("file", checkpoints / "dense.npz", "no layer has two zeros in every four"),
    ):
        part, (warning, hint), said = built(tmp_path / place, weights, target="tensorrt", engine={"sparsity": True})
        assert (part["sparse_weights"]["layers"], part["sparse_weights"]["share"]) == (0, 0.0)
        assert len(part["sparse_weights"]["dense"]) == 19
        assert "conv1" not in part["sparse_weights"]["dense"]  # three input channels: no kernel is for these
        assert warning == f"warning: {NET}: sparsity changes nothing: {words}, and kernels for dense weights are used"
        assert hint.startswith(f"hint: resnet-gen weights prune {NET} ")
        assert said == [warning.removeprefix("warning: ")]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_weights_with_the_pattern_are_known_in_each_precision_and_nothing_is_said(checkpoints, precision, tmp_path):
    more = {"calibration": "random"} if precision == "int8" else {}
    more |= {"device": "h100", "precision": precision, "engine": {"sparsity": True}}
    part, notes, said = built(tmp_path, checkpoints / "sparse.npz", **more)
    assert (part["sparse_weights"], notes, said) == ({"layers": 19, "dense": [], "share": 0.9984}, [], [])


def test_what_stayed_dense_is_named_for_a_bundle_too(checkpoints, cli, tmp_path):
    words = ["--for", "h100", "--no-compare", "-o", tmp_path, "--sparsity", "--weights", checkpoints / "part.npz"]
    code, _, err = cli("build", NET, *words)
    assert code == 0, err
    assert f"note: {NET}: 18 of 19 layers that may be sparse are, with 99.6% of the weights; dense: fc\n" in err
    bundle = json.loads((tmp_path / f"{NET}.manifest.json").read_text())["bundle"]
    assert bundle["sparse_weights"] == {"layers": 18, "dense": ["fc"], "share": 0.996}


def test_nothing_is_looked_at_where_no_sparsity_is_asked_for(fake, tmp_path):
    for value in (False, None):
        engine = {} if value is None else {"engine": {"sparsity": value}}
        part, notes, said = built(tmp_path, target="tensorrt", **engine)
        assert ("sparse_weights" in part, notes, said) == (False, [], [])


@pytest.mark.parametrize("shape", [(3, 16), (2, 12, 3, 1), (1, 32, 1, 2)])
def test_the_pattern_is_what_pruning_makes_and_one_weight_more_breaks_it(shape):
    draw = np.random.default_rng(0)
    pruned = prune(draw.standard_normal(shape, np.float32))
    assert has_pattern(pruned)
    for place in draw.permutation(np.argwhere(pruned == 0))[:20]:
        more = pruned.copy()
        more[tuple(place)] = 1
        assert not has_pattern(more)


def test_a_layer_is_sparse_where_every_run_of_its_rows_is(monkeypatch):
    """Large weights are read in several."""
    monkeypatch.setattr(sparse_weights, "row_ranges", lambda shape: [(row, row + 1) for row in range(shape[0])])
    values = prune(np.random.default_rng(0).standard_normal((3, 8), np.float32))
    rows = SimpleNamespace(rows=lambda _, start, stop: values[start:stop])
    assert sparse_weights._is_sparse(rows, "w", values.shape)
    values[2] = 1
    assert not sparse_weights._is_sparse(rows, "w", values.shape)


def test_the_pattern_is_of_four_inputs_in_a_row_for_each_output_and_place():
    values = np.ones((2, 8, 3, 1), np.float32)
    values[:, [0, 1, 6, 7]] = 0
    assert has_pattern(values)
    assert has_pattern(values[:, :, 0, 0])
    values[1, 7, 2, 0] = 1
    assert not has_pattern(values)
    lying = np.ones((8, 4, 1, 1), np.float32)  # zeros along outputs, or of six in twelve, are none
    lying[::2] = 0
    assert not has_pattern(lying)
