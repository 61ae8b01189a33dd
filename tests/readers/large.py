"""What commands take of a file of a hundred megabytes: `python -m tests.readers.large`, a line of JSON for each.

The network is ResNet-50, in each format of weights and as ONNX with its weights within and beside it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.weights.formats import writing
from resnet_gen.weights.initialization import SeededWeights
from tests.readers.commands import command, load_all
from tests.readers.measure import MEBIBYTE, elsewhere, faults, taken

NETWORK = "resnet50"
COMMANDS = {
    "weights": (
        ("weights", "show", "{}"),
        ("weights", "convert", NETWORK, "{}", "-o", "{folder}/converted.npz", "--force"),
        ("import", "{}"),
        ("build", NETWORK, "--weights", "{}", "-o", "{folder}/built", "--force"),
    ),
    "onnx": (
        ("import", "{}"),
        ("diff", NETWORK, "{}"),
        ("verify", NETWORK, "--no-config", "--against", "{}"),
        ("verify", NETWORK, "--no-config", "--against", "{}", "--weights", "{folder}/w.safetensors"),
    ),
}


def _write(folder):
    """Write the files, and a list of them: (kind, name, bytes in all)."""
    listed = folder / "files"
    listed.write_text(json.dumps(list(_files(folder))), encoding="utf-8")
    return listed


def _files(folder):
    graph = lower(load(NETWORK))
    weights = SeededWeights(graph)
    tensors = writing.from_weights({name: t.shape for name, t in graph.state().items()}, weights)
    for name, write in {"w.pth": writing.pytorch, "w.safetensors": writing.safetensors, "w.npz": writing.npz}.items():
        yield "weights", name, _put(folder / name, write(tensors))
    file = OnnxFile(graph, weights, WriterOptions())
    yield "onnx", "whole.onnx", _put(folder / "whole.onnx", file.chunks())
    beside = _put(folder / "split.onnx.data", file.external_chunks())
    yield "onnx", "split.onnx", beside + _put(folder / "split.onnx", file.chunks("split.onnx.data"))


def _put(path, chunks):
    with path.open("wb") as stream:
        return sum(stream.write(chunk) for chunk in chunks)


def main():
    """Print (command, file, bytes, MiB, seconds, faults, exit code, what was said) of each command on each file."""
    load_all()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        least = taken(lambda: None, folder, folder / "said")
        elsewhere(lambda: _write(folder))  # what writing takes is not measured
        for kind, name, size in json.loads((folder / "files").read_text(encoding="utf-8")):
            path = folder / name
            for words in COMMANDS[kind]:
                got = taken(partial(command(*words), path), folder, folder / "said")
                took = round((got.memory - least.memory) / MEBIBYTE), round(got.seconds - least.seconds, 1)
                row = (" ".join(words), path.name, size, *took, faults(got, size, least), got.code, got.said[-500:])
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
