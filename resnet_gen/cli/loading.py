"""A network loaded for a command, what its author or who reads its file should know of it said at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from resnet_gen.cli.output import say, say_lines
from resnet_gen.infer.network_sources import SpecNetwork, open_network
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.notes import notes
from resnet_gen.problems import visible

if TYPE_CHECKING:
    from resnet_gen.graph import Graph
    from resnet_gen.infer.network_sources import NetworkSource


def load_noted(reference: str, settings: Sequence[str] = ()) -> Loaded:
    """The spec, its notes on stderr; raises `Refused` for what cannot be read or planned."""
    return _note(load(reference, settings))


def open_noted(reference: str, settings: Sequence[str] = (), what: str = "") -> NetworkSource:
    """The network of a spec or an ONNX file, its notes on stderr; raises `Refused` for what cannot be read.

    `what` is what needs a spec, where a file from which none was recovered is refused.
    """
    source = open_network(reference, settings)
    if what:
        source.require_spec(what)
    if isinstance(source, SpecNetwork):
        _note(source.loaded)
    say_of_file(reference, source.describe())
    return source


def say_of_file(reference: str, lines: Iterable[str]) -> None:
    """Lines about a file on stderr, each behind its name."""
    for line in lines:
        say(visible(f"{reference}: {line}"), err=True)


def choose_rows(source: NetworkSource, layers: bool, form: str) -> tuple[Graph, bool]:
    """The graph whose rows are printed, and whether those are layers: as asked for, or as no stages are known.

    Programs get the rows that they ask for: JSON raises `Refused` in place of rows of another kind.
    """
    staged = source.graph if layers else source.staged
    if staged is not None:
        return staged, layers
    if form == "json":
        source.require_spec("without --layers this")
    say("its stages are not known without a spec: one line a layer", err=True)
    return source.graph, True


def _note(loaded: Loaded) -> Loaded:
    for note in notes(loaded):
        say_lines(f"{note}\n", err=True)
    return loaded
