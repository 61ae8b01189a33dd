"""What a file's metadata call its classes: as `wrap` wrote it, else as the spec in them says."""

from __future__ import annotations

import json
from collections.abc import Mapping

from resnet_gen.language.serve import find_spec_labels, parse_labels
from resnet_gen.onnx.metadata_keys import LABELS_KEY, SPEC_KEY
from resnet_gen.system.files import SMALL


def read_class_labels(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the classes in their order, none where nothing is said; raises `ValueError` for what is no list."""
    text = metadata.get(LABELS_KEY)
    if text is not None:
        return parse_labels(_check_size(text))
    try:
        return find_spec_labels(json.loads(_check_size(metadata.get(SPEC_KEY, "{}"))))
    except RecursionError:
        raise ValueError from None


def _check_size(text: str) -> str:
    if len(text) > SMALL:
        raise ValueError
    return text
