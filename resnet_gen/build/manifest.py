"""The manifest beside what was built: what the files are, and of what they were made.

Nothing in it depends on the machine or the day, so a second build writes the same one.
"""

from __future__ import annotations

import filecmp
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from resnet_gen import __version__
from resnet_gen.engine.names import ENGINE
from resnet_gen.graph import Graph, Value
from resnet_gen.graph.counts import Counts
from resnet_gen.language.load import Loaded
from resnet_gen.ops.serving import name_sides
from resnet_gen.problems import refuse
from resnet_gen.system.digest import digest_file
from resnet_gen.system.files import open_regular_file, read_regular_file, why_unread
from resnet_gen.weights.downloads.names import WeightsFile

REPLACE_HINT = "pass --force to replace it, or choose another folder with -o"
LARGEST = 1 << 21
"""Bytes of a manifest; those of the deepest networks take a tenth of it."""
_METADATA = 1 << 16
"""Bytes at the end of a model within which its metadata stand."""


def file_name(network: str) -> str:
    """The file that describes what was built of a network."""
    return f"{network}.manifest.json"


def locate_beside(path: Path) -> Path:
    """The manifest beside a file, whose name begins with the network's."""
    return path.with_name(file_name(path.name.partition(".")[0]))


def weights_entry(found: WeightsFile | None, seed: int) -> dict[str, Any]:
    """Where weights come from: a file by its name and hash, and by what it is published as, else a seed.

    Raises `Refused` for a file that cannot be read.
    """
    if found is None:
        return {"source": "seed", "seed": seed}
    published = {"published": found.origin} if found.origin else {}
    try:
        digest = digest_file(found.path)
    except OSError as error:
        raise refuse(why_unread(error), str(found.path)) from None
    return {"source": "file", "file": found.path.name, "sha256": digest, **published}


class NetworkShapes(NamedTuple):
    """What a network takes and outputs: its graph, its batch if that is fixed, and what has a symbolic size."""

    graph: Graph
    batch: int | None = None
    open_values: frozenset[str] = frozenset()

    def describe(self, value: Value) -> dict[str, Any]:
        """Shape and type of a value: the batch first, `N`, `H` and `W` where they are symbolic."""
        sides = name_sides(value.shape)
        if value.name in self.open_values:
            sides = [*sides[:-2], "H", "W"]
        return {"shape": ["N" if self.batch is None else self.batch, *sides], "type": value.dtype}


def manifest_text(loaded: Loaded, counts: Counts, shapes: NetworkShapes, made: dict[str, Any]) -> str:
    """The manifest as text; `made` is how it was made and what came of it, in order.

    `counts` are those of the specification, before any pass.
    """
    graph = shapes.graph
    manifest = {
        "name": loaded.spec.name,
        "tool": {"name": "resnet-gen", "version": __version__},
        "spec": {"sha256": loaded.digest(), "resolved": loaded.built()},
        "counts": counts.as_dict(),
        "inputs": {graph.input.name: shapes.describe(graph.input)},
        "outputs": {v.name: shapes.describe(v) for v in graph.outputs},
        **made,
    }
    return json.dumps(manifest, indent=2) + "\n"


def read(path: Path) -> dict[str, Any] | None:
    """The manifest at a path; None where there is none, or something else."""
    try:
        data = json.loads(read_regular_file(path, LARGEST))
        whole = isinstance(data["spec"]["sha256"], str) and data["weights"]["source"] and "engine" in data
        return dict(data) if whole and isinstance(data["files"], dict) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def check_replaceable(folder: Path, loaded: Loaded, weights: dict[str, Any], model_name: str) -> None:
    """Refuse to replace what was built of another spec or with another file's weights, or by something else."""
    name = loaded.spec.name
    path, model = folder / file_name(name), folder / model_name
    for file in (path, model):
        if file.exists() and not file.is_file():
            raise refuse("is in the way: not a file", str(file), "remove it, or choose another folder with -o")
    if not path.exists():
        if model.exists() and not _carries_digest(model, loaded.digest()):
            raise refuse("exists and has no manifest: not built here", str(model), REPLACE_HINT)
        return
    there = read(path)
    if there is None:
        raise refuse("exists and is not a manifest of this tool", str(path), REPLACE_HINT)
    if there["spec"]["sha256"] != loaded.digest():
        raise refuse(f"holds another network called '{name}'", str(path), REPLACE_HINT)
    if there["weights"]["source"] == "file" and there["weights"] != weights:
        raise refuse(f"holds the weights of '{there['weights'].get('file')}'", str(path), REPLACE_HINT)


def check_strangers(folder: Path, name: str, model_name: str, files: Iterable[str]) -> None:
    """Refuse to replace files beside a model where no manifest says that they were built here."""
    if (folder / file_name(name)).exists():
        return
    for file in files:
        if file != model_name and (folder / file).exists():
            raise refuse("exists and has no manifest: not built here", str(folder / file), REPLACE_HINT)


def _carries_digest(model: Path, digest: str) -> bool:
    """Whether an ONNX file that has no manifest, as `emit_onnx` writes it, is of this spec."""
    with open_regular_file(model) as stream:
        stream.seek(-min(model.stat().st_size, _METADATA), 2)
        return digest.encode() in stream.read()


def is_as_built(fresh: Path, existing: Path) -> bool:
    """Whether a file is what was just built once more.

    TensorRT numbers its internals anew in each build, so an engine is held
    against the hash in its manifest, and manifests are compared without it.
    """
    if not existing.is_file():
        return False
    if fresh.suffix == ENGINE:
        there = read(locate_beside(existing))
        return there is not None and bool(digest_file(existing) == there["files"].get(existing.name))
    if fresh.name.endswith(file_name("")):
        return _without_engine_hash(fresh) == _without_engine_hash(existing)
    return filecmp.cmp(fresh, existing, shallow=False)


def _without_engine_hash(path: Path) -> str:
    """A manifest's text with the engine's hash, which no two builds share, blotted out."""
    text = read_regular_file(path, LARGEST).decode("utf-8", "replace")
    engine = (read(path) or {}).get("engine")
    return text.replace(str(engine["sha256"]), "") if isinstance(engine, dict) and engine.get("sha256") else text
