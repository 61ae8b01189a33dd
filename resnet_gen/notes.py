"""What a spec's author should know, though nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_gen.load import Loaded
from resnet_gen.plan import stride_notes
from resnet_gen.problems import Problem


def notes(loaded: Loaded) -> list[Problem]:
    """Every note on a spec; raises `Refused` where its stages cannot be planned."""
    return [*stride_notes(loaded), *_head_notes(loaded)]


def _head_notes(loaded: Loaded) -> Iterator[Problem]:
    """A convolution that a child puts before its parent's pooling, behind an activation that only the parent names."""
    marks = (loaded.source.marks.get(("head", key)) for key in ("features", "activation"))
    own, inherited = (mark and mark.value for mark in marks)
    if getattr(loaded.spec.head, "activation", None) is not True or not own or not inherited:
        return
    if own.document in loaded.own and inherited.document not in loaded.own:
        message = f"head.features: its convolution reads the activated map: 'activation: true' stands at {inherited}"
        yield Problem(message, own, "write 'activation: true' or 'activation: false' beside it", severity="note")
