"""Specs: list, load and write them; recover one from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from resnet_gen.api.arguments import AnyPath, Network, Settings, as_yaml, name_of, resolve_weights, setting_texts
from resnet_gen.compare.difference.parts_option import ALL, permit_parts
from resnet_gen.infer.network_sources import load_or_recover
from resnet_gen.language.load import Loaded, load_text
from resnet_gen.language.source import read_text
from resnet_gen.problems import Document, Problem, Refused, refuse
from resnet_gen.system.resources import shipped_specs

if TYPE_CHECKING:
    from resnet_gen.infer.recovery import Imported


def list_specs() -> tuple[str, ...]:
    """The names of the shipped specs, by family and then by size.

    Returns:
        Names that every function here takes for a network.

    Example:
        >>> from resnet_gen import list_specs
        >>> "resnet50" in list_specs()
        True
    """
    return tuple(shipped_specs())


def load_spec(source: Network | Mapping[str, Any], settings: Settings = (), *, parts: str = ALL) -> Loaded:
    """Load and check a spec: a shipped one by its name, a YAML file by its path, or a mapping of the same keys.

    Of an ONNX file by its path, the spec that is recovered from it; `import_file` says what it does not carry.
    Files that a mapping names, under `extends` or `parts`, lie in the working folder.

    Args:
        source: A name, as `list_specs` has them; a path; a mapping; or a loaded spec, which is returned as it is.
        settings: Keys to change, by their path, as with `--set`: `{"head.classes": 10}`. Lists are replaced whole.
        parts: Whose Python files of parts are run: `all`; `none`; or `base:REVISION`, those that specs of a git
            revision name, unchanged. They run in this process.

    Returns:
        The checked spec, every default and parent filled in, with the position of each value.

    Raises:
        Refused: For whatever is wrong with it, each fault at its file, line and column.

    Example:
        >>> from resnet_gen import load_spec
        >>> loaded = load_spec("resnet50", {"input.size": 320, "head.classes": 10})
        >>> loaded.spec.name, loaded.spec.input.shape
        ('resnet50', (3, 320, 320))
        >>> load_spec({"name": "mine", "extends": "resnet18"}).spec.stages.depths
        (2, 2, 2, 2)
        >>> load_spec("resnet5")
        Traceback (most recent call last):
        ...
        resnet_gen.problems.Refused: error: there is no spec 'resnet5'
        hint: did you mean 'resnet50'?
    """
    if isinstance(source, Loaded):
        if settings:
            raise refuse("settings: the spec is loaded already", hint="load it again by its name or path")
        return source
    with permit_parts(parts):
        if isinstance(source, Mapping):
            return load_text(read_text(Document("<mapping>", as_yaml(source))), setting_texts(settings))
        return load_or_recover(name_of(source), setting_texts(settings), "load_spec")


def parse_spec(text: str, settings: Settings = ()) -> Loaded:
    """Load and check a spec that is at hand as YAML text.

    Files that it names, under `extends` or `parts`, lie in the working folder; messages call the text `<text>`.

    Args:
        text: One YAML mapping, as a file would hold it (docs/language.md).
        settings: Keys to change, as for `load_spec`.

    Returns:
        The checked spec.

    Raises:
        Refused: For whatever is wrong with it, each fault at its line and column.

    Example:
        >>> from resnet_gen import Refused, parse_spec
        >>> parse_spec("name: mine\\nextends: resnet18\\nhead: {classes: 10}").spec.head.kind
        'linear'
        >>> try:
        ...     parse_spec("name: mine\\nextends: resnet18\\nnorm: bach")
        ... except Refused as refused:
        ...     print(refused)
        <text>:3:7: error: norm: there is no 'bach' here
           3 | norm: bach
                     ^^^^
        hint: did you mean 'batch'? known: batch, group, layer, none; others are written as parts (docs/parts.md)
    """
    if not isinstance(text, str):
        raise refuse("parse_spec: not a text", hint="load_spec takes names, paths and mappings")
    return load_text(read_text(Document("<text>", text)), setting_texts(settings))


def new_spec(name: str) -> str:
    """A commented spec to start from, as `resnet-gen init` writes it.

    Args:
        name: What the network is called: letters, digits, '-' and '_', at most 64.

    Returns:
        The YAML text.

    Raises:
        Refused: If the name is none.

    Example:
        >>> from resnet_gen import new_spec, parse_spec
        >>> parse_spec(new_spec("mine")).spec.name
        'mine'
    """
    from resnet_gen.language.starter import starter_text

    return starter_text(name)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of spec files, for editors and for checks elsewhere.

    Returns:
        The schema as plain data.

    Example:
        >>> from resnet_gen import json_schema
        >>> json_schema()["required"]
        ['name']
    """
    from resnet_gen.language.schema import json_schema as schema

    return schema()


def import_file(
    path: AnyPath, *, name: str | None = None, extends: str | None = None, plain_biases: bool = False
) -> Imported:
    """Recover a spec from an ONNX file of another tool, or from the names and shapes of a checkpoint (docs/import.md).

    The spec of an ONNX file is proved: it is built to the very same operations.

    Args:
        path: An ONNX file, or a checkpoint: safetensors, `.npz`, or a PyTorch file, which is read without running code;
            or the name of published weights.
        name: What the network is called; the file's name without it.
        extends: Write the spec of an ONNX file as changes to this shipped one.
        plain_biases: Take biases for biases, never for batch norms that were folded.

    Returns:
        The spec: `text` as YAML, `loaded`, and `account`, lines about the proof and what the spec does not carry.

    Raises:
        Refused: For a file that cannot be read, or that no spec makes, with the first node that none explains.

    Example:
        >>> from resnet_gen import emit_onnx, import_file
        >>> print(import_file(emit_onnx("cifar-resnet20", "small.onnx")).text)
        # Recovered from small.onnx. Computes what the shipped 'cifar-resnet20' does.
        name: small
        input: {channels: 3, size: 32}
        ...
    """
    from resnet_gen.infer.recovery import recover_spec
    from resnet_gen.weights.downloads.location import locate_weights

    found = recover_spec(locate_weights(resolve_weights(path)).path, name, parent=extends, norms=not plain_biases)
    if isinstance(found, Problem):
        raise Refused(found)
    return found
