"""A network as somebody names it: by a spec, or by an ONNX file from which one is recovered."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from resnet_gen.graph import Graph
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.lower import lower
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.file_kinds import ONNX
from resnet_gen.system.resources import shipped_specs

if TYPE_CHECKING:
    from resnet_gen.infer.network_files import FileNetwork


@dataclass(frozen=True)
class SpecNetwork:
    """A network that a spec states; a `FileNetwork` has the same attributes and methods."""

    loaded: Loaded

    @cached_property
    def graph(self) -> Graph:
        """What it is lowered to; raises `Refused`."""
        return lower(self.loaded)

    @property
    def name(self) -> str:
        """The spec's name."""
        return self.loaded.spec.name

    @property
    def title(self) -> str:
        """What people call it."""
        return self.loaded.spec.title or self.name

    @property
    def staged(self) -> Graph:
        """The graph, whose nodes stand in stages."""
        return self.graph

    @property
    def own_precision(self) -> None:
        """None: a spec may be built in any."""
        return None

    def require_spec(self, what: str) -> Loaded:
        """The spec, whatever needs it."""
        return self.loaded

    def check_known(self, what: str) -> None:
        """Nothing: each operation of a spec is known."""

    def describe(self) -> Sequence[str]:
        """Nothing: a spec speaks for itself."""
        return ()

    describe_counts = describe_losses = describe

    def as_data(self) -> dict[str, Any]:
        """Nothing beside the counts."""
        return {}


NetworkSource: TypeAlias = Union[SpecNetwork, "FileNetwork"]
"""What `open_network` returns."""


def names_onnx_file(reference: str) -> bool:
    """Whether a word means an ONNX file, by its look."""
    return reference.lower().endswith(ONNX) and reference not in shipped_specs()


def open_network(reference: str, settings: Sequence[str] = ()) -> NetworkSource:
    """The network that a word means: the name or path of a spec, with `--set` texts over it, or an ONNX file.

    Raises `Refused` for what cannot be read, and for settings beside a file.
    """
    if not names_onnx_file(reference):
        return SpecNetwork(load(reference, settings))
    if settings:
        hint = f"`resnet-gen import {shlex.quote(shorten(reference, 100))} -o .` writes a spec, whose keys can be set"
        raise refuse("an ONNX file has its own shape and layers, which no key changes", reference, hint)
    from resnet_gen.infer.network_files import read_network_file  # onnx, which specs do without

    return read_network_file(Path(reference))


def load_or_recover(reference: str, settings: Sequence[str] = (), what: str = "this") -> Loaded:
    """The spec that a word means, recovered from an ONNX file if it is one; `what` is what needs it.

    Raises `Refused` for what cannot be read, and for a file from which no spec was recovered, with the reason.
    """
    return open_network(reference, settings).require_spec(what)
