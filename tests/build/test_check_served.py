"""`check-engine` of files that are served or wrapped: what of a spec is another, and what nobody can know."""

import json

import pytest

import resnet_gen
from tests.helpers.onnx_runs import TINY
from tests.helpers.surroundings import small_file


def states(file, **asked):
    return {check.what: (check.state, check.reason) for check in resnet_gen.check_engine(file, **asked)}


@pytest.fixture
def served(tmp_path):
    """A file that takes pixels, of a spec that does not say so, and its manifest."""
    return resnet_gen.build(str(TINY), tmp_path, serve={"outputs": ["top1"]})


@pytest.mark.parametrize(
    ("settings", "differ"),
    [
        ({}, "serve differs"),
        ({"serve": {"outputs": ["top2"], "layout": "NCHW"}}, "serve.layout, serve.outputs differ"),
        ({"serve.size": "any", "input.crop": 0.5}, "input.crop, serve.outputs, serve.size differ"),
        (
            {
                "serve": {},
                "head.classes": 5,
                "stem.width": 5,
                "title": "t",
                "norm": {"kind": "batch", "eps": 1e-3},
                "input.crop": 1,
            },
            "head.classes, input.crop, norm.eps, serve.outputs, stem.width and 1 more differ",
        ),
    ],
)
def test_the_keys_of_the_spec_that_differ_are_named(settings, differ, served):
    state, reason = states(served[0], spec=resnet_gen.load_spec(str(TINY), settings))["spec"]
    assert (state, reason) == ("no", f"it is of another 'tiny' than the spec: {differ}")


def test_the_spec_that_says_so_is_that_of_the_file(served):
    loaded = resnet_gen.load_spec(str(TINY), {"serve.outputs": ["top1"]})
    assert states(served[0], spec=loaded)["spec"][0] == "ok"


@pytest.mark.parametrize("resolved", [None, [], "x", {"a\x1b[31m": 1}])
def test_a_manifest_that_says_it_otherwise_names_no_key_that_a_terminal_obeys(resolved, served):
    model, manifest = served
    data = json.loads(manifest.read_text())
    data["spec"]["resolved"] = resolved
    manifest.write_text(json.dumps(data))
    state, reason = states(model, spec=str(TINY))["spec"]
    assert (state, "\x1b" in reason) == ("no", False)
    assert ("differ" in reason) == isinstance(resolved, dict)


def test_of_a_wrapped_file_it_is_said_what_is_not_known(tmp_path):
    pytest.importorskip("onnx_graphsurgeon")
    (tmp_path / "small.onnx").write_bytes(small_file())
    made = resnet_gen.wrap(tmp_path / "small.onnx", tmp_path / "w.onnx", outputs=["top1"])
    assert [*states(made.path)] == ["manifest", "bytes", "proof"]
    found = states(made.path, spec=str(TINY), weights=tmp_path / "w.npz", device="l4")
    assert [state for state, _ in found.values()] == ["ok", "ok", "ok", "unknown", "unknown", "unknown"]
    assert "verify --against" in found["spec"][1]
