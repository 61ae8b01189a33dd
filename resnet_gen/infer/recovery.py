"""A file of another tool to the text of a specification, with what is to be said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from resnet_gen.graph import Graph
from resnet_gen.graph.inner_outputs import drop_embeddings, order_outputs
from resnet_gen.graph.repeated_relus import without_repeated_relus
from resnet_gen.infer.checkpoints import recognition
from resnet_gen.infer.file_weights import TransferredWeights
from resnet_gen.infer.preprocessing import add_preprocessing, add_serving
from resnet_gen.infer.proof import RecoveredSpec, load_recovered
from resnet_gen.infer.report import as_json, describe_recovery, explain_refusal
from resnet_gen.infer.search import UnexplainedGraph, infer_spec
from resnet_gen.infer.shipped_specs import derive_extension, describe_equivalents, find_equivalents
from resnet_gen.infer.spec_text import spec_yaml
from resnet_gen.language.design_rules import find_broken_steps, find_excused_steps
from resnet_gen.language.faults import NAME_HINT
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.language.spec import NAME_PATTERN
from resnet_gen.onnx.reading import NotExplained, OnnxModel, read
from resnet_gen.problems import Problem, refuse, shorten, visible
from resnet_gen.system.file_kinds import ENGINE
from resnet_gen.weights import checkpoint
from resnet_gen.weights.checkpoint import FileTensor, is_weights_file
from resnet_gen.weights.formats.writing import from_weights, safetensors, tensor_data


class Imported(NamedTuple):
    """A specification that was recovered from a file."""

    text: str
    """The spec as YAML."""
    account: tuple[str, ...]
    """Lines about how it was proved, and what of the file it does not carry."""
    data: dict[str, Any]
    """The same for programs."""
    loaded: Loaded
    """The spec, checked."""
    found: RecoveredSpec | None = None
    """The proof, of an ONNX file."""
    read: OnnxModel | None = None
    """The ONNX file as it was read."""
    tensors: Mapping[str, FileTensor] | None = None
    """The tensors of a checkpoint, under the spec's names."""

    def weights(self) -> Iterator[bytes]:
        """The weights of the file under the specification's names, as the bytes of a safetensors file.

        Those of a checkpoint are in its own element types, those of an ONNX file are float32.
        """
        if self.tensors is not None:
            return safetensors({n: tensor_data(t.shape, t.dtype, t.exact) for n, t in self.tensors.items()})
        assert self.found
        assert self.read
        shapes = {weight: tensor.shape for weight, tensor in self.found.graph.state().items()}
        return safetensors(from_weights(shapes, TransferredWeights(self.found, self.read.weights)))


def network_name(file: Path, name: str | None) -> str:
    """The network's name: what was asked for, or the file's with what no name holds left out."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:64] or "imported"
    called = stem if name is None else name
    if not re.fullmatch(NAME_PATTERN, called):
        raise refuse(f"--name: '{shorten(called)}' is not a name", hint=NAME_HINT)
    return called


def recover_spec(
    file: Path, name: str | None = None, *, parent: str | None = None, norms: bool = True, weights: bool = False
) -> Imported | Problem:
    """The specification of a file, or what no specification makes: the first node, the first tensor.

    It is written as changes to `parent` if that is given. Without `norms`, biases are never taken for folded batch
    norms. `weights` says that those are kept too. Raises `Refused` for what cannot be read or goes not together.
    """
    called = network_name(file, name)
    if file.suffix == ENGINE and file.is_file():
        raise refuse("an engine does not say what it computes", str(file), "give the ONNX file that it was built from")
    if not is_weights_file(file):
        return _recover_onnx(file, called, parent, norms, weights)
    for option, given in {"--extends": parent is not None, "--plain-biases": not norms}.items():
        if given:
            raise refuse(f"{option} means nothing for a checkpoint", hint="it is for ONNX files")
    return _recover_checkpoint(file, called)


def _recover_checkpoint(file: Path, name: str) -> Imported | Problem:
    found = recognition.recognize(file, name)
    if isinstance(found, Problem):
        return found
    text = _write_text(found.data, file, f"Recognized by the names and shapes in {file.name}.")
    names = found.state_names()
    data = {
        "spec": found.data,
        "same_names_and_shapes": found.others,
        "prefix": found.prefix,
        "names": {name: old for name, old in names.names.items() if name != old},
        "left_out": list(names.left),
    }
    account = tuple(map(visible, recognition.describe_match(found)))
    return Imported(text, account, data, found.loaded, tensors=names.rename(checkpoint.read(file)))


def _recover_onnx(file: Path, name: str, parent: str | None, norms: bool, weights: bool) -> Imported | Problem:
    try:
        opened, why = read_graph(file)
    except NotExplained as refused:  # a node without even a shape
        return refused.problems[0]
    return recover_from_graph(opened, why, name, parent=parent, norms=norms, weights=weights)


def recover_from_graph(
    opened: OnnxModel,
    why: str | None,
    name: str,
    *,
    parent: str | None = None,
    norms: bool = True,
    weights: bool = False,
) -> Imported | Problem:
    """The specification of an ONNX file that `read_graph` has read, as `recover_spec` returns it."""
    file = opened.path
    given = opened.graph
    opened = replace(opened, graph=order_outputs(drop_embeddings(given, opened.surroundings), opened.surroundings))
    found, opened = _explain_graph(opened, name, norms)
    if isinstance(found, UnexplainedGraph):
        return explain_refusal(found, opened.graph, str(file), why)
    same, around = find_equivalents(found, opened.graph), opened.surroundings
    comment = [f"Recovered from {file.name}.", *(f"Computes {words}." for words in describe_equivalents(same))]
    names = _name_outputs(found, opened, given)

    def complete(plain: dict[str, Any]) -> dict[str, Any]:
        """The data with what is around the network."""
        data = add_preprocessing(plain, around, load_recovered(spec_yaml(plain)).spec.input)
        return add_serving(data, around, names, opened.labels, given)

    whole = complete(found.data)
    data = whole if parent is None else complete(derive_extension(found, parent))
    text = _write_text(data, file, " ".join(comment))
    account = describe_recovery(found, opened, same, weights=weights, serve=data.get("serve"))
    lines, found = tuple(map(visible, account)), found._replace(data=whole)
    loaded = load_recovered(text, f"{file.name} (imported)")
    return Imported(text, lines, as_json(found, opened.graph, same), loaded, found, opened)


def _name_outputs(found: RecoveredSpec, opened: OnnxModel, given: Graph) -> dict[str, str]:
    """What the spec calls the outputs of a file's network, by the tensors that the file made more of."""
    ours = dict(zip(opened.graph.outputs, found.graph.outputs, strict=True))
    named = opened.surroundings.name_values(given.outputs)
    return {source: ours[value].name for source, value in named.items() if value in ours}


def _explain_graph(opened: OnnxModel, name: str, norms: bool) -> tuple[RecoveredSpec | UnexplainedGraph, OnnxModel]:
    """What makes the graph of a file or, if nothing does, that graph without the ReLUs that change nothing."""
    found, once = infer_spec(opened.graph, name, norms=norms), without_repeated_relus(opened.graph)
    if isinstance(found, RecoveredSpec) or once is opened.graph:
        return found, opened
    again = infer_spec(once, name, norms=norms)
    return (again, replace(opened, graph=once)) if isinstance(again, RecoveredSpec) else (found, opened)


def _write_text(data: dict[str, Any], file: Path, comment: str) -> str:
    """The text of a specification, with the design rules that the file's network breaks, and no parent says why."""
    loaded = load_recovered(spec_yaml(data))
    excused = {step.excuse for step in find_excused_steps(loaded)}
    broken = [step.rule for step in find_broken_steps(loaded, lower(loaded)) if step.excuse not in excused]
    reasons = dict.fromkeys(broken, f"as in {shorten(visible(file.name), 100)}")
    return spec_yaml({**data, **({"deviations": reasons} if reasons else {})}, [comment])


def read_graph(file: Path) -> tuple[OnnxModel, str | None]:
    """The file as a graph; where a node is none of our operations, with that node as it stands, and why.

    Raises `Refused` for a file that cannot be read, and `NotExplained` where a node has not even a shape.
    """
    try:
        return read(file), None
    except NotExplained as first:
        why = first.problems[0].message
    return read(file, partial=True), why
