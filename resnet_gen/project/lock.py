"""The lock: every network's counts, hashes and settings as a text that a change shows in, line by line.

It is TOML, a table a network in the order of their names and a line a stage, and depends on nothing but the networks.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from resnet_gen.graph import Graph, Node, stages_of
from resnet_gen.graph.counts import Counts, count_nodes
from resnet_gen.graph.fingerprint import Fingerprint, fingerprint
from resnet_gen.language.entry_limits import limit_entries
from resnet_gen.language.faults import MAX_PROBLEMS, find_problems
from resnet_gen.language.load import Loaded
from resnet_gen.language.source import Source, read_document
from resnet_gen.language.spec import NAME_PATTERN
from resnet_gen.language.statements import lock_settings
from resnet_gen.parts.base import StrictModel
from resnet_gen.problems import Document, Problem, Refused, Span, refuse
from resnet_gen.project.toml_source import read_toml

HEADER = (
    "# What these networks were when `resnet-gen lock` last wrote this; `resnet-gen lock --check` tells what differs."
)
VERSION = 2
MAX_BYTES = 1 << 22
MAX_VALUES = 40_000
"""Values of a lock, and one more for each 100 bytes: a network has sixty."""
HINT = "put back the lock that was committed, or delete it and run `resnet-gen lock`"
_MERGED = "take either side whole, then run `resnet-gen lock`"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")
_MOST_STAGES, _MOST_SIDES = 1_000, 8
_BLOCK_DIGITS, _STAGE_DIGITS = 4, 16

Whole = Annotated[int, Field(ge=0)]
LockedShape = Annotated[tuple[Whole, ...], Field(strict=False), BeforeValidator(limit_entries(_MOST_SIDES))]


class LockedStage(StrictModel):
    """A stage: its counts, a hash of its operations, and the first digits of each block's if it has several."""

    params: Whole
    macs: Whole
    activations: Whole
    hash: Annotated[str, Field(min_length=_STAGE_DIGITS, max_length=_STAGE_DIGITS)]
    blocks: str = ""


class LockedNetwork(StrictModel):
    """A network: where its spec lies from the lock, what it takes and outputs, its counts, hash and stages.

    `settings` are what changes a build and shows in no layer, by key: JSON.
    """

    spec: str
    input: LockedShape
    outputs: Annotated[dict[str, LockedShape], BeforeValidator(limit_entries(_MOST_STAGES))]
    settings: Annotated[dict[str, str], BeforeValidator(limit_entries(_MOST_STAGES))]
    params: Whole
    buffers: Whole
    macs: Whole
    conv_macs: Whole
    macs_and_biases: Whole
    layers: Whole
    activations: Whole
    activations_and_pools: Whole
    hash: Annotated[str, Field(min_length=64, max_length=64)]
    stages: Annotated[dict[str, LockedStage], BeforeValidator(limit_entries(_MOST_STAGES))]


COUNTS = ("params", "buffers", "macs", "conv_macs", "macs_and_biases", "layers", "activations", "activations_and_pools")
"""The counts that are locked: all but FLOPs, which are 2 x MACs."""


class _File(StrictModel):
    version: Literal[2]
    networks: dict[Annotated[str, Field(pattern=NAME_PATTERN)], LockedNetwork]


@dataclass(frozen=True, eq=False)
class Lock:
    """A lock file, read; networks by name."""

    path: Path
    networks: Mapping[str, LockedNetwork]
    source: Source
    old: bool = False
    """Whether it is of the first form, which knew no settings."""

    def span(self, network: str) -> Span | None:
        """Where a network stands."""
        return self.source.span(("networks", network), key=True)


def read_lock(path: Path, shown: str, *, old: bool = False) -> Lock | None:
    """The lock at a path, which messages call `shown`; None where there is none.

    Raises `Refused` for whatever is no lock, or is damaged, and for one of the first form unless `old` ones will do.
    """
    if not path.exists() and not path.is_symlink():
        return None
    return parse_lock(read_document(path, shown, "TOML", "lock", MAX_BYTES), path, old=old)


def parse_lock(document: Document, path: Path, *, old: bool = False) -> Lock:
    """The text of the lock that lies, or lay, at a path; raises `Refused` as `read_lock` does."""
    source = read_toml(document, _MERGED, MAX_VALUES + len(document.text) // 100)
    data, first = source.data, source.data.get("version") == 1 and old
    _check_version(source, old=old)
    if first:
        data = {**data, "version": VERSION, "networks": _empty_settings(data.get("networks"))}
    networks, errors = _validate_networks(data)
    if errors:
        raise Refused([*find_problems(errors, source, _File), Problem("damaged", document.name, HINT)])
    return Lock(path, networks, source, first)


def _validate_networks(data: Mapping[str, Any]) -> tuple[dict[str, LockedNetwork], list[ErrorDetails]]:
    """The networks, and what is wrong: each is looked at by itself, since all faults of all of them may be too many."""
    networks: dict[str, LockedNetwork] = {}
    errors: list[ErrorDetails] = []
    for part in _split_lock(data):
        try:
            networks |= _File.model_validate(part).networks
        except ValidationError as error:
            errors += error.errors(include_url=False)
        if len(errors) > MAX_PROBLEMS:
            break
    return networks, errors


def _split_lock(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A lock without networks, of which some keys may be none of its own; then one for each network."""
    listed, first = data.get("networks"), dict(islice(data.items(), MAX_PROBLEMS))
    if not isinstance(listed, dict):
        yield {**first, **({"networks": listed} if "networks" in data else {})}
        return
    yield {**first, "version": data["version"], "networks": {}}
    for name, network in listed.items():
        yield {"version": data["version"], "networks": {name: network}}


def _check_version(source: Source, *, old: bool) -> None:
    version, where = source.data.get("version"), source.span(("version",))
    if version is None:
        raise refuse("not a lock of resnet-gen: it has no version", where, HINT)
    if version == 1 and not old:
        words = "a lock of an older resnet-gen, which holds layers alone: no preprocessing, no code of parts"
        raise refuse(words, where, "`resnet-gen lock` writes it anew; commit it")
    if version not in (1, VERSION):
        raise refuse("not a lock that this can read", where, "another tool wrote it, or a newer resnet-gen")


def _empty_settings(networks: Any) -> Any:
    if not isinstance(networks, dict):
        return networks
    return {name: {**n, "settings": {}} if isinstance(n, dict) else n for name, n in networks.items()}


def lock_entry(loaded: Loaded, graph: Graph, counts: Counts, folder: Path) -> LockedNetwork:
    """What the lock in a folder says of a network."""
    hashes = fingerprint(graph)
    return LockedNetwork(
        spec=spec_path(loaded, folder),
        input=graph.input.shape,
        outputs={value.name: value.shape for value in graph.outputs},
        settings=lock_settings(loaded),
        **{name: getattr(counts, name) for name in COUNTS},
        hash=hashes.graph,
        stages={
            _name_stage(stage): _lock_stage(stage, nodes, hashes) for stage, nodes in stages_of(graph.nodes).items()
        },
    )


def _name_stage(stage: str) -> str:
    """A stage as specs call it: `stages.0` is `stage1`."""
    return f"stage{int(stage.partition('.')[2]) + 1}" if stage.startswith("stages.") else stage


def _lock_stage(stage: str, nodes: list[Node], hashes: Fingerprint) -> LockedStage:
    total = count_nodes(nodes)
    blocks = list(dict.fromkeys(node.block for node in nodes))
    return LockedStage(
        params=total.params,
        macs=total.macs,
        activations=total.activations,
        hash=hashes.stages[stage][:_STAGE_DIGITS],
        blocks=" ".join(hashes.blocks[block][:_BLOCK_DIGITS] for block in blocks) if len(blocks) > 1 else "",
    )


def spec_path(loaded: Loaded, folder: Path) -> str:
    """How the lock in a folder names a spec: a shipped one by its name, a file by its path from there."""
    assert loaded.path is not None
    if loaded.family:
        return loaded.path.stem
    try:
        path = Path(os.path.relpath(loaded.path.resolve(), folder.resolve())).as_posix()
        path.encode()
    except ValueError:  # another drive, or a name that is no text
        hint = "keep it beside the lock, under a plain name"
        raise refuse("cannot be named in a lock", str(loaded.path), hint) from None
    return path


def lock_text(networks: Mapping[str, LockedNetwork]) -> str:
    """The lock of these networks, as it is written."""
    tables = (_write_table(name, networks[name]) for name in sorted(networks))
    return "\n".join((HEADER, f"version = {VERSION}", *tables)) + "\n"


def _write_table(name: str, network: LockedNetwork) -> str:
    data = network.model_dump(exclude={"stages"})
    lines = [f"\n[networks.{name}]", *(f"{key} = {_write_value(value)}" for key, value in data.items())]
    stages = network.model_dump(include={"stages"}, exclude_defaults=True)["stages"]
    lines += [f"stages.{key} = {_write_value(stage)}" for key, stage in stages.items()]
    return "\n".join(lines)


def _write_value(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{_write_key(key)} = {_write_value(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_write_value, value))}]"
    return str(value) if isinstance(value, int) else _write_text(value)


def _write_key(key: str) -> str:
    return key if _BARE_KEY.match(key) else _write_text(key)


def _write_text(value: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but that TOML escapes one character more."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
