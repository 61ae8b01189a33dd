"""A model's folder for Triton Inference Server, but for the model: settings, and a README with a client."""

from __future__ import annotations

from resnet_gen.build.delivery import make_triton_files
from resnet_gen.build.request import Request
from resnet_gen.generate.base import CodeSubject


def files(subject: CodeSubject) -> dict[str, str]:
    """`NAME/config.pbtxt` and `NAME/README.md`, as `build --target triton` writes them by default."""
    texts, _ = make_triton_files(subject.loaded, subject.graph, Request(target="triton"))
    return {f"{subject.name}/{name}": data.decode() for name, data in texts.items()}
