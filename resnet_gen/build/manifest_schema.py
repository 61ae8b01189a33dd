"""What a manifest states about a file, read as something that anybody may have written."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from resnet_gen.build.manifest import LARGEST, file_name, locate_beside
from resnet_gen.engine.names import ONNX
from resnet_gen.language.entry_limits import limit_entries
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.files import read_regular_file, why_unread

_HINT = "build it again, or check the manifest out anew"
_FILE = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,250}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,250})?$"
"""A file in the manifest's folder or one below: a manifest must not have other files read."""
_CAPABILITY = r"^[0-9]{1,2}\.[0-9]$"
_SHA256 = r"^[0-9a-f]{64}$"

ManifestText = Annotated[str, Field(max_length=1000)]
Digest = Annotated[str, Field(pattern=_SHA256)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class WriterTool(_Part):
    """What wrote the manifest."""

    name: ManifestText
    version: ManifestText


class SpecPart(_Part):
    """The specification, by its hash, and every key of it."""

    sha256: Digest
    resolved: Any = None


class PublishedPart(_Part):
    """What weights are published as."""

    name: ManifestText
    revision: ManifestText | None = None


class WeightsPart(_Part):
    """Where the weights came from."""

    source: Literal["seed", "file"]
    seed: int | None = None
    file: ManifestText | None = None
    sha256: Digest | None = None
    published: PublishedPart | None = None


class BuildOptionPart(_Part):
    """An option that an engine was built with, and who said it."""

    value: bool | int | ManifestText | list[Any]
    from_: ManifestText = Field(alias="from")


_Options = Annotated[dict[ManifestText, BuildOptionPart], BeforeValidator(limit_entries(100))]


class SparseWeightsPart(_Part):
    """How many layers have zeros that sparse kernels skip, which might and do not, and the share of all weights."""

    layers: int
    dense: Annotated[list[ManifestText], BeforeValidator(limit_entries(10_000))]
    share: float


class EnginePart(_Part):
    """An engine that was built with the manifest."""

    file: ManifestText
    library: ManifestText
    version: ManifestText
    compute_capabilities: Annotated[
        list[Annotated[str, Field(pattern=_CAPABILITY)]], BeforeValidator(limit_entries(100))
    ]
    options: _Options = {}
    sparse_weights: SparseWeightsPart | None = None


class BundlePart(_Part):
    """An engine that a script builds on the device."""

    device: ManifestText
    tensorrt: ManifestText
    compute_capability: Annotated[str, Field(pattern=_CAPABILITY)]
    engine: ManifestText
    options: _Options = {}
    sparse_weights: SparseWeightsPart | None = None


class OnnxPart(_Part):
    """How the model is written."""

    opset: int


class QuantizationPart(_Part):
    """Whether accuracy means anything."""

    accuracy_is_meaningless: bool


class ProjectPart(_Part):
    """That it was built as a project file says, and a hash of all that it was built of."""

    inputs: Digest


class FileManifest(_Part):
    """The parts of a manifest that a file can be compared with."""

    name: ManifestText
    tool: WriterTool
    spec: SpecPart
    weights: WeightsPart
    precision: ManifestText
    files: Annotated[dict[Annotated[str, Field(pattern=_FILE)], Digest], BeforeValidator(limit_entries(1_000))]
    onnx: OnnxPart | None = None
    engine: EnginePart | None
    bundle: BundlePart | None = None
    quantization: QuantizationPart | None = None
    project: ProjectPart | None = None

    @property
    def engine_file(self) -> str | None:
        """The engine among the files that it names, if there is one."""
        return self.engine.file if self.engine and self.engine.file in self.files else None

    @property
    def model_file(self) -> str | None:
        """The model among the files that it names, if there is one."""
        return next((name for name in self.files if name.endswith(ONNX)), None)

    @property
    def main_file(self) -> str | None:
        """The engine, or else the model, among the files that it names; None where it names neither."""
        return self.engine_file or self.model_file

    @property
    def sparse_weights(self) -> SparseWeightsPart | None:
        """What it says of zeros in the weights of an engine that was built, or is to be; None where nothing."""
        part = self.engine or self.bundle
        return part.sparse_weights if part else None


class ManifestPlace(NamedTuple):
    """Where the manifest of a file would be, and what it calls the file."""

    manifest: Path
    file: str


def locate_manifest(path: Path) -> ManifestPlace:
    """Beside the file; above it for the `1/model.onnx` of a Triton repository."""
    where = path.absolute()
    if where.stem == "model" and where.parent.name.isdecimal():
        folder = where.parent.parent
        return ManifestPlace(folder / file_name(folder.name), f"{where.parent.name}/{where.name}")
    return ManifestPlace(locate_beside(where), where.name)


def read_manifest(path: Path) -> FileManifest | None:
    """The manifest at a path; None where there is no file. Raises `Refused` for one that cannot be read."""
    if not path.exists():
        return None
    try:
        return FileManifest.model_validate(_read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(shorten(str(step), 30) for step in first["loc"]) or "it"
        raise refuse(f"not a manifest of this tool: {key}: {_describe_fault(first)}", str(path), _HINT) from None


def _describe_fault(fault: ErrorDetails) -> str:
    return "not as a manifest has it" if fault["type"] == "string_pattern_mismatch" else fault["msg"].lower()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_regular_file(path, LARGEST))
    except OSError as error:
        large = error.errno == errno.EFBIG
        raise refuse("too large to be a manifest" if large else why_unread(error), str(path)) from None
    except (ValueError, RecursionError):
        raise refuse("not a whole manifest", str(path), _HINT) from None
