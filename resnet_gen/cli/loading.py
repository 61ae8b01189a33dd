"""A spec loaded for a command, what its author should know of it said at once."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_gen.cli.output import say_lines
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.notes import notes


def load_noted(reference: str, settings: Sequence[str] = ()) -> Loaded:
    """The spec, its notes on stderr; raises `Refused` for what cannot be read or planned."""
    loaded = load(reference, settings)
    for note in notes(loaded):
        say_lines(f"{note}\n", err=True)
    return loaded
