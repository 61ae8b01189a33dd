"""A model's folder for Triton Inference Server, but for the model: settings, and a README with a client."""

from __future__ import annotations

from resnet_gen.build.delivery import Delivery, triton
from resnet_gen.build.request import BuildBatch
from resnet_gen.generate.base import CodeSubject


def files(subject: CodeSubject) -> dict[str, str]:
    """`NAME/config.pbtxt` and `NAME/README.md`, as `build --target triton` writes them by default."""
    batch = BuildBatch()
    delivery = Delivery(subject.loaded, subject.graph, "fp32", (batch.fixed, batch.range), None, served=True)
    texts, _ = triton(delivery)
    return {f"{subject.name}/{name}": data.decode() for name, data in texts.items()}
