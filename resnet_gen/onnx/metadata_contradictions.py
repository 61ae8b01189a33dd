"""Whether what a file's metadata state of what stands around its network is what its graph does."""

from __future__ import annotations

from collections.abc import Mapping

from resnet_gen.graph.surroundings import Surroundings
from resnet_gen.language.surroundings_statement import contrast_statement, read_statement
from resnet_gen.onnx.metadata_keys import SERVE_KEY


def find_contradiction(metadata: Mapping[str, str], found: Surroundings) -> str | None:
    """How a file's metadata contradict its graph, where they say anything of what is around its network."""
    if SERVE_KEY not in metadata:
        return None
    try:
        return contrast_statement(read_statement(metadata[SERVE_KEY]), found)
    except (ValueError, RecursionError):  # pydantic's errors are ValueErrors
        return "what its metadata say of its pixels cannot be read"
