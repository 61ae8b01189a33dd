"""The emitted ONNX of every reference network against the outputs that its library computed: `make parity`.

The outputs in `reference/logits.npz` were made with torchvision and timm from
`reference/weights_rule.py`; the same rule fills our networks here, by parameter name.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from resnet_gen.graph import Graph
from resnet_gen.language.load import load
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.system.resources import shipped_specs
from resnet_gen.weights.base import Array, Weights
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.standardization import standardize_weights
from tests.helpers.onnx_runs import TOLERANCE, Session, difference, network
from tests.reference import weights_rule

REFERENCE = Path(__file__).parents[1] / "reference"
SIDES: dict[str, int] = json.loads((REFERENCE / "logits_input.json").read_text())
"""Side of the image that each reference network was given."""


class Streamed:
    """Weights by the reference's rule, drawn as they are asked for; notes how many at a time.

    A weight's numbers come one after the other from one generator, so that rows
    asked for in order need no more memory than themselves.
    """

    def __init__(self, graph: Graph) -> None:
        self._shapes = {name: tensor.shape for name, tensor in graph.state().items()}
        self._open: dict[str, tuple[int, np.random.Generator]] = {}
        self.asked: list[int] = []

    def rows(self, name: str, start: int, stop: int) -> Array:
        shape = self._shapes[name]
        row = math.prod(shape[1:])
        self.asked.append((stop - start) * row)
        if len(shape) < 2:
            return weights_rule.tensor(name, shape)[start:stop]
        at, rng = self._open.pop(name, (0, weights_rule._rng(name)))
        if at > start:
            at, rng = 0, weights_rule._rng(name)
        rng.standard_normal((start - at) * row)
        values = rng.standard_normal((stop - start, *shape[1:])) / np.sqrt(row)
        self._open[name] = (stop, rng)
        return values.astype(np.float32)


@cache
def logits() -> dict[str, Array]:
    """The published outputs, by the name of the network."""
    with np.load(REFERENCE / "logits.npz") as archive:
        return {name: archive[name] for name in archive.files}


@cache
def specs() -> dict[str, str]:
    """The shipped spec of each reference."""
    return {reference: name for name in shipped_specs() if (reference := load(name).spec.reference)}


def written(graph: Graph, weights: Weights, folder: Path) -> tuple[Path, list[int]]:
    """The ONNX of a graph in a file, and the sizes of the pieces that it came in."""
    file = OnnxFile(graph, weights, WriterOptions())
    path = folder / "network.onnx"
    external = "network.data" if file.needs_external_data else None
    sizes = []
    with path.open("wb") as stream:
        sizes += [stream.write(chunk) for chunk in file.chunks(external)]
    if external:
        with (folder / external).open("wb") as stream:
            sizes += [stream.write(chunk) for chunk in file.external_chunks()]
    return path, sizes


def of_variants(reference: str, folder: Path) -> Iterator[tuple[str, float, Streamed, list[int]]]:
    """Each way of writing a network: how far its output is from the published one, what was drawn and written.

    Batch norm is kept and the file run as it is written; then folded, and run
    as ONNX Runtime rewrites it, which users get who tell it nothing.
    """
    graph = network(specs()[reference], f"input.size={SIDES[reference]}")
    for variant in ("kept", "folded"):
        drawn = Streamed(graph)
        made = standardize_weights(graph, drawn)
        path, sizes = written(*(fold_batch_norm(*made) if variant == "folded" else made), folder)
        found = Session(path, optimized=variant == "folded").run(weights_rule.image(SIDES[reference]))
        yield variant, difference(found[0], logits()[reference]), drawn, sizes


def main(wanted: list[str]) -> int:
    """Compare all, or those whose names hold one of the words; returns how many are too far off."""
    failed = 0
    names = [name for name in SIDES if not wanted or any(word in name for word in wanted)]
    for number, name in enumerate(names, 1):
        with tempfile.TemporaryDirectory() as folder:
            found = {variant: off for variant, off, _, _ in of_variants(name, Path(folder))}
        fine = max(found.values()) < TOLERANCE
        failed += not fine
        figures = "  ".join(f"{variant} {off:.1e}" for variant, off in found.items())
        print(f"{number:>3}/{len(names)} {'ok    ' if fine else 'FAILED'} {name:<34} {figures}", flush=True)
    print(f"{len(names) - failed} of {len(names)} within {TOLERANCE:g} of the largest output")
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
