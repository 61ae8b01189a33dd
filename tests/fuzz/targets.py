"""What is fuzzed: the kinds of files of `tests.readers.commands`, in each of their formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import structures
from tests.readers.bombs import NAMES, journal, manifest, revision, wrap_manifest
from tests.readers.commands import KINDS

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"


def _committed(folder, data):
    return revision(lambda: {"spec.yaml": data})(folder)


def _plain(name):
    def put(folder, data):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return put


class Target(NamedTuple):
    """Bytes of one format, which the readers of a kind are to end with."""

    kind: str
    put: Callable[[Path, bytes], Path]
    """Writes the bytes into an empty folder; returns the path that readers are given."""
    change: structures.Change
    also: tuple[str, ...] = ()
    """Patterns of files elsewhere in the repository that are seeds, too."""

    @property
    def readers(self):
        """The names of the readers."""
        return KINDS[self.kind]


_FIXTURES = "tests/fixtures/checkpoints/"
TARGETS = {
    "pth": Target("weights", _plain("w.pth"), structures.pytorch, (f"{_FIXTURES}zip_*.pt",)),
    "legacy": Target("weights", _plain("w.pt"), structures.pickles, (f"{_FIXTURES}legacy_*.pt",)),
    "safetensors": Target("weights", _plain("w.safetensors"), structures.safetensors, (f"{_FIXTURES}*.safetensors",)),
    "npz": Target("weights", _plain("w.npz"), structures.members),
    "onnx": Target("onnx", _plain("m.onnx"), structures.protobuf),
    "spec": Target("spec", _plain("spec.yaml"), structures.lines, ("tests/bad_specs/*.yaml", "specs/*/*18*.yaml")),
    "device": Target("device", _plain("device.yaml"), structures.lines, ("tests/bad_targets/*.yaml",)),
    "project": Target("project", _plain(NAMES["project"]), structures.lines, ("tests/bad_projects/*.toml",)),
    "pyproject": Target("pyproject", _plain(NAMES["pyproject"]), structures.lines),
    "lock": Target("lock", _plain(NAMES["lock"]), structures.lines, ("tests/bad_projects/*.lock",)),
    "manifest": Target("manifest", lambda folder, data: manifest(data)(folder), structures.json_values),
    "profile": Target("profile", _plain("p.json"), structures.json_values),
    "wrap": Target("wrap manifest", lambda folder, data: wrap_manifest(data)(folder), structures.json_values),
    "journal": Target("journal", lambda folder, data: journal(data)(folder), structures.json_values),
    "revision": Target("revision", _committed, structures.lines),
    "word": Target("word", _plain("word"), structures.lines),
    "labels": Target("labels", _plain("labels.txt"), structures.lines),
    "calibration": Target("calibration", _plain("images.npz"), structures.members),
    "pictures": Target("calibration", lambda folder, data: _plain("p.png")(folder, data).parent, structures.chunks),
    "table": Target("labelled", _plain("images.csv"), structures.lines),
    "labelled": Target("labelled", _plain("labelled.npz"), structures.members),
    "classes": Target("classes", _plain("classes.txt"), structures.lines),
    "picture": Target("picture", _plain("p.png"), structures.chunks),
}


def corpus(name):
    """The committed files of a target."""
    return sorted((CORPUS / name).iterdir())


def seeds(name):
    """These, and others that lie elsewhere."""
    return corpus(name) + [path for pattern in TARGETS[name].also for path in sorted(ROOT.glob(pattern))]
