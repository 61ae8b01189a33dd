"""`weights show` of an ONNX file: what it stores, under its names, and what is not listed."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from resnet_gen import emit_onnx
from resnet_gen.onnx.reading.stored_tensors import list_stored_tensors
from tests.helpers.onnx_runs import TINY

HALF = numpy_helper.from_array(np.ones((2, 3), np.float16), "more")


@pytest.fixture
def file(tmp_path):
    """A file of ours with one tensor of another type, and two constants that stand in nodes."""
    model = onnx.load_from_string(emit_onnx(str(TINY)))
    model.graph.initializer.append(HALF)
    for name in ("one", "two"):
        value = helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0])
        model.graph.node.append(helper.make_node("Constant", [], [name], value=value))
    onnx.save(model, tmp_path / "f.onnx")
    return tmp_path / "f.onnx"


def test_every_initializer_is_listed_in_the_file_s_order(file, cli):
    stored = onnx.load(file).graph.initializer
    wanted = [(t.name, list(t.dims), numpy_helper.to_array(t).dtype.name) for t in stored]
    assert wanted[-1] == ("more", [2, 3], "float16")
    code, out, err = cli("weights", "show", file, "--format", "json")
    assert (code, [(one["name"], one["shape"], one["dtype"]) for one in json.loads(out)]) == (0, wanted)
    assert list_stored_tensors(file).constants == 2
    assert f"{file}: what the ONNX file stores, under its names" in err
    assert "not listed: 2 constants that stand in nodes" in err
    assert "resnet-gen import" in err


def test_settings_mean_nothing_for_a_file(file, cli):
    code, out, err = cli("weights", "show", file, "--set", "head.classes=3")
    assert (code, out, "--set means nothing for an ONNX file" in err) == (2, "", True)
