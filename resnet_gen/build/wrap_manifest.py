"""The manifest beside a wrapped file: what it was made of, what was done, and whether that was proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from resnet_gen import __version__
from resnet_gen.build.manifest import LARGEST
from resnet_gen.build.manifest_schema import Digest, ManifestText
from resnet_gen.language.entry_limits import limit_entries
from resnet_gen.problems import json_text, refuse
from resnet_gen.system.files import read_regular_file, why_unread


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class WrapOrigin(_Part):
    """The file that was wrapped, by its name and hash."""

    file: ManifestText
    sha256: Digest


class WrapManifest(_Part):
    """The parts of a manifest that a wrapped file can be compared with."""

    of: WrapOrigin
    files: Annotated[dict[ManifestText, Digest], BeforeValidator(limit_entries(10))]
    proof: dict[str, Any] | None = None


def locate_wrap_manifest(path: Path) -> Path:
    """The manifest of a wrapped file, beside it."""
    return path.with_name(f"{path.stem}.wrap.json")


def write_wrap_manifest(data: dict[str, Any]) -> str:
    """The text of a manifest."""
    return json_text({"tool": {"name": "resnet-gen", "version": __version__}, **data}) + "\n"


def read_wrap_manifest(path: Path) -> WrapManifest | None:
    """The manifest beside a file; None where there is none. Raises `Refused` for one that cannot be read."""
    place = locate_wrap_manifest(path)
    if not place.exists():
        return None
    try:
        return WrapManifest.model_validate(json.loads(read_regular_file(place, LARGEST)))
    except OSError as error:
        raise refuse(why_unread(error), str(place)) from None
    except (ValidationError, ValueError, RecursionError):
        raise refuse("not the manifest of a wrapped file", str(place), "wrap it again") from None
