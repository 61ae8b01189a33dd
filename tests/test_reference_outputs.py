"""The emitted ONNX computes what the reference networks compute, for weights and an image known to both.

The outputs in `reference/logits.npz` were made with torchvision (vgg13: timm) from
`reference/weights_rule.py`; the same rule fills our networks here, by parameter name.
"""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from resnet_gen.emit.onnx import OnnxFile, Options
from resnet_gen.graph import Graph
from resnet_gen.load import load
from resnet_gen.ops import BatchNorm
from resnet_gen.passes.fold import fold_batch_norm
from resnet_gen.resources import shipped_specs
from resnet_gen.weights.base import CHUNK, Array
from tests.onnx_runs import TOLERANCE, difference, network, run
from tests.reference import weights_rule

REFERENCE = Path(__file__).parent / "reference"
SIDES = json.loads((REFERENCE / "logits_input.json").read_text())
TIMM_VGG = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}


def published(name: str, reference: str) -> str:
    """What the reference calls our parameter `name`."""
    layer, _, role = name.rpartition(".")
    return f"{TIMM_VGG.get(layer, layer)}.{role}" if reference.startswith("timm/") else name


class Drawn:
    """Tensors by the reference's rule.

    Those of more than one run lie in files of `folder`, shared by all networks: VGG's first linear layer is 411 MB.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def tensor(self, name: str, shape: tuple[int, ...]) -> Array:
        if math.prod(shape) <= CHUNK:
            return weights_rule.tensor(name, shape)
        path = self.folder / f"{name}-{'x'.join(map(str, shape))}.npy"
        with self._lock:
            if not path.exists():
                self.draw(path, name, shape)
        return np.load(path, mmap_mode="r")

    def draw(self, path: Path, name: str, shape: tuple[int, ...], rows: int = 64) -> None:
        """`weights_rule.tensor` of a weight, `rows` rows at a time and so without its gigabytes."""
        rng, fan_in = weights_rule._rng(name), math.prod(shape[1:])
        out = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        for start in range(0, shape[0], rows):
            part = out[start : start + rows]
            part[:] = (rng.standard_normal(part.shape) / np.sqrt(fan_in)).astype(np.float32)
        out.flush()


class Published:
    """The weights of a graph by the names of its reference; notes what is asked for at a time."""

    def __init__(self, graph: Graph, reference: str, drawn: Drawn) -> None:
        self._shapes = {name: tensor.shape for name, tensor in graph.state().items()}
        self._reference, self._drawn = reference, drawn
        self.asked: list[int] = []

    def rows(self, name: str, start: int, stop: int) -> Array:
        shape = self._shapes[name]
        self.asked.append((stop - start) * math.prod(shape[1:]))
        return np.asarray(self._drawn.tensor(published(name, self._reference), shape)[start:stop])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    made = Drawn(tmp_path_factory.mktemp("weights"))
    yield made
    for path in made.folder.iterdir():
        path.unlink()


@pytest.fixture(scope="module")
def logits():
    with np.load(REFERENCE / "logits.npz") as archive:
        return {name: archive[name] for name in archive.files}


def spec_of(reference: str) -> str:
    """The shipped spec that names this reference; timm's VGG-13 is torchvision's, which has no outputs here."""
    if reference == "timm/vgg13":
        return "vgg13"
    (name,) = [name for name in shipped_specs() if load(name).spec.reference == reference]
    return name


def emitted(graph: Graph, weights: object, path: Path) -> list[int]:
    """Write the ONNX; returns the sizes of the pieces that it came in."""
    sizes = []
    with path.open("wb") as stream:
        for chunk in OnnxFile(graph, weights, Options()).chunks():
            sizes.append(stream.write(chunk))
    return sizes


LARGE_ONES = [pytest.param(name, marks=pytest.mark.slow) if "vgg" in name else name for name in SIDES]


@pytest.mark.parametrize("reference", LARGE_ONES)
def test_the_emitted_network_computes_the_reference_outputs(reference, drawn, logits, tmp_path):
    graph = network(spec_of(reference), f"input.size={SIDES[reference]}")
    weights = Published(graph, reference, drawn)
    x = weights_rule.image(SIDES[reference])
    variants = {"kept": (graph, weights)}
    if any(isinstance(node.op, BatchNorm) for node in graph.nodes):
        variants["folded"] = fold_batch_norm(graph, weights)
    for variant, (changed, its_weights) in variants.items():
        path = tmp_path / f"{variant}.onnx"
        sizes = emitted(changed, its_weights, path)
        found = run(path, x)
        assert difference(found[0], logits[reference]) < TOLERANCE, variant
        assert path.stat().st_size == sum(sizes)
        assert_streamed(sizes, weights, changed)
        path.unlink()


def assert_streamed(sizes: list[int], weights: Published, graph: Graph) -> None:
    """Never more than a run of rows was asked for or written at a time, though the network is far larger."""
    total = sum(math.prod(tensor.shape) for tensor in graph.state().values())
    assert max(weights.asked) <= CHUNK
    assert max(sizes) <= 4 * CHUNK
    assert sum(sizes) > 4 * total > 20 * max(sizes)


def test_every_reference_with_outputs_has_a_spec(logits):
    assert set(logits) == set(SIDES)
    assert len({spec_of(reference) for reference in logits}) == len(logits) == 13


def test_large_tensors_are_drawn_as_the_rule_draws_them(tmp_path):
    shape = (131, 5, 3, 3)
    Drawn(tmp_path).draw(tmp_path / "drawn.npy", "a.weight", shape, rows=64)
    np.testing.assert_array_equal(np.load(tmp_path / "drawn.npy"), weights_rule.tensor("a.weight", shape))


@pytest.mark.parametrize("end", ["fc.weight", "layer4.1.bn2.running_var", "conv1.weight"])
def test_the_outputs_tell_if_one_tensor_is_another(end, drawn, logits):
    """Else agreement above would prove little: each tensor in turn scaled by 1.01 is far outside the bound."""
    graph = network("resnet18", "input.size=96")

    class Off(Published):
        def rows(self, name, start, stop):
            return super().rows(name, start, stop) * np.float32(1.01 if name == end else 1)

    model = b"".join(OnnxFile(graph, Off(graph, "torchvision/resnet18", drawn), Options()).chunks())
    found = run(model, weights_rule.image(96))
    assert difference(found[0], logits["torchvision/resnet18"]) > 10 * TOLERANCE
