"""A model card in Markdown: the paper's table, counts, claims, preprocessing, and what was built."""

from __future__ import annotations

from typing import Any, NamedTuple

from resnet_gen.build.manifest import file_name
from resnet_gen.build.manifest_schema import FileManifest, read_manifest
from resnet_gen.build.passes import serve_graph
from resnet_gen.generate.base import CodeSubject
from resnet_gen.generate.report import collect_facts
from resnet_gen.graph.surroundings import SCORES
from resnet_gen.ops.serving import name_sides
from resnet_gen.problems import refuse
from resnet_gen.system.digest import digest_file
from resnet_gen.system.templates import render

_MOST_LABELS = 100
"""Names of classes that a card lists."""
_AGAIN = "build it again, or name another folder with --build"


class BuiltFile(NamedTuple):
    """A file that a manifest names, which is there and has that hash."""

    name: str
    size: int
    sha256: str


def files(subject: CodeSubject) -> dict[str, str]:
    """`NAME.md`, to be published as README.md. Raises `Refused` for files that are not as their manifest says."""
    graph = serve_graph(subject.loaded, subject.graph)
    found = _read_manifest(subject)
    known = collect_facts(subject.loaded, subject.graph)
    scores = any(value.name in SCORES for value in graph.outputs)
    text = render(
        "card/card.md.jinja",
        **known,
        front=_front_matter(subject, scores),
        graph=graph,
        input_sides=name_sides(graph.input.shape),
        best_values=[value.name.replace("_indices", "_values") for value in graph.outputs if value.dtype == "int64"],
        most_labels=_MOST_LABELS,
        module=subject.module,
        scores=scores,
        built=found,
        built_files=_check_files(subject, found) if found else [],
    )
    return {f"{subject.name}.md": text}


def _front_matter(subject: CodeSubject, scores: bool) -> dict[str, Any]:
    """What Hugging Face's hub reads at a card's top."""
    task = "image-classification" if scores else "image-feature-extraction"
    return {
        "model_name": subject.title,
        "library_name": "onnx",
        "pipeline_tag": task,
        "tags": [task, "onnx", "tensorrt", "resnet-gen", subject.name],
    }


def _read_manifest(subject: CodeSubject) -> FileManifest | None:
    """What was built of this spec; None where no manifest is."""
    if subject.build is None:
        return None
    path = subject.build / file_name(subject.name)
    found = read_manifest(path)
    if found and found.spec.sha256 != subject.loaded.digest():
        raise refuse(f"holds another network called '{subject.name}'", str(path), _AGAIN)
    return found


def _check_files(subject: CodeSubject, found: FileManifest) -> list[BuiltFile]:
    assert subject.build is not None
    rows = []
    for name, digest in found.files.items():
        path = subject.build / name
        if not path.is_file():
            raise refuse("is not there, and the manifest names it", str(path), _AGAIN)
        if digest_file(path) != digest:
            raise refuse("is not the file that the manifest names", str(path), _AGAIN)
        rows.append(BuiltFile(name, path.stat().st_size, digest))
    return rows
