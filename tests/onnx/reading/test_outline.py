"""What of a file is held in memory: its structure, and no weights."""

import numpy as np
from onnx import TensorProto

from resnet_gen.onnx.reading.model_outline import read_outline
from tests.onnx.reading.models import Hand, file, network


def test_weights_are_left_in_their_file(tmp_path):
    graph, weights = network("cifar-resnet20")
    path = file(graph, weights, tmp_path / "n.onnx")
    found = read_outline(path)
    large = sum(4 * n for n in map(size, found.model.graph.initializer) if 4 * n > 4096)
    assert large > 1_000_000
    assert found.model.ByteSize() < path.stat().st_size - large + 100
    assert sum(place.length for place in found.places if place) == large


def size(tensor: TensorProto) -> int:
    return int(np.prod(tensor.dims))


def test_the_places_are_those_of_the_numbers(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    array = np.arange(3 * 400 * 3, dtype=np.float32).reshape(400, 3, 3, 1)
    hand.write(path, hand.node("Conv", "x", hand.constant(array)))
    found = read_outline(path)
    (place,) = filter(None, found.places)
    there = np.frombuffer(found.data[place.offset : place.offset + place.length], np.float32)
    assert (there == array.ravel()).all()
