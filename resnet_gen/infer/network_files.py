"""A network that an ONNX file holds, with the spec that was recovered from it or the reason why none was."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from resnet_gen.graph import Graph, Node
from resnet_gen.graph.counts import Counts, count, count_nodes
from resnet_gen.graph.surrounding_terms import describe_surroundings
from resnet_gen.infer.recovery import Imported, network_name, read_graph, recover_from_graph
from resnet_gen.infer.shipped_specs import EquivalentSpec, describe_equivalents
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.onnx.reading import OnnxModel, Opaque
from resnet_gen.problems import Problem, refuse, several, shorten, visible

_NAMED = 5
_METADATA = "not carried: metadata"
"""Of a file that stays what it is."""


@dataclass(frozen=True)
class FileNetwork:
    """A network that an ONNX file holds: its operations as they stand there, and the spec that makes the same.

    `recovered` is a `Problem` where no spec was found: it names the first node that no part makes.
    """

    path: Path
    name: str
    """The file's, as the name of a spec may be."""
    model: OnnxModel
    recovered: Imported | Problem

    @property
    def loaded(self) -> Loaded | None:
        """The recovered spec, if there is one."""
        return None if isinstance(self.recovered, Problem) else self.recovered.loaded

    @property
    def graph(self) -> Graph:
        """What the file computes: its own layers under its own names, norms folded where they are."""
        return self.model.graph

    @property
    def own_precision(self) -> str:
        """What its layers compute in: a word of `build --precision`, or `fp64`."""
        return self.model.precision

    @property
    def title(self) -> str:
        """What it is called: the file's name."""
        return visible(self.path.name)

    @cached_property
    def staged(self) -> Graph | None:
        """The file's layers, each in the stage of the recovered spec, in that one's order; None without a spec."""
        if isinstance(self.recovered, Problem) or not (self.recovered.found and self.recovered.read):
            return None
        pairs = self.recovered.found.match.pairs
        places = {node.path: place for place, node in enumerate(self.recovered.found.graph.nodes)}
        ordered = sorted(pairs, key=lambda pair: places[pair[0].path])
        nodes = (replace(theirs, path=ours.path, role=ours.role) for ours, theirs in ordered)
        return replace(self.recovered.read.graph, nodes=tuple(nodes))

    @cached_property
    def spec_counts(self) -> Counts | None:
        """The counts of the recovered spec, which has the norms that the file may have folded; None without a spec."""
        return None if self.loaded is None else count(lower(self.loaded))

    @property
    def unknown(self) -> tuple[Node, ...]:
        """The nodes that are none of our operations."""
        return tuple(node for node in self.graph.nodes if isinstance(node.op, Opaque))

    def require_spec(self, what: str) -> Loaded:
        """The recovered spec; raises `Refused` with the reason why there is none, which `what` needs."""
        if isinstance(self.recovered, Problem):
            why = self.recovered
            raise refuse(f"{what} needs a spec, and none was recovered: {why.message}", str(self.path), why.hint)
        return self.recovered.loaded

    def check_known(self, what: str) -> None:
        """Refuse a file with operations that are none of ours, of which `what` would know nothing."""
        if self.unknown:
            self.require_spec(what)

    @property
    def equivalents(self) -> tuple[EquivalentSpec, ...]:
        """The shipped specs that compute the same."""
        if isinstance(self.recovered, Problem):
            return ()
        same, standardized = (self.recovered.data[key] for key in ("same_as", "same_as_standardized"))
        return (*(EquivalentSpec(one, False) for one in same), *(EquivalentSpec(one, True) for one in standardized))

    def describe(self) -> Iterator[str]:
        """Lines that say what was read: what the spec comes from, or why there is none, and what is not known."""
        many = several(len(self.graph.nodes), "operation")
        if isinstance(self.recovered, Problem):
            why, hint = self.recovered.message, self.recovered.hint
            yield f"read as {many}; no spec was recovered: {why}{f' ({hint})' if hint else ''}"
        else:
            same = " and ".join(describe_equivalents(self.equivalents))
            yield f"read as {many}, imported as a spec that computes {same or 'the same'}"
        around = describe_surroundings(self.model.surroundings)
        yield from (f"around the network, which alone is looked at, it {line}" for line in around)
        if self.model.open_size:
            height, width = self.graph.input.shape[1:]
            yield f"its height and width are open: looked at for images of {height}x{width}"
        if self.unknown:
            yield self._describe_unknown()

    def as_data(self) -> dict[str, Any]:
        """What `count` says of the file for programs, beside its counts."""
        found = count_nodes(self.unknown)
        why = self.recovered if isinstance(self.recovered, Problem) else None
        return {
            "file": str(self.path),
            "precision": self.model.precision,
            "batch": self.model.batch,
            "around": describe_surroundings(self.model.surroundings),
            "imported": self._spec_data(self.spec_counts) if self.spec_counts else None,
            "reason": why and why.message,
            "unknown": {"nodes": [n.name for n in self.unknown], "params": found.params, "macs": found.macs},
        }

    def _spec_data(self, found: Counts) -> dict[str, Any]:
        same = [one.name for one in self.equivalents if not one.standardized]
        return {"same_as": same, "params": found.params, "buffers": found.buffers}

    def _describe_unknown(self) -> str:
        nodes = self.unknown
        found = count_nodes(nodes)
        shown = ", ".join(f"'{shorten(n.name, 40)}' ({_operator(n)})" for n in nodes[:_NAMED])
        more = f" and {len(nodes) - _NAMED:,} more" if len(nodes) > _NAMED else ""
        known = f"counts have {several(found.params, 'parameter')} and {found.macs:,} MACs of them"
        return f"unknown: {several(len(nodes), 'operation')} of the file: {shown}{more}; {known}"

    def describe_losses(self) -> Iterator[str]:
        """Lines that `import` says of the file: its folded norms, its names, and what the spec does not carry."""
        if isinstance(self.recovered, Problem):
            return
        yield from (line for line in self.recovered.account if not line.startswith(("proof: ", "same: ", _METADATA)))
        file = shlex.quote(shorten(str(self.path), 100))
        yield f"not carried: its weights, which `resnet-gen import {file} --weights FILE.safetensors` writes"

    def describe_counts(self) -> Iterator[str]:
        """Lines that say what the counts of the file are of, where the spec's or the file's own are others."""
        if self.model.precision != "fp32":
            yield f"computes in {self.model.precision}: counted as the float32 network that it is, without scales"
        if self.model.batch not in (None, 1):
            yield f"fixed to a batch of {self.model.batch:,}: counted for one image"
        spec = self.spec_counts
        if spec is None:
            if self.model.batch_norm == "folded":
                yield "its convolutions have biases, and maybe norms folded into them: those are counted as they stand"
            return
        here = count(self.graph)
        if (here.params, here.buffers) != (spec.params, spec.buffers):
            yield (
                f"counts are of the file, with its norms folded: {_sizes(here)}; "
                f"the spec, which has the norms, has {_sizes(spec)}"
            )


def read_network_file(path: Path) -> FileNetwork:
    """The network of an ONNX file; raises `Refused` for one that cannot be read."""
    name = network_name(path, None)
    model, why = read_graph(path)
    return FileNetwork(path, name, model, recover_from_graph(model, why, name))


def _operator(node: Node) -> str:
    return shorten(node.op.op_type, 40) if isinstance(node.op, Opaque) else type(node.op).__name__


def _sizes(found: Counts) -> str:
    return f"{found.params:,} parameters and {several(found.buffers, 'buffer')}"
