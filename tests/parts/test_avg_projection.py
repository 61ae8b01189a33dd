"""Average pooling of a shortcut at strides above its window's side: agreed with ONNX, and read back, at any map."""

import itertools

import pytest

from resnet_gen.graph.matching import match
from resnet_gen.onnx.reading import read
from resnet_gen.onnx.witness.model import check_onnx
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import model_bytes, network

SPEC = """\
name: net
stem: {kind: conv3x3, width: 8}
stages: {depths: [1], widths: [8], block: basic, shortcut: avg_projection}
head: {kind: linear, classes: 2}
"""


@pytest.mark.parametrize("stride", range(2, 6))
def test_a_pooled_shortcut_is_the_same_in_the_file_at_every_side_and_stride(stride, tmp_path):
    (tmp_path / "net.yaml").write_text(SPEC)
    for height, width in itertools.combinations_with_replacement(range(4, 13), 2):
        settings = f"stages.strides=[{stride}]", f"input.size=[{height}, {width}]"
        graph = network(tmp_path / "net.yaml", *settings)
        model = model_bytes(graph, SeededWeights(graph, 0))
        check_onnx(graph, model)
        (tmp_path / "net.onnx").write_bytes(model)
        assert match(graph, read(tmp_path / "net.onnx").graph).same
