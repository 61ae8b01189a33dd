"""The names of published weights, and what stands for weights anywhere: a file, or such a name.

A name is read where somebody writes it on the command line or hands it to a function, and nowhere else: a path in a
spec or a project file is a path, whatever it looks like, and nothing is fetched for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from resnet_gen.problems import refuse, shorten

TORCHVISION, TIMM, HUB = "torchvision", "timm", "hf"
LIBRARIES = (TORCHVISION, TIMM, HUB)
METAVAR = "FILE|NAME"
HELP = "safetensors, .npz, a PyTorch checkpoint; or torchvision:TAG, timm:TAG, hf:OWNER/NAME@REVISION."
"""What the option says of both."""
_LONGEST = 400
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_REVISION = rf"(?:@(?P<revision>{_WORD}(?:/{_WORD})*))?"
_FORMS = {
    TORCHVISION: re.compile(rf"(?:(?P<network>[a-z0-9_]+)\.)?(?P<tag>{_WORD})"),
    TIMM: re.compile(rf"(?:(?P<network>[a-z0-9_]+)\.)?(?P<tag>{_WORD}?){_REVISION}"),
    HUB: re.compile(rf"(?P<repository>{_WORD}/{_WORD}){_REVISION}(?::(?P<file>{_WORD}(?:/{_WORD})*))?"),
}
_HINTS = {
    TORCHVISION: "as in torchvision:IMAGENET1K_V2 or torchvision:resnet50.IMAGENET1K_V2",
    TIMM: "as in timm:a1_in1k or timm:resnet50.a1_in1k@REVISION",
    HUB: "as in hf:OWNER/NAME@REVISION or hf:OWNER/NAME@REVISION:model.safetensors",
}


@dataclass(frozen=True)
class WeightsName:
    """Weights that somebody publishes, as they are called on the command line.

    Of a library (`torchvision`, `timm`) there are a `tag` and perhaps a `network`, which the spec says otherwise; of
    the hub (`hf`) there are a `repository` and perhaps a `file`. `revision` is a commit, a branch or a tag of the hub.
    """

    text: str
    library: str
    network: str | None = None
    tag: str | None = None
    repository: str | None = None
    revision: str | None = None
    file: str | None = None


class WeightsFile(NamedTuple):
    """A file of weights that is here; `origin` says of published ones what they are, as the manifest has it."""

    path: Path
    origin: dict[str, Any] | None = None


WeightsSource: TypeAlias = Path | WeightsName | WeightsFile


def parse_weights(text: str) -> Path | WeightsName:
    """What somebody who names weights means; raises `Refused` for what begins as a name and is none.

    `./hf:x` is a file, whatever the name of it.
    """
    library, colon, rest = text.partition(":")
    if not colon or library not in LIBRARIES:
        return Path(text)
    found = _FORMS[library].fullmatch(rest) if len(text) <= _LONGEST else None
    if not found:
        raise refuse(f"'{shorten(text)}' is no name of published weights", hint=_HINTS[library])
    return WeightsName(text, library, **found.groupdict())


def list_local_files(*sources: WeightsSource | None) -> list[Path]:
    """The files among these that somebody named, which nothing may be written over."""
    return [source for source in sources if isinstance(source, Path)]
