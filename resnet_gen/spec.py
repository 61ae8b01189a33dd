"""The models of a whole specification, and pydantic's errors as problems."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from resnet_gen.parts import base
from resnet_gen.parts.base import OneOf
from resnet_gen.printed import Printed, PrintedError
from resnet_gen.problems import Problem, Refused, Span, closest, several, shortened, suggest
from resnet_gen.source import Loc, Source, at

base.load_parts()

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Side = Annotated[int, Field(ge=1, le=16_384)]
Words = Annotated[str, Field(min_length=1, max_length=1_000)]
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
NAME_HINT = "use letters, digits, '-' and '_', at most 64, the first a letter or digit"
Rule = Literal["same-map-same-filters", "half-map-double-filters"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def _square(size: Any) -> Any:
    if isinstance(size, int) and not isinstance(size, bool):
        return size, size
    if isinstance(size, (list, tuple)) and len(size) == 2:
        return size
    raise PydanticCustomError("size", "not the size of an image")


class Input(_Model):
    """The image that the network takes, and how a picture becomes one."""

    channels: Annotated[int, Field(ge=1, le=4_096)] = Field(3, description="Channels of the image.")
    size: Annotated[
        tuple[Side, Side],
        Field(strict=False),
        BeforeValidator(
            _square, json_schema_input_type=Side | Annotated[list[Side], Field(min_length=2, max_length=2)]
        ),
    ] = Field((224, 224), description="Side of the square image, or [height, width], in pixels.")
    crop: float = Field(
        0.875,
        gt=0,
        le=1,
        description="Part of the resized picture that the central crop keeps, along its shorter side.",
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
                    "per_channel",
                    "{n} for {c}",
                    {"at": name, "n": several(len(values), "value"), "c": several(self.channels, "channel")},
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
        Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(strict=False, min_length=1, max_length=64)]
        | None
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
    part = next(part for part in base.members(family) if part.kind_name() == kind)
    return part.model_validate({"kind": kind})


class Deviation(_Model):
    """Why a printed figure and the exact count differ by more than its last digit."""

    value: int = Field(ge=0, description="The exact count, which is checked instead.")
    reason: Words = Field(description="Why the printed figure cannot be met.")


def _figure(text: str) -> str:
    try:
        Printed.parse(text)
    except PrintedError as error:
        raise PydanticCustomError("printed", "{why}", {"why": str(error)}) from None
    return text


class Claim(_Model):
    """One figure that somebody published about this network."""

    what: Literal["layers", "params", "buffers", "macs", "flops", "conv_macs", "activations"] = Field(
        description="The count; FLOPs are 2 x MACs, `conv_macs` leaves linear layers out."
    )
    value: int | None = Field(None, ge=0, description="The exact figure.")
    printed: Annotated[str, Field(max_length=32), AfterValidator(_figure)] | None = Field(
        None, description="The figure as printed (`3.8e9`, `25.5M`): met within one unit of its last digit."
    )
    source: Words = Field(description="Who prints it, and where.")
    exception: Deviation | None = Field(None, description="Stated where the printed figure cannot be met.")

    @model_validator(mode="after")
    def _one_figure(self) -> Claim:
        if self.value is None and self.printed is None:
            raise PydanticCustomError("one_figure", "neither a 'value' nor a 'printed' figure")
        if self.value is not None and self.printed is not None:
            raise PydanticCustomError("one_figure", "both a 'value' and a 'printed' figure")
        if self.printed is None and self.exception:
            raise PydanticCustomError("exception", "only a 'printed' figure can have one", {"at": "exception"})
        return self


class Spec(_Model):
    """A network: what `resnet-gen` reads, checks and builds."""

    version: Literal[1] = Field(1, description="Version of this language.")
    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        description="Letters, digits, '-' and '_'; files are called by it."
    )
    extends: str | None = Field(
        None,
        max_length=200,
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


MAX_PROBLEMS = 50


def check(source: Source) -> Spec:
    """The specification in `source`; raises `Refused` with every fault at its position."""
    try:
        return Spec.model_validate(source.data)
    except ValidationError as error:
        raise Refused(_problems(error.errors(include_url=False), source)) from None


def _problems(errors: list[ErrorDetails], source: Source) -> list[Problem]:
    """The faults, once each, in the order of the text."""
    follow_ups = _follow_ups(errors)
    found = [_problem(e, source) for e in errors[: 2 * MAX_PROBLEMS] if (e["type"], e["loc"]) not in follow_ups]
    shown = sorted(dict.fromkeys(found), key=_position)[:MAX_PROBLEMS]
    if len(errors) > MAX_PROBLEMS:
        shown.append(Problem(f"and more: {len(errors)} faults in all, too many to show"))
    return shown


def _position(problem: Problem) -> tuple[str, int, int]:
    span = problem.where
    return (span.document.name, span.line, span.column) if isinstance(span, Span) else ("", 0, 0)


def _follow_ups(errors: list[ErrorDetails]) -> set[tuple[str, tuple[str | int, ...]]]:
    """What goes away with another fault: a key missing because it is misspelt, a list short for its bad values."""
    found: set[tuple[str, tuple[str | int, ...]]] = set()
    for details in errors[: 2 * MAX_PROBLEMS]:
        parent, last = details["loc"][:-1], details["loc"][-1:]
        found.add(("too_short", parent))
        if details["type"] == "extra_forbidden":
            found.add(("missing", (*parent, closest(str(last[0]), _keys_at(parent)) or "")))
    return found


@dataclass(frozen=True)
class _Fault:
    """One of pydantic's errors, `loc` being where it stands in the source and `rest` what is not there."""

    details: ErrorDetails
    source: Source
    loc: Loc
    rest: Loc

    def problem(self, message: str, hint: str | None, loc: Loc | None = None, key: bool = False) -> Problem:
        where = self.source.span(self.loc if loc is None else loc, key)
        return Problem(f"{_dotted(self.loc)}: {message}", where, hint)


def _problem(details: ErrorDetails, source: Source) -> Problem:
    loc, rest = _located(details["loc"], source.data)
    if faulty := details.get("ctx", {}).get("at"):
        loc = (*loc, faulty)
    return _SPECIAL.get(details["type"], _other)(_Fault(details, source, loc, rest))


def _other(fault: _Fault) -> Problem:
    return fault.problem(_words(fault.details), _hint(fault.details))


def _missing(fault: _Fault) -> Problem:
    key, parent = fault.rest[-1], at(fault.source.data, fault.loc)
    short = isinstance(parent, str)
    hint = f"write {{kind: {parent}, {key}: ...}}" if short else f"add '{key}:' here"
    return replace(fault, loc=(*fault.loc, key)).problem("missing", hint)


def _unknown_key(fault: _Fault) -> Problem:
    key = str(fault.loc[-1])
    home = next((words for words, loc in _SECTIONS.items() if key in _keys_at(loc)), None)
    hint = f"it belongs {home}" if home else suggest(key, _keys_at(fault.details["loc"][:-1]))
    return fault.problem("unknown key", hint, key=True)


_SECTIONS: dict[str, Loc] = {"at the top": (), "under 'stages'": ("stages",), "under 'input'": ("input",)}


def _unknown_kind(fault: _Fault) -> Problem:
    kinds = _kinds_at(fault.details["loc"])
    place = (*fault.loc, "kind") if (*fault.loc, "kind") in fault.source.marks else fault.loc
    kind = at(fault.source.data, place)
    if isinstance(kind, str):
        return fault.problem(f"there is no {_quoted(kind)} here", suggest(kind, kinds), place)
    return fault.problem(_is_not(kind, "a kind"), f"known: {', '.join(kinds)}", place)


def _no_kind(fault: _Fault) -> Problem:
    return fault.problem("says no 'kind'", f"add 'kind:', one of {', '.join(_kinds_at(fault.details['loc']))}")


def _no_choice(fault: _Fault) -> Problem:
    value = fault.details["input"]
    known = [word.strip("'") for word in re.split(", | or ", fault.details["ctx"]["expected"])]
    return fault.problem(_is_not(value, "one of the choices"), suggest(str(value), known), key=fault.rest == ("[key]",))


_SPECIAL: dict[str, Callable[[_Fault], Problem]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_kind,
    "model_attributes_type": _unknown_kind,
    "union_tag_not_found": _no_kind,
    "literal_error": _no_choice,
}


def _dotted(loc: Loc) -> str:
    return ".".join(shortened(str(step)) for step in loc) if loc else "the spec"


def _located(loc: tuple[str | int, ...], data: Any) -> tuple[Loc, Loc]:
    """Pydantic's location without the union tags in it, and what is not in the data."""
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


def _model_at(loc: tuple[str | int, ...]) -> Any:
    """The model or family that pydantic's location `loc` leads to; tags lead into parts."""
    model: Any = Spec
    for step in loc:
        fields = getattr(model, "model_fields", {})
        if step in fields:
            model = _model_in(fields[step].annotation)
        elif not isinstance(step, int):
            model = next((p for p in base.members(model) if p.kind_name() == step), model)
    return model


def _keys_at(loc: tuple[str | int, ...]) -> list[str]:
    return list(getattr(_model_at(loc), "model_fields", {}))


def _kinds_at(loc: tuple[str | int, ...]) -> list[str]:
    return [part.kind_name() for part in base.members(_model_at(loc))]


def _model_in(annotation: Any) -> Any:
    """The model inside an annotation such as `tuple[Claim, ...]` or `Deviation | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(a) for a in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)


_TYPES = {
    "int_type": "a whole number", "float_type": "a number", "finite_number": "a finite number",
    "string_type": "text", "bool_type": "true or false", "tuple_type": "a list",
    "dict_type": "a mapping", "model_type": "a mapping",
}  # fmt: skip


def _words(details: ErrorDetails) -> str:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    if kind in _TYPES:
        return _is_not(value, _TYPES[kind])
    if kind.endswith(("_short", "_long")):
        return _wrong_length(kind, len(value), context)
    for bound, words in _BOUNDS.items():
        if bound in context:
            limit = context[bound]
            return f"{_quoted(value)} is {words} {int(limit) if limit == int(limit) else limit}"
    if kind == "string_pattern_mismatch":
        return _is_not(value, "a name")
    return details["msg"]


_BOUNDS = {
    "ge": "too small: it must be at least",
    "gt": "too small: it must be above",
    "le": "too large: it must be at most",
    "lt": "too large: it must be below",
}


def _wrong_length(kind: str, length: int, context: dict[str, Any]) -> str:
    noun = "character" if kind.startswith("string") else "value"
    if kind.endswith("_short"):
        return f"{several(length, noun)}, too few: at least {context['min_length']:,}"
    return f"{several(length, noun)}, too many: at most {context['max_length']:,}"


def _is_not(value: Any, what: str) -> str:
    return f"empty, not {what}" if value is None else f"{_quoted(value)} is not {what}"


def _quoted(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"'{shortened(value)}'" if isinstance(value, str) else str(value)


def _hint(details: ErrorDetails) -> str | None:
    kind, value = details["type"], details["input"]
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return "put it in quotes to make it text"
    if kind in ("int_type", "float_type") and isinstance(value, str) and value.isdecimal():
        return f"without quotes: {value}"
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    return _HINTS.get(kind)


_HINTS = {
    "string_pattern_mismatch": "use letters, digits, '-' and '_', at most 64, the first a letter or digit",
    "size": "write one side, or [height, width]",
    "per_channel": "write one for each channel",
    "one_figure": "'value' is the exact count, 'printed' the figure as a paper rounds it",
    "printed": "write it as printed: 25.5M, 3.8e9, 1.8G",
}
