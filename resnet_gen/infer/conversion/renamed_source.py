"""A file's tensors under the names of a scheme: as they are, by rules that somebody gives, or without wrappers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from resnet_gen.infer.checkpoints.state_names import (
    StateNames,
    derive_all,
    explain_rivals,
    find_layouts,
    list_head_layers,
    with_hint,
)
from resnet_gen.infer.conversion.plan import TensorRow
from resnet_gen.infer.conversion.renames import RenameRule, rename_tensors
from resnet_gen.infer.conversion.schemes import NamingScheme, SchemeNetwork, choose_schemes
from resnet_gen.infer.conversion.source import SchemeSource, find_source, has_source
from resnet_gen.ops import Shape
from resnet_gen.problems import Refused
from resnet_gen.weights import checkpoint
from resnet_gen.weights.checkpoint import FileTensor
from resnet_gen.weights.formats.arrays import COUNTER


class RenamedSource(NamedTuple):
    """A file's tensors as a scheme calls them, what each is called in the file, and what was left out of it."""

    source: SchemeSource
    tensors: Mapping[str, FileTensor]
    origins: Mapping[str, str]
    notes: list[str]
    left: Mapping[str, FileTensor]

    def list_dropped(self) -> Iterator[TensorRow]:
        """The rows of what was left out."""
        for name, tensor in self.left.items():
            yield TensorRow(name, None, tensor.shape, tensor.dtype.name, ("dropped",))


def read_source(
    network: SchemeNetwork, path: Path, called: str | None, rules: Sequence[RenameRule], *, any_head: bool
) -> RenamedSource:
    """The tensors of a file, and the scheme of their names; raises `Refused` as `find_source` does."""
    whole = checkpoint.read(path, counters=True)
    origins = rename_tensors(whole, rules, str(path))
    tensors = {name: whole[old] for name, old in origins.items()}
    shapes = {name: tensor.shape for name, tensor in tensors.items() if not name.endswith(COUNTER)}
    names = None
    if not has_source(network, shapes.keys(), called, any_head=any_head):
        names = _derive_from_schemes(network, shapes, called)
    notes = names.describe() if names else []
    if names:
        found = {**names.names, **_name_counters(names, tensors)}
        origins = {name: origins[old] for name, old in found.items()}
        tensors = {name: tensors[old] for name, old in found.items()}
        shapes = names.rename(shapes)
    try:
        source = find_source(network, shapes, called, str(path), any_head=any_head)
    except Refused as refused:
        helps = (
            f"after this: {'; '.join(notes)}" if notes else explain_rivals(shapes, network.schemes[0].names.values())
        )
        raise with_hint(refused, helps) from None
    read = set(origins.values())
    return RenamedSource(source, tensors, origins, notes, {n: t for n, t in whole.items() if n not in read})


def _derive_from_schemes(network: SchemeNetwork, shapes: Mapping[str, Shape], called: str | None) -> StateNames | None:
    """The names of the scheme that a file has most of behind wrappers; None where it has as many as they are."""
    paths = {node.name: node.path for node in network.graph.nodes}
    heads = [paths[name] for name in list_head_layers(network.graph)]
    best, most = None, 0
    for scheme in choose_schemes(called, network):
        layers = _name_layers(scheme, heads)
        body = {n for n in scheme.names.values() if n.rpartition(".")[0] not in layers}
        most = max(most, len(body & shapes.keys()))
        layouts = find_layouts(scheme.names.values(), layers)
        for names in (found for layout in layouts for found in derive_all(shapes, layout)):
            known = len(body & names.names.keys()) + any(f"{head}.weight" in names.names for head in layers[:1])
            if known > most or (best and known == most and len(names.names) < len(best.names)):
                best, most = names, known
    return best


def _name_layers(scheme: NamingScheme, paths: Sequence[str]) -> list[str]:
    return [scheme.names[path, "weight"].rpartition(".")[0] for path in paths]


def _name_counters(names: StateNames, tensors: Mapping[str, FileTensor]) -> dict[str, str]:
    """The counters of norms, which have the names of their norms."""
    found = {}
    for name, old in names.names.items():
        norm, ending, role = name.rpartition("running_var")
        theirs = old.removesuffix(ending) + COUNTER
        if ending and not role and theirs in tensors:
            found[norm + COUNTER] = theirs
    return found
