"""A model's folder for Triton Inference Server, but for the model: settings, and a README with a client."""

from __future__ import annotations

from resnet_gen.build.delivery import make_triton_files
from resnet_gen.build.passes import serve_graph
from resnet_gen.build.request import Request
from resnet_gen.generate.base import CodeSubject


def files(subject: CodeSubject) -> dict[str, str]:
    """`NAME/config.pbtxt`, `NAME/README.md`, and labels, as `build --target triton` writes them by default."""
    texts, _ = make_triton_files(subject.loaded, serve_graph(subject.loaded, subject.graph), Request(target="triton"))
    return {f"{subject.name}/{name}": data.decode() for name, data in texts.items()}
