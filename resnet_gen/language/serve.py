"""What a spec says of how it is served: which pixels its file takes, and which outputs it has, with labels."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from resnet_gen.ops.limits import CLASSES
from resnet_gen.ops.serving_words import ChannelOrder, Layout, PixelType
from resnet_gen.parts.base import StrictModel

PictureSize: TypeAlias = Literal["fixed", "any"]

BEST = re.compile(r"top([1-9][0-9]{0,3})\Z", re.ASCII)
"""An output that holds the best classes: `top5`."""
LONGEST_LABEL = 200


def check_label(text: str) -> str:
    """A label that stands on one line of a terminal, which shows it and does not obey."""
    if not text.isprintable():
        code = next(f"U+{ord(character):04X}" for character in text if not character.isprintable())
        raise PydanticCustomError("printable", "the character {code} cannot be printed", {"code": code})
    return text


Label = Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL), AfterValidator(check_label)]


def _refuse_name(value: Any) -> Any:
    if isinstance(value, str):
        raise PydanticCustomError("labels", "the name of a file, which was not read")
    return value


class Serve(StrictModel):
    """What a file takes and outputs where it does not take what the network does: pixels in, and labels out."""

    type: PixelType = Field("uint8", description="Element type of a picture.")
    layout: Layout = Field("NHWC", description="Where the channels stand: behind the columns, or before the rows.")
    order: ChannelOrder = Field("RGB", description="Order of three channels as they come in; OpenCV's is BGR.")
    scale: Literal[1, 255] | None = Field(
        None, description="The greatest value of a pixel: 255 for `uint8`; for `float32` 1, unless 255 is stated."
    )
    size: PictureSize = Field(
        "fixed",
        description="`fixed` takes pictures of the network's size, `any` those of any size, which its graph resizes "
        "and crops.",
    )
    outputs: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")], ...], Field(strict=False, max_length=64)
    ] = Field(
        (),
        description="What the file outputs: `logits`, `probabilities`, `top5` (or another number), `embedding`, "
        "`normalized_embedding`, stages' maps (`stage2`), or what the head outputs else; by default what the network "
        "outputs.",
    )
    labels: (
        Annotated[
            tuple[Label, ...],
            Field(strict=False, min_length=1, max_length=CLASSES.most),
            BeforeValidator(_refuse_name, json_schema_input_type=str | list[str]),
        ]
        | None
    ) = Field(
        None, description="Names of the classes in their order: a list, or a text file by its path from this one."
    )

    @model_validator(mode="after")
    def _check_outputs(self) -> Serve:
        for index, name in enumerate(self.outputs):
            if name in self.outputs[:index]:
                raise PydanticCustomError("twice", "'{name}' twice", {"at": "outputs", "name": name})
        return self

    @property
    def greatest(self) -> int:
        """The greatest value of a pixel."""
        return self.scale or (255 if self.type == "uint8" else 1)


def parse_labels(text: str) -> tuple[str, ...]:
    """The labels in a JSON list; raises `ValueError` for what is none."""
    return _LABELS.validate_json(text)


_LABELS = TypeAdapter(tuple[Label, ...])


def find_spec_labels(resolved: Any) -> tuple[str, ...]:
    """The labels of a spec as plain data, none where it states none; raises `ValueError` for what no spec says."""
    serve = resolved.get("serve") if isinstance(resolved, dict) else None
    return (Serve.model_validate_json(json.dumps(serve)).labels or ()) if serve else ()
