"""A C++17 program that runs a TensorRT engine and classifies pictures."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from resnet_gen.generate.base import CodeSubject
from resnet_gen.graph import Value
from resnet_gen.problems import refuse
from resnet_gen.system.templates import render_tree

SCORES = ("logits", "probabilities")
"""What heads that classify output (`parts/heads/scores`)."""


def files(subject: CodeSubject) -> dict[str, str]:
    """A folder `NAME/`: `network.hpp` and README.md are this network's, the rest is the same for all.

    Raises `Refused` for a network that outputs no scores of classes, and for channels that no picture has.
    """
    taken, scores = subject.loaded.spec.input, _find_scores(subject)
    if taken.mode is None:
        message = f"{subject.name}: a picture cannot become {taken.channels} channels"
        raise refuse(message, hint="1, 3 and 4 channels can be read")
    mean, std = taken.normalization
    texts = render_tree(
        "cpp",
        name=subject.name,
        title=subject.title,
        input=subject.graph.input,
        scores=scores,
        mean=_format_floats("mean", mean),
        std=_format_floats("std", std),
        taken=taken,
    )
    return {f"{subject.name}/{name}": text for name, text in texts.items()}


def _find_scores(subject: CodeSubject) -> Value:
    """The output that holds a score for each class."""
    for value in subject.graph.outputs:
        if value.name in SCORES and len(value.shape) == 1:
            return value
    found = ", ".join(f"'{value.name}'" for value in subject.graph.outputs)
    message = f"{subject.name} classifies nothing: it outputs {found}"
    raise refuse(message, hint="a head with classes outputs 'logits' or 'probabilities'")


def _format_floats(what: str, values: Sequence[float]) -> list[str]:
    """Numbers as float32 literals of C++, which the compiler need not round again."""
    try:
        exact = [struct.unpack("<f", struct.pack("<f", value))[0] for value in values]
    except OverflowError:
        raise refuse(f"input.{what}: beyond what float32 holds") from None
    if any(found == 0 != value for found, value in zip(exact, values, strict=True)):
        raise refuse(f"input.{what}: too near 0 for float32")
    return [f"{value!r}F" for value in exact]
