"""What the options say that an engine was built with: whether it can run, and whether it is what a spec asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from resnet_gen.build.manifest_schema import BuildOptionPart, FileManifest
from resnet_gen.build.tuning_record import plain_value
from resnet_gen.engine.names import ONNX
from resnet_gen.language.engine_options import OPTIONS
from resnet_gen.problems import several, shorten
from resnet_gen.weights.downloads.names import WeightsSource

if TYPE_CHECKING:
    from resnet_gen.language.load import Loaded
    from resnet_gen.speed.targets import Target

State: TypeAlias = Literal["ok", "no", "unknown", "warning"]


class Check(NamedTuple):
    """One thing that was looked at: `no` is a reason not to use the file, a warning is none."""

    what: str
    """What was looked at."""
    state: State
    """`ok`, `no`, `unknown` or `warning`."""
    reason: str
    """What was found."""


class EngineRequirements(NamedTuple):
    """What the file is compared with, where that is said."""

    spec: Loaded | None = None
    weights: WeightsSource | None = None
    seed: int | None = None
    device: Target | None = None


class EngineFacts(NamedTuple):
    """The options of an engine, the folder of its manifest, and the manifest."""

    options: dict[str, Any]
    folder: Path
    manifest: FileManifest


def list_values(options: dict[str, BuildOptionPart]) -> dict[str, Any]:
    """The options that there are, each with its value; a manifest may name others."""
    return {key: option.value for key, option in options.items() if key in OPTIONS}


def check_options(facts: EngineFacts, asked: EngineRequirements) -> Iterator[Check]:
    """A line for each option that decides whether and how an engine runs, and one for what the spec asks for."""
    options = facts.options
    if options.get("strip_weights") is True:
        yield _check_refit(facts)
    elif options.get("refit") is True:
        yield Check("refit", "ok", "its weights may be exchanged")
    core = options.get("dla_core")
    if isinstance(core, int):
        yield _check_dla(core, asked)
    profiles = options.get("profiles")
    if isinstance(profiles, list) and len(profiles) > 1:
        yield Check("profiles", "ok", f"it has {several(len(profiles), 'profile')}: whoever runs it chooses one")
    if asked.spec and asked.spec.spec.engine:
        yield _check_wishes(options, dict(asked.spec.spec.engine.items()))


def _check_refit(facts: EngineFacts) -> Check:
    """An engine without weights is no use without the file that has them."""
    model = f"{facts.manifest.name}{ONNX}"
    if not (facts.folder / model).is_file():
        return Check("refit", "no", f"its weights are stripped, and {shorten(model)}, which has them, is not there")
    return Check("refit", "warning", f"its weights are stripped: it puts out zeros until {shorten(model)} fills it")


def _check_dla(core: int, asked: EngineRequirements) -> Check:
    if asked.device is None:
        return Check("dla", "unknown", f"it is for DLA core {core}, and no DLA can be asked for here")
    there = asked.device.dla_cores or 0
    if core < there:
        return Check("dla", "ok", f"for DLA core {core}, and {asked.device.name} has {there}")
    has = f"{there} DLA cores" if there else "no DLA"
    return Check("dla", "no", f"it is for DLA core {core}, and {asked.device.name} has {has}")


def _check_wishes(options: dict[str, Any], wanted: dict[str, Any]) -> Check:
    """What the spec asks for is what the engine was built with; files of one machine apart."""
    for key, value in wanted.items():
        plain = plain_value(key, value)
        if key != "timing_cache" and options.get(key) != plain:
            was = f"with {shorten(str(options[key]))}" if key in options else "without it"
            return Check("options", "no", f"the spec says engine.{key}: {shorten(str(plain))}, and it was built {was}")
    return Check("options", "ok", "as the spec says them")
