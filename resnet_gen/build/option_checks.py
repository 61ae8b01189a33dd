"""What the options say that an engine was built with: whether it can run, and whether it is what a spec asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from resnet_gen.build.manifest_schema import BuildOptionPart, FileManifest, SparseWeightsPart
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

    @property
    def sparse_weights(self) -> SparseWeightsPart | None:
        """What the manifest says of zeros in weights; None where it says nothing."""
        return self.manifest.sparse_weights if self.options.get("sparsity") is True else None


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
    if facts.sparse_weights and not facts.sparse_weights.layers:
        yield Check("sparsity", "warning", "no layer's weights have two zeros in every four: its kernels are dense")
    core = options.get("dla_core")
    if isinstance(core, int):
        yield _check_dla(core, asked)
    profiles = options.get("profiles")
    if isinstance(profiles, list) and len(profiles) > 1:
        yield Check("profiles", "ok", f"it has {several(len(profiles), 'profile')}: whoever runs it chooses one")
    wanted = dict(asked.spec.spec.engine.items()) if asked.spec and asked.spec.spec.engine else {}
    yield from _check_graphs(options.get("cuda_graphs"), wanted.get("cuda_graphs"))
    if asked.spec and asked.spec.spec.engine:
        yield _check_wishes(options, wanted)


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


def _check_graphs(built: object, wanted: object) -> Iterator[Check]:
    """How the engine is to be run, which changes nothing of it: what a spec says otherwise is a warning."""
    words = "to be launched as CUDA graphs" if built is True else "to be launched kernel by kernel"
    if wanted is not None and (built is True) != wanted:
        said = f"the spec says engine.cuda_graphs: {str(wanted).lower()}; the engine is the same with both"
        yield Check("cuda-graphs", "warning", f"its manifest says {words}, and {said}")
    elif built is True:
        yield Check("cuda-graphs", "ok", f"{words}: `bench --cuda-graphs`, or the generated program, does that")


def _check_wishes(options: dict[str, Any], wanted: dict[str, Any]) -> Check:
    """What the spec asks for is what the engine was built with; files of one machine, and how it is run, apart."""
    for key, value in wanted.items():
        plain = plain_value(key, value)
        if key != "timing_cache" and not OPTIONS[key].runs and options.get(key) != plain:
            was = f"with {shorten(str(options[key]))}" if key in options else "without it"
            return Check("options", "no", f"the spec says engine.{key}: {shorten(str(plain))}, and it was built {was}")
    return Check("options", "ok", "as the spec says them")
