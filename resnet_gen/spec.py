"""The models of a whole specification, and pydantic's errors as problems."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from resnet_gen.parts import base
from resnet_gen.parts.base import OneOf
from resnet_gen.printed import Printed, PrintedError
from resnet_gen.problems import Problem, Refused, suggest
from resnet_gen.source import Loc, Source

base.load_parts()

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Side = Annotated[int, Field(ge=1, le=16_384)]
Words = Annotated[str, Field(min_length=1, max_length=1_000)]
Rule = Literal["same-map-same-filters", "half-map-double-filters"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _square(size: Any) -> Any:
    return (size, size) if isinstance(size, int) and not isinstance(size, bool) else size


class Input(_Model):
    """The image that the network takes, and how a picture becomes one."""

    channels: Annotated[int, Field(ge=1, le=4_096)] = Field(3, description="Channels of the image.")
    size: Annotated[
        tuple[Side, Side], Field(strict=False), BeforeValidator(_square, json_schema_input_type=Side | list[Side])
    ] = Field((224, 224), description="Side of the square image, or [height, width], in pixels.")
    crop: float = Field(
        0.875, gt=0, le=1, description="Part of the resized picture that the central crop keeps, along its shorter side."
    )
    mean: Annotated[tuple[float, ...], Field(strict=False)] | None = Field(
        None, description="Mean of each channel, of values in 0..1; ImageNet's for 3 channels, else 0."
    )
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(strict=False)] | None = Field(
        None, description="Standard deviation of each channel; ImageNet's for 3 channels, else 1."
    )

    @model_validator(mode="after")
    def _one_each(self) -> Input:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != self.channels:
                raise PydanticCustomError(
                    "per_channel", "{name} has {n} values for {c} channels",
                    {"name": name, "n": len(values), "c": self.channels},
                )
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return (self.channels, *self.size)

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel."""
        three = self.channels == 3
        mean = self.mean or (IMAGENET_MEAN if three else (0.0,) * self.channels)
        return mean, self.std or (IMAGENET_STD if three else (1.0,) * self.channels)


class Stages(_Model):
    """The stages: how many blocks, of what kind, how wide, and where the map shrinks."""

    depths: Annotated[
        tuple[Annotated[int, Field(ge=1, le=4_096)], ...], Field(strict=False, min_length=1, max_length=64)
    ] = Field(description="Blocks in each stage.")
    strides: (
        Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(strict=False, min_length=1, max_length=64)] | None
    ) = Field(
        None, description="By how much each stage shrinks the map; by default 1 and then 2s, with `max_pool` all 2s."
    )
    widths: Annotated[base.WidthRule, OneOf()] = Field(description="Filters of each stage; a list for short.")
    block: Annotated[base.Block, OneOf()] = Field(description="The unit that each stage repeats.")
    shortcut: Annotated[base.Shortcut, OneOf()] = Field(
        default_factory=lambda: _default(base.Shortcut, "projection"), description="The path around each block."
    )
    downsample: Annotated[base.Downsample, OneOf()] = Field(
        default_factory=lambda: _default(base.Downsample, "stride"), description="How a stage shrinks the map."
    )


def _default(family: type[base.Part], kind: str) -> Any:
    """The part of this kind, with its own defaults."""
    return next(part for part in base.members(family) if part.kind_name() == kind)()


class Deviation(_Model):
    """Why a printed figure and the exact count differ by more than its last digit."""

    value: int = Field(ge=0, description="The exact count, which is checked instead.")
    reason: Words = Field(description="Why the printed figure cannot be met.")


class Claim(_Model):
    """One figure that somebody published about this network."""

    what: Literal["layers", "params", "buffers", "macs", "flops", "conv_macs", "activations"] = Field(
        description="The count; FLOPs are 2 x MACs, `conv_macs` leaves linear layers out."
    )
    value: int | None = Field(None, ge=0, description="The exact figure.")
    printed: str | None = Field(
        None, max_length=32,
        description="The figure as printed (`3.8e9`, `25.5M`): met within one unit of its last digit.",
    )
    source: Words = Field(description="Who prints it, and where.")
    exception: Deviation | None = Field(None, description="Stated where the printed figure cannot be met.")

    @model_validator(mode="after")
    def _one_figure(self) -> Claim:
        if (self.value is None) == (self.printed is None):
            raise PydanticCustomError("one_figure", "a claim has either 'value' or 'printed'")
        if self.printed is not None:
            try:
                Printed.parse(self.printed)
            except PrintedError as error:
                raise PydanticCustomError("printed", "{why}", {"why": str(error)}) from None
        elif self.exception:
            raise PydanticCustomError("exception", "only a 'printed' figure can have an exception")
        return self


class Spec(_Model):
    """A network: what `resnet-gen` reads, checks and builds."""

    version: Literal[1] = Field(1, description="Version of this language.")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")] = Field(
        description="Letters, digits, '-' and '_'; files are called by it."
    )
    extends: str | None = Field(
        None, max_length=200,
        description="Another spec, shipped (`resnet50`) or beside this one (`base.yaml`), whose keys this one changes.",
    )
    title: str = Field("", max_length=200, description="What people call the network.")
    paper: str = Field("", max_length=400, description="The paper that describes it.")
    reference: str | None = Field(
        None, max_length=100, description="The published network whose parameter names and shapes it must have."
    )
    input: Input = Field(default_factory=Input, description="The image.")
    stem: Annotated[base.Stem, OneOf()] = Field(description="What stands before the first stage.")
    stages: Stages = Field(description="The stages.")
    norm: Annotated[base.Norm, OneOf()] = Field(
        default_factory=lambda: _default(base.Norm, "batch"), description="Normalization."
    )
    activation: Annotated[base.ActivationPart, OneOf()] = Field(
        default_factory=lambda: _default(base.ActivationPart, "relu"), description="The nonlinearity."
    )
    head: Annotated[base.Head, OneOf()] = Field(description="What turns the last map into scores.")
    naming: Annotated[base.Naming, OneOf()] = Field(
        default_factory=lambda: _default(base.Naming, "paths"), description="How layers and parameters are called."
    )
    deviations: dict[Rule, Words] = Field(
        default_factory=dict, description="The paper's design rules that this network breaks on purpose, and why."
    )
    claims: Annotated[tuple[Claim, ...], Field(strict=False, max_length=200)] = Field(
        (), description="Published figures, checked by `resnet-gen verify`."
    )


OWN_KEYS = ("name", "extends", "title", "paper", "reference", "deviations", "claims")
"""Keys that describe one network and are not inherited through `extends`."""


def check(source: Source) -> Spec:
    """The specification in `source`; raises `Refused` with every fault at its position."""
    try:
        return Spec.model_validate(source.data)
    except ValidationError as error:
        raise Refused(_problems(error.errors(include_url=False), source)) from None


def _problems(errors: list[ErrorDetails], source: Source) -> list[Problem]:
    """All faults; a list that pydantic calls too short only for its bad values is left out."""
    locs = [details["loc"] for details in errors]
    return [
        _problem(e, source)
        for e in errors
        if not (e["type"] == "too_short" and any(loc[:-1] == e["loc"] for loc in locs if loc))
    ]


def _problem(details: ErrorDetails, source: Source) -> Problem:
    loc, rest = _located(details["loc"], source.data)
    kind = details["type"]
    context = details.get("ctx", {})
    missing = rest[-1:] if kind == "missing" else ()
    dotted = ".".join(map(str, (*loc, *missing))) or "the spec"
    if kind == "missing":
        return Problem(f"{dotted}: missing", source.span(loc), f"add '{rest[-1]}:' here")
    if kind == "extra_forbidden":
        known = _known_keys(details["loc"][:-1])
        return Problem(f"{dotted}: unknown key", source.span(loc, key=True), suggest(str(loc[-1]), known))
    if kind == "union_tag_invalid":
        place = (*loc, "kind") if (*loc, "kind") in source.marks else loc
        found = str(context["tag"])
        expected = context["expected_tags"].replace("'", "").split(", ")
        return Problem(f"{dotted}: there is no '{found}' here", source.span(place), suggest(found, expected))
    if kind == "union_tag_not_found":
        return Problem(f"{dotted}: says no 'kind'", source.span(loc), "write kind: and which one it is")
    return Problem(f"{dotted}: {_words(details)}", source.span(loc), _hint(details))


def _located(loc: tuple[str | int, ...], data: Any) -> tuple[Loc, Loc]:
    """pydantic's location without the union tags in it, and what is not in the data."""
    found: list[str | int] = []
    rest: list[str | int] = []
    for step in loc:
        inside = (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        )
        if inside:
            data = data[step]
            found.append(step)
            rest.clear()
        else:
            rest.append(step)
    return tuple(found), tuple(rest)


def _known_keys(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at pydantic's location `loc` has; tags lead into parts."""
    model: Any = Spec
    for step in loc:
        if isinstance(step, int):
            continue
        fields = getattr(model, "model_fields", {})
        if step in fields:
            model = _model_in(fields[step].annotation)
        else:
            model = next((p for p in base.members(model) if p.kind_name() == step), model)
    return list(getattr(model, "model_fields", {}))


def _model_in(annotation: Any) -> Any:
    """The model inside an annotation such as `tuple[Claim, ...]` or `Deviation | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(a) for a in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)


_TYPES = {
    "int_type": "a whole number", "string_type": "text", "float_type": "a number", "bool_type": "true or false",
    "tuple_type": "a list", "dict_type": "a mapping", "model_type": "a mapping",
    "model_attributes_type": "a mapping", "dataclass_type": "a mapping",
}  # fmt: skip


def _words(details: ErrorDetails) -> str:
    kind, context, value = details["type"], details.get("ctx", {}), _quoted(details["input"])
    if kind in _TYPES:
        return f"{value} is not {_TYPES[kind]}"
    if kind in ("greater_than_equal", "greater_than"):
        bound = context.get("ge", context.get("gt"))
        return f"{value} is too small: it must be {'at least' if 'ge' in context else 'above'} {bound}"
    if kind in ("less_than_equal", "less_than"):
        bound = context.get("le", context.get("lt"))
        return f"{value} is too large: it must be {'at most' if 'le' in context else 'below'} {bound}"
    if kind == "literal_error":
        return f"{value} is not one of {context['expected']}"
    if kind == "string_pattern_mismatch":
        return f"{value} is not a name"
    if kind in ("too_short", "too_long"):
        return f"has {context['actual_length']} values, which is {kind.replace('_', ' ').replace('short', 'few').replace('long', 'many')}"
    message = details["msg"]
    return message[:1].lower() + message[1:]


def _quoted(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = str(value)
    text = text if len(text) <= 60 else text[:57] + "..."
    return f"'{text}'" if isinstance(value, str) else text


def _hint(details: ErrorDetails) -> str | None:
    if details["type"] == "string_pattern_mismatch":
        return "use letters, digits, '-' and '_', at most 64, the first a letter or digit"
    if details["type"] == "literal_error" and details["loc"][0] == "deviations":
        return "the paper's two rules: same-map-same-filters, half-map-double-filters"
    if details["type"] == "printed":
        return "write it as printed: 25.5M, 3.8e9, 1.8G"
    return None
