"""From a name, a path and `--set` texts to a checked specification."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, reduce
from pathlib import Path
from typing import Any

from resnet_gen.language.custom_parts.files import blame_part, run_file
from resnet_gen.language.inheritance import describe_own_values, with_changes
from resnet_gen.language.labels import find_labels_file, with_labels
from resnet_gen.language.source import Source, overlay, parse_setting, read_file
from resnet_gen.language.spec import MAX_PARTS, OWN_KEYS, Spec, check_spec
from resnet_gen.problems import Document, Loc, Refused, Span, refuse, shorten, suggest
from resnet_gen.system.digest import digest_text
from resnet_gen.system.file_kinds import CHECKPOINTS, ENGINE, ONNX
from resnet_gen.system.files import named_file
from resnet_gen.system.links import check_inside, check_named
from resnet_gen.system.resources import family, is_shipped, shipped_specs

MAX_PARENTS = 16
_NOT_BUILT = ("budgets", "training", "engine")
"""Keys of a spec that make no other network of what is built."""


@dataclass(frozen=True)
class Loaded:
    """A specification, the text positions it came from, and the family it belongs to."""

    spec: Spec
    """What the YAML says, checked, parents and defaults filled in; docs/language.md has every key."""
    source: Source
    """The data as they were read, and where each value stands."""
    family: str
    """The folder of a shipped spec; empty for others."""
    code: tuple[str, ...] = ()
    """SHA-256 of each Python file whose parts the spec, or one that it extends, names."""
    own: tuple[Document, ...] = ()
    """The spec's own text, and those of the `--set`s over it."""
    path: Path | None = None
    """The file that it was loaded from."""
    parents: tuple[Source, ...] = ()
    """What it extends, the nearest first: each over its own parents, with the keys that are not inherited."""

    def resolved(self) -> dict[str, Any]:
        """The whole specification as plain data: every default and parent filled in."""
        return self.spec.model_dump(mode="json", exclude={"extends"}, exclude_none=True)

    def complete(self) -> dict[str, Any]:
        """`resolved()` with the mean and standard deviation that pictures are normalized with."""
        mean, std = self.spec.input.normalization
        data = self.resolved()
        return {**data, "input": {**data["input"], "mean": list(mean), "std": list(std)}}

    def built(self) -> dict[str, Any]:
        """What manifests and models state of the specification: all that makes the network that is built another.

        Budgets are somebody's wishes, which come and go; what only training sees is no part of what is built; how an
        engine is built stands in its manifest. A mean and a deviation that would be taken anyway are left out, unless
        it is served: they stand in its file's graph then.
        """
        if self.spec.serve:
            return {key: value for key, value in self.complete().items() if key not in _NOT_BUILT}
        data = {key: value for key, value in self.resolved().items() if key not in _NOT_BUILT}
        return {**data, "input": {k: v for k, v in data["input"].items() if k not in self.spec.input.usual}}

    def canonical(self) -> str:
        """`built()` as one line of JSON: equal for equal networks."""
        return json.dumps(self.built(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    def changes(self) -> list[str]:
        """The values of the network that the spec itself states, or a `--set`, by key and position."""
        return describe_own_values(self.source, self.own)

    def digest(self) -> str:
        """SHA-256 of `canonical()`, and of the code of its own parts if it has any."""
        return digest_of(self.canonical(), self.code)


def digest_of(canonical: str, code: Sequence[str]) -> str:
    """The digest of a spec, given as one line, and of the SHA-256 of each file of its own parts."""
    return digest_text("\n".join((canonical, *code)))


def load(reference: str, settings: Sequence[str] = (), called: Callable[[Path], str] | None = None) -> Loaded:
    """Load the spec at a path, or the shipped spec of that name, with `--set` texts laid over it.

    `called` says how messages call a file that is not shipped. Raises `Refused` for whatever is wrong with any of it.
    """
    path = find_spec(reference)
    if reference not in shipped_specs():
        _refuse_other_kinds(path, reference)
        check_inside(path)
    source = _read_source(path, called(path) if called else _display_path(path, reference))
    shipped = shipped_specs().get(path.stem)
    group = family(shipped) if shipped and shipped.samefile(path) else ""
    return replace(_check_source(source, path, settings, called or str), family=group, path=path)


def load_text(source: Source, settings: Sequence[str] = ()) -> Loaded:
    """Load a spec that was read from no file; files that it names lie in the working folder. Raises `Refused`."""
    return _check_source(source, Path("text"), settings, str)


def _check_source(source: Source, path: Path, settings: Sequence[str], called: Callable[[Path], str]) -> Loaded:
    """What was read at a path, over its parents and with `settings` laid over it, checked."""
    code: list[str] = []
    parents: list[Source] = []
    whole = _merge_parents(source, path, (), (code, parents), called)
    whole, documents = _lay_over(whole, settings)
    own = (source.marks[()].value.document, *documents)
    spec = _check_blaming_changes(whole, own, parents, more_parts=bool(code))
    return Loaded(spec, whole, "", tuple(code), own, parents=tuple(reversed(parents)))


def with_settings(loaded: Loaded, settings: Sequence[str]) -> Loaded:
    """A specification with `--set` texts laid over it once more; raises `Refused` for what is wrong with them."""
    if not settings:
        return loaded
    whole, documents = _lay_over(loaded.source, settings)
    own = (*loaded.own, *documents)
    return replace(loaded, spec=_check_blaming_changes(whole, own, loaded.parents[::-1]), source=whole, own=own)


def _lay_over(whole: Source, settings: Sequence[str]) -> tuple[Source, list[Document]]:
    """A source with `--set` texts laid over it, and the document of each of those."""
    changes = [_read_setting(text) for text in settings]
    return reduce(overlay, changes, whole), [change.marks[()].value.document for change in changes]


def _check_blaming_changes(
    whole: Source, own: Sequence[Document], parents: Sequence[Source], *, more_parts: bool = False
) -> Spec:
    """The spec in `whole`; faults at lines that are right in the parent name the lines that changed it."""
    try:
        return check_spec(whole, more_parts=more_parts)
    except Refused as refused:
        if not parents or not _is_right(parents[-1]):
            raise
        raise Refused(with_changes(problem, whole, own) for problem in refused.problems) from None
    except BaseException as error:
        raise blame_part(error) from None


def _is_right(source: Source) -> bool:
    with suppress(Refused):
        return bool(check_spec(source))
    return False


def parent_of(loaded: Loaded) -> Loaded | None:
    """What a spec extends, if it extends anything; raises `Refused` where that is no whole network by itself."""
    if not loaded.parents:
        return None
    nearest, *others = loaded.parents
    return Loaded(check_spec(nearest), nearest, "", parents=tuple(others))


def _read_setting(text: str) -> Source:
    source = parse_setting(text)
    for key in ("extends", "parts"):
        if key in source.data:
            raise refuse(f"{key}: cannot be set, only written in a spec", source.span((key,), key=True))
    return with_labels(source, None, str)


def find_spec(reference: str) -> Path:
    """The file that `reference` means: a shipped name, or the path of a YAML file."""
    if reference in shipped_specs():
        return shipped_specs()[reference]
    if os.path.isdir(reference):  # noqa: PTH112 - False, not an error, for what no file can be called
        raise refuse(f"'{shorten(reference)}' is a folder", hint="name the specs in it, as in 'nets/*.yaml'")
    if path := named_file(reference):
        return path
    raise refuse(f"there is no spec '{shorten(reference)}'", hint=_suggest_names(reference, ""))


def _refuse_other_kinds(path: Path, reference: str) -> None:
    """Refuse a file whose name says that it is a model or weights, with the commands that take it."""
    kind, word = path.suffix.lower(), shlex.quote(shorten(str(reference), 100))
    against = f"`resnet-gen verify SPEC --against {word}` compares it with a spec"
    if kind == ONNX:
        raise refuse(
            "an ONNX file is no spec", reference, f"`resnet-gen import {word}` recovers one from it; {against}"
        )
    if kind == ENGINE:
        hint = f"give the ONNX file that it was built from; {against}"
        raise refuse("an engine does not say what it computes", reference, hint)
    if kind in CHECKPOINTS:
        raise refuse("weights are no spec", reference, f"`resnet-gen import {word}` finds the spec that they fit")


def _suggest_names(name: str, folder: str) -> str:
    """A hint for a name that no shipped spec has: the file in the folder that only lacks its suffix, or close names."""
    for file in (f"{name}.yaml", f"{name}.yml"):
        if os.path.isfile(os.path.join(folder, file)):  # noqa: PTH113, PTH118 - as in find
            return f"did you mean '{file}'?"
    return suggest(name, shipped_specs())


def list_spec_files(reference: str) -> Iterator[Path]:
    """What a spec is read from, as far as that can be told: its file, its parts', and those of its parents."""
    with suppress(Refused):
        yield from _walk_spec_files(find_spec(reference), ())


def _walk_spec_files(path: Path, children: tuple[Path, ...]) -> Iterator[Path]:
    yield path
    if len(children) > MAX_PARENTS or path.suffix not in (".yaml", ".yml") or is_shipped(path):
        return
    data = _read_source(path, str(path)).data
    parts, parent = data.get("parts"), data.get("extends")
    yield from (path.parent / str(name).replace("\0", "") for name in (parts if isinstance(parts, list) else ()))
    if (labels := find_labels_file(data)) is not None:
        yield path.parent / labels.replace("\0", "")
    if isinstance(parent, str):
        yield from _walk_spec_files(_parent_path(parent, path, None), (*children, path))


def display_name(reference: str) -> str | None:
    """How messages call the file that `reference` means; None if it means none."""
    try:
        return _display_path(find_spec(reference), reference)
    except Refused:
        return None


def _display_path(path: Path, reference: str) -> str:
    """How messages call the file: shipped ones by their place in the project."""
    return f"specs/{family(path)}/{path.name}" if reference in shipped_specs() else reference


def _merge_parents(
    source: Source,
    path: Path,
    children: tuple[Path, ...],
    record: tuple[list[str], list[Source]],
    called: Callable[[Path], str],
) -> Source:
    """What was read at a path over its parents; `record` gets the hash of each file of parts, and each parent."""
    _run_parts(source, path, record[0], called)
    source = with_labels(source, path, called)
    parent = source.data.get("extends")
    if parent is None:
        return source
    where = source.span(("extends",))
    if not isinstance(parent, str):
        raise refuse("extends: not the name of one spec", where)
    chain = (*children, path.resolve())
    target = _parent_path(parent, path, where)
    if target.resolve() in chain:
        raise refuse("extends: circular", where, " -> ".join(p.name for p in (*chain, target)))
    if parent not in shipped_specs():
        check_named(target, path, where, "extends")
    if len(chain) > MAX_PARENTS:
        raise refuse(f"extends: more than {MAX_PARENTS} parents", where)
    shown = _display_path(target, parent) if parent in shipped_specs() else called(target)
    whole = _merge_parents(_read_source(target, shown), target, chain, record, called)
    record[1].append(whole)
    return overlay(_drop_own_keys(whole), source)


def _read_source(path: Path, shown: str) -> Source:
    """The text of a spec; that of a shipped one, from which many others start, is read once."""
    return _read_shipped(path, shown) if is_shipped(path) else read_file(path, shown)


_read_shipped = cache(read_file)


def _run_parts(source: Source, path: Path, code: list[str], called: Callable[[Path], str]) -> None:
    """Run the Python files beside a spec that it names under `parts`; `check_spec` refuses what names no file."""
    named = source.data.get("parts")
    listed = named if isinstance(named, list) else []
    if len(listed) > MAX_PARTS:
        raise refuse(f"parts: more than {MAX_PARTS} files", source.span(("parts",)))
    for index, name in enumerate(listed):
        if isinstance(name, str):
            where = source.span(("parts", index))
            if Path(name).suffix != ".py" or "\0" in name:
                raise refuse("parts: not a Python file", where, "write parts in a file that ends in '.py'")
            file = path.parent / name
            check_named(file, path, where, "parts")
            code.append(run_file(file, where, called(file)))


def _parent_path(parent: str, child: Path, where: Span | None) -> Path:
    """A shipped spec by its name, or a YAML file beside the child."""
    if parent in shipped_specs():
        return shipped_specs()[parent]
    path = child.parent / parent
    if path.suffix not in (".yaml", ".yml"):
        hint = _suggest_names(parent, str(child.parent))
        raise refuse(f"extends: there is no spec '{shorten(parent)}'", where, hint)
    if not os.path.isfile(path):  # noqa: PTH113 - as in find
        raise refuse(f"extends: there is no file '{shorten(parent)}' beside this one", where)
    return path


def _drop_own_keys(source: Source) -> Source:
    """A parent without the keys that describe that one network."""

    def keeps(loc: Loc) -> bool:
        return not loc or loc[0] not in OWN_KEYS

    data = {key: value for key, value in source.data.items() if keeps((key,))}
    return Source(data, {loc: mark for loc, mark in source.marks.items() if keeps(loc)})
