"""What the functions are given: networks, settings and places in any of their forms, made one; ranges checked."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union, overload

from resnet_gen.infer.network_sources import NetworkSource, SpecNetwork, load_or_recover, open_network
from resnet_gen.language.load import Loaded, list_spec_files, load
from resnet_gen.language.yaml_writer import UnwrittenError, dump, dump_inline
from resnet_gen.problems import refuse, suggest
from resnet_gen.weights.downloads.names import WeightsName, parse_weights

if TYPE_CHECKING:
    from resnet_gen.speed.targets import Target

AnyPath: TypeAlias = Union[str, "os.PathLike[str]"]
"""The path of a file or a folder."""
Network: TypeAlias = Loaded | AnyPath
"""A loaded spec, the name of a shipped one, or the path of a YAML file; where a function says so, of an ONNX file."""
Settings: TypeAlias = Mapping[str, object] | Sequence[str]
"""Keys of a spec to change, by their path: `{"head.classes": 10}`, or `["head.classes=10"]` as `--set` takes them."""
Device: TypeAlias = Union["Target", AnyPath]
"""A loaded device, the name of a shipped one, or the path of a YAML file."""


def resolve_spec(spec: Network) -> Loaded:
    """The spec itself, loaded if it is not; raises `Refused`."""
    return spec if isinstance(spec, Loaded) else load(name_of(spec))


def resolve_network(network: Network) -> NetworkSource:
    """The network of a spec or an ONNX file, with a warning of what of a file is not known; raises `Refused`.

    The warning is for who called the function that calls this.
    """
    if isinstance(network, Loaded):
        return SpecNetwork(network)
    source = open_network(name_of(network))
    if not source.loaded:
        for line in source.describe():
            warnings.warn(f"{name_of(network)}: {line}", stacklevel=3)
    return source


def resolve_or_recover(network: Network, what: str) -> Loaded:
    """The spec itself, or the one that is recovered from an ONNX file; raises `Refused` where none is."""
    return network if isinstance(network, Loaded) else load_or_recover(name_of(network), (), what)


def name_of(given: AnyPath) -> str:
    """A name or a path as text; raises `Refused` for anything else."""
    if not isinstance(given, (str, os.PathLike)):
        raise refuse(f"a name or a path is wanted, not {_name_kind(given)}")
    return os.fspath(given)


def resolve_target(device: Device) -> Target:
    """The device itself, loaded if it is not; raises `Refused`."""
    from resnet_gen.speed.targets import Target, load_target

    return device if isinstance(device, Target) else load_target(name_of(device))


def setting_texts(settings: Settings) -> list[str]:
    """Settings as `--set` takes them; raises `Refused` for a value that YAML has no word for."""
    if isinstance(settings, Mapping):
        return [f"{key}={_dump_yaml(dump_inline, value, str(key))}" for key, value in settings.items()]
    return [settings] if isinstance(settings, str) else list(settings)


def as_yaml(data: Mapping[str, object]) -> str:
    """A spec's data as YAML text; raises `Refused` for a value that YAML has no word for."""
    return _dump_yaml(dump, dict(data), "load_spec")


def _dump_yaml(dumped: Callable[[object], str], value: object, what: str) -> str:
    try:
        return dumped(value)
    except UnwrittenError as error:
        raise refuse(
            f"{what}: {error}", hint="a spec holds numbers, texts, true, false, null, lists and mappings"
        ) from None


@overload
def resolve_weights(place: AnyPath) -> Path | WeightsName: ...
@overload
def resolve_weights(place: AnyPath | None) -> Path | WeightsName | None: ...
def resolve_weights(place: AnyPath | None) -> Path | WeightsName | None:
    """A file of weights, or published ones by their name; a `Path` is a file, whatever it looks like."""
    return parse_weights(place) if isinstance(place, str) else resolve_path(place)


def resolve_path(place: AnyPath | None) -> Path | None:
    """A place as a path."""
    return None if place is None else Path(place)


def check_one_of(name: str, value: object, known: Sequence[str]) -> None:
    """Refuse what is not among the words of a closed set."""
    if value is not None and value not in known:
        raise refuse(f"{name}: there is no '{value}'", hint=suggest(str(value), known))


def check_within(name: str, value: int | None, least: int, most: int) -> None:
    """Refuse what is no whole number from `least` to `most`."""
    if value is not None and not (type(value) is int and least <= value <= most):
        given = f"'{value}'" if type(value) in (int, float, str) else _name_kind(value)
        raise refuse(f"{name}: {given} is not a whole number from {least:,} to {most:,}")


def list_files_read(spec: Network) -> Iterator[Path]:
    """The files that a spec is read from, which nothing may be written over."""
    given = spec.path if isinstance(spec, Loaded) else name_of(spec)
    return iter(()) if given is None else list_spec_files(str(given))


def _name_kind(value: object) -> str:
    return f"a value of type '{type(value).__name__}'"
