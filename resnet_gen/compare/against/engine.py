"""An engine compared with a spec: by its manifest, and by the ONNX file that it was built from."""

from __future__ import annotations

from pathlib import Path

from resnet_gen.build.engine_check import check
from resnet_gen.build.manifest_schema import locate_manifest, read_manifest
from resnet_gen.build.option_checks import EngineRequirements
from resnet_gen.compare.against.model import compare_model, read_model
from resnet_gen.engine.names import ONNX
from resnet_gen.system.digest import digest_file
from resnet_gen.verify.rules.against import FileFindings
from resnet_gen.verify.subject import Subject
from resnet_gen.weights.downloads.names import WeightsSource

_ASKED = ("manifest", "bytes", "spec", "weights")


def compare_engine(path: Path, weights: WeightsSource | None, subject: Subject) -> FileFindings:
    """An engine compared with a spec; raises `Refused` for what is none."""
    asked = _ASKED if weights else _ASKED[:-1]
    checks = [found for found in check(path, EngineRequirements(subject.loaded, weights)) if found.what in asked]
    faults = tuple(f"{path}: {found.what}: {found.reason}" for found in checks if found.state != "ok")
    if faults:
        return FileFindings(str(path), engine=faults, behind=("layers", "shapes", "weights"))
    which = "its bytes, this spec and these weights" if weights else "its bytes and this spec"
    words = f"{path} ({which} by the hashes in {locate_manifest(path).manifest.name}; not opened, which takes its GPU)"
    model = _find_model(path)
    if model is None:
        behind = ("layers", "shapes", "weights")
        return FileFindings(str(path), f"{words}, no ONNX file beside it to look at", behind=behind)
    found = compare_model(model, read_model(model), None, subject)
    return found._replace(file=str(path), words=f"{words}, built from {found.words or found.file}")


def _find_model(path: Path) -> Path | None:
    """The ONNX file that the manifest of an engine names, if it lies beside it unchanged."""
    known = read_manifest(locate_manifest(path).manifest)
    names = [name for name in known.files if name.endswith(ONNX)] if known else []
    if known is None or len(names) != 1:
        return None
    found = path.parent / names[0]
    return found if found.is_file() and digest_file(found) == known.files[names[0]] else None
