"""Whether an engine or a model fits: this machine, the libraries here, a specification, and weights.

Nothing is loaded or run. What cannot be known here is said to be unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnet_gen import __version__
from resnet_gen.build.manifest_schema import FileManifest, locate_manifest, read_manifest
from resnet_gen.build.option_checks import Check, EngineFacts, EngineRequirements, check_options, list_values
from resnet_gen.build.wrap_manifest import WrapManifest, locate_wrap_manifest, read_wrap_manifest
from resnet_gen.engine.machine import Gpu, Validity, ask_validity, installed_version, list_gpus
from resnet_gen.engine.names import ENGINE, ONNX
from resnet_gen.language.engine_options import parse_release
from resnet_gen.language.spec import Input
from resnet_gen.problems import refuse, shorten, visible
from resnet_gen.system.digest import digest_file
from resnet_gen.system.journal import is_unfinished
from resnet_gen.weights.downloads.location import locate_weights

if TYPE_CHECKING:
    from resnet_gen.language.load import Loaded
    from resnet_gen.speed.targets import Target


def all_fit(checks: list[Check]) -> bool:
    """Whether nothing stands against using the file."""
    return all(check.state != "no" for check in checks)


def check(path: Path, asked: EngineRequirements) -> list[Check]:
    """Everything that can be said of a file. Raises `Refused` for what is neither an engine nor a model."""
    if not path.is_file():
        raise refuse("not a file" if path.exists() else "there is no such file", str(path))
    model = path.suffix == ONNX
    at = locate_manifest(path)
    manifest = read_manifest(at.manifest)
    validity = None if model else ask_validity(path)
    whole = list(_check_whole(path, at.manifest))
    if manifest is None and model and (wrapped := read_wrap_manifest(path)):
        return whole or list(_check_wrapped(path, wrapped, asked))
    if manifest is None:
        return whole or _check_without_manifest(path, at.manifest.name, model, validity)
    checks = [*whole, *_check_files(path, at.file, at.manifest, manifest)]
    if not model:
        known = _find_origin(manifest, at.file)
        checks += [
            *_check_runtime(known, validity),
            _check_library(known, at.file in manifest.files),
            _check_gpu(known, asked.device),
            *check_options(EngineFacts(known.options if known else {}, at.manifest.parent, manifest), asked),
        ]
    elif asked.device:
        checks.append(_check_readable(manifest, asked.device))
    return [*checks, _check_spec(manifest, asked.spec), _check_weights(manifest, asked), *_note_origin(manifest)]


def _check_whole(*files: Path) -> Iterator[Check]:
    """Nothing, unless a run has died that was to put these files there."""
    if any(map(is_unfinished, files)):
        yield Check("set", "no", "half of it is new: what wrote it died, and the next that writes there takes it back")


def _check_wrapped(path: Path, manifest: WrapManifest, asked: EngineRequirements) -> Iterator[Check]:
    """What is known of a file that `wrap` wrote, and that what else is asked is not."""
    place = locate_wrap_manifest(path).name
    if path.name not in manifest.files:
        yield Check("manifest", "no", f"{place} does not name it")
        return
    yield Check("manifest", "ok", f"{place} names it, wrapped from '{shorten(manifest.of.file)}'")
    yield _check_digest("bytes", path, manifest.files[path.name])
    if manifest.proof is None:
        yield Check("proof", "warning", "it was wrapped without a proof that it computes the same")
    else:
        yield Check("proof", "ok", "it was run beside the original when it was wrapped")
    if asked.spec:
        yield Check("spec", "unknown", "a wrapped file's manifest names none: verify --against compares it")
    if asked.weights is not None or asked.seed is not None:
        yield Check("weights", "unknown", "a wrapped file's manifest names none: verify --against compares them")
    if asked.device:
        yield Check("device", "unknown", "a wrapped file's manifest states no precision and no opset")


def _check_without_manifest(path: Path, wanted: str, model: bool, validity: Validity | None) -> list[Check]:
    """An engine or a model that nothing is known of; raises `Refused` for another file."""
    if model:
        from resnet_gen.engine.onnxruntime import open_model  # which takes a while, and is needed here alone

        open_model(path)
    elif validity is None or validity.malformed:
        raise refuse(f"not known as an engine, and there is no {wanted} beside it", str(path))
    checks = [Check("manifest", "no", f"there is no {wanted}: nothing is known of what this was made of")]
    return checks + ([] if validity is None else [_check_validity(validity)])


def _check_files(path: Path, file: str, place: Path, manifest: FileManifest) -> Iterator[Check]:
    """The manifest names the file, and the bytes of all that is there are those it states."""
    if file in manifest.files:
        yield Check("manifest", "ok", f"{place.name} names it")
        yield _check_digest("bytes", path, manifest.files[file])
    elif manifest.bundle and file == manifest.bundle.engine:
        yield Check("manifest", "ok", f"{place.name} is of the bundle that it was built from")
        yield Check("bytes", "unknown", "it was built on the device: no manifest has its hash")
    else:
        yield Check("manifest", "no", f"{place.name} {_explain_unnamed(file, manifest)}")
    for name, digest in manifest.files.items():
        other_path = place.parent / name
        needed = name == f"{file}.data"  # without which the model cannot be loaded
        if name != file and not name.endswith(ENGINE) and (needed or other_path.is_file()):
            yield _check_digest(name, other_path, digest)


def _explain_unnamed(file: str, manifest: FileManifest) -> str:
    """What a manifest says instead of naming the file."""
    if not manifest.files:
        return "lists no files: it does not say what was built"
    other = f" but {manifest.engine.file}" if manifest.engine and file.endswith(ENGINE) else ""
    return f"does not name it{other}: it may be of an earlier build"


def _check_digest(what: str, path: Path, digest: str) -> Check:
    try:
        well = digest_file(path) == digest
    except OSError as error:
        return Check(what, "no", f"cannot be read: {error.strerror}")
    return Check(what, "ok" if well else "no", "SHA-256 as in the manifest" if well else "SHA-256 is another")


class _Origin(NamedTuple):
    """What an engine was built by, and for which compute capabilities."""

    library: str
    version: str
    capabilities: list[str]
    options: dict[str, Any]


def _find_origin(manifest: FileManifest, file: str) -> _Origin | None:
    """The origin of an engine; None for an engine of another build."""
    if manifest.engine and file == manifest.engine.file:
        built = manifest.engine
        return _Origin(built.library, built.version, built.compute_capabilities, list_values(built.options))
    if manifest.bundle and file == manifest.bundle.engine:
        planned = manifest.bundle
        return _Origin("tensorrt", planned.tensorrt, [planned.compute_capability], list_values(planned.options))
    return None


def _check_runtime(known: _Origin | None, validity: Validity | None) -> Iterator[Check]:
    """TensorRT-RTX's own word, which TensorRT has nothing like."""
    if known and known.library != "tensorrt-rtx":
        return
    if validity is None:
        yield Check("runtime", "unknown", "there is no TensorRT-RTX here that can be asked")
    else:
        yield _check_validity(validity)


def _check_validity(validity: Validity) -> Check:
    reasons = ", ".join(validity.reasons)
    if validity.state == "unsaid":
        return Check("runtime", "unknown", "TensorRT-RTX needs a GPU's driver to tell, and its header is an engine's")
    if validity.state == "suboptimal":
        return Check("runtime", "warning", "TensorRT-RTX takes it, and would rather have it built anew")
    if validity.state == "valid":
        return Check("runtime", "ok", "TensorRT-RTX takes it")
    return Check("runtime", "no", f"TensorRT-RTX declines it: {reasons}")


def _check_library(known: _Origin | None, listed: bool) -> Check:
    """Engines are of one release of one library; of a release's builds, the fourth number, nothing is documented."""
    if known is None and listed:
        return Check("library", "no", "the manifest has its hash, and does not say what built it, nor for which GPUs")
    if known is None:
        return Check("library", "unknown", "the manifest names no such engine")
    library, version = known.library, known.version
    here = installed_version(library)
    if here is None:
        return Check("library", "unknown", f"it is of {library} {version}, which is not installed here")
    if here == version:
        return Check("library", "ok", f"{library} {version}, as here")
    built, found = (text.split(".")[:3] for text in (version, here))
    if built[: len(found)] == found[: len(built)]:
        return Check("library", "unknown", f"it is of {library} {version}, and {here} is here")
    if known.options.get("version_compatible") is True:
        return _check_later_release(library, version, here)
    return Check("library", "no", f"it is of {library} {version}, and {here} is here: engines are of one version")


def _check_later_release(library: str, version: str, here: str) -> Check:
    """A version-compatible engine runs with later releases of its major version."""
    of = f"it is of {library} {version}, version-compatible, and {here} is here"
    built, found = parse_release(version), parse_release(here)
    if built[0] != found[0]:
        return Check("library", "no", f"{of}: another major version")
    if found < built:
        return Check("library", "no", f"{of}, which is older")
    return Check("library", "ok", f"{of}: a later release of the same major version")


_AMPERE = (8, 0)
"""The first compute capability that `ampere+` is for."""


def _check_gpu(known: _Origin | None, device: Target | None) -> Check:
    """One of the GPUs here, or the device's, is one that the engine is for."""
    wanted = known.capabilities if known else []
    listed = f"compute capability {', '.join(wanted)}"
    found = [Gpu(device.name, device.compute_capability or "none")] if device else list_gpus() or []
    if not wanted:
        return Check("gpu", "unknown", "the manifest states no compute capability")
    if not found:
        return Check("gpu", "unknown", f"it is for {listed}, and there is no GPU here that can be asked")
    fitting = [name for name, capability in found if capability in wanted]
    ranged = known.options.get("hardware_compatibility") if known else None
    if ranged == "ampere+":
        listed += " and all from 8.0"
        fitting = fitting or [name for name, capability in found if parse_release(capability) >= _AMPERE]
    shown = ", ".join(f"{name} ({capability})" for name, capability in found)
    if fitting:
        return Check("gpu", "ok", f"for {listed}: {', '.join(fitting)}")
    return Check("gpu", "no", f"it is for {listed}, and not for {shown}")


def _check_readable(manifest: FileManifest, device: Target) -> Check:
    """Whether the device runs the model's precision, and reads its opset."""
    if manifest.onnx is None:
        return Check("device", "unknown", "the manifest states no opset")
    if reason := device.refusal(manifest.precision):
        return Check("device", "no", f"{device.name} is not for {manifest.precision.upper()}: {reason}")
    if manifest.onnx.opset > device.opset:
        return Check("device", "no", f"opset {manifest.onnx.opset}, and {device.name} reads up to {device.opset}")
    return Check(
        "device", "ok", f"{manifest.precision} in opset {manifest.onnx.opset}, which {device.name} runs and reads"
    )


def _check_spec(manifest: FileManifest, spec: Loaded | None) -> Check:
    if spec is None:
        return Check("spec", "unknown", f"'{manifest.name}', not compared: --spec says with what")
    if spec.digest() == manifest.spec.sha256:
        return Check("spec", "ok", f"'{spec.spec.name}', SHA-256 as in the manifest")
    if spec.spec.name != manifest.name:
        return Check("spec", "no", f"it is of '{manifest.name}', and the spec is '{spec.spec.name}'")
    keys = _list_other_keys(manifest.spec.resolved, json.loads(spec.canonical()))
    more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
    verb = "differs" if len(keys) == 1 else "differ"
    differ = f": {', '.join(keys[:_NAMED])}{more} {verb}" if keys else ""
    return Check("spec", "no", f"it is of another '{manifest.name}' than the spec{differ}")


_NAMED = 5
"""Keys that are named."""


def _list_other_keys(built: Any, stated: dict[str, Any]) -> list[str]:
    """The keys, of two levels, that a spec has otherwise than the one that a file was built of; none of no spec."""
    if not isinstance(built, dict):
        return []
    built, stated = _state_normalization(built), _state_normalization(stated)
    found = []
    for key in sorted({*built, *stated}):
        one, other = built.get(key), stated.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += [f"{key}.{inner}" for inner in sorted({*one, *other}) if one.get(inner) != other.get(inner)]
        elif one != other:
            found.append(key)
    return [shorten(visible(key)) for key in found]


def _state_normalization(resolved: dict[str, Any]) -> dict[str, Any]:
    """The same with the mean and deviation of pictures, which are left out where they are the usual ones."""
    try:
        mean, std = Input.model_validate_json(json.dumps(resolved["input"])).normalization
    except (KeyError, ValueError):  # pydantic's errors are ValueErrors
        return resolved
    return {**resolved, "input": {**resolved["input"], "mean": list(mean), "std": list(std)}}


def _check_weights(manifest: FileManifest, asked: EngineRequirements) -> Check:
    weights = manifest.weights
    made = f"seed {weights.seed}" if weights.source == "seed" else f"'{weights.file}'"
    if asked.weights is None and asked.seed is None:
        return Check("weights", "unknown", f"of {made}, not compared: --weights says with what")
    if asked.weights is None:
        well = weights.source == "seed" and weights.seed == asked.seed
        return Check("weights", "ok" if well else "no", f"of {made}")
    path = locate_weights(asked.weights, asked.spec).path
    try:
        digest = digest_file(path)
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}", str(path)) from None
    well = weights.source == "file" and digest == weights.sha256
    return Check("weights", "ok" if well else "no", f"of {made}" + ("" if well else ", whose SHA-256 is another"))


def _note_origin(manifest: FileManifest) -> Iterator[Check]:
    """What does not stand against the file, and should be known."""
    if manifest.tool.version != __version__:
        made = f"{manifest.tool.name} {manifest.tool.version}"
        yield Check("tool", "warning", f"built by {made}, and this is {__version__}")
    if manifest.quantization and manifest.quantization.accuracy_is_meaningless:
        yield Check("accuracy", "warning", "calibrated with random images: its accuracy means nothing")
