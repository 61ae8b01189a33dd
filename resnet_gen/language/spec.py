"""The models of a whole specification."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from resnet_gen.graph.counts import CountName
from resnet_gen.language.budgets import Budgets
from resnet_gen.language.custom_parts import files
from resnet_gen.language.engine_settings import EngineSettings
from resnet_gen.language.faults import OUTPUT_PATTERN, PLACES_PATTERN, validate
from resnet_gen.language.figures import PrintedError, PrintedFigure
from resnet_gen.language.serve import Serve
from resnet_gen.language.source import Source
from resnet_gen.language.training import Training
from resnet_gen.ops.limits import SIDES
from resnet_gen.parts import base, registry
from resnet_gen.parts.base import StrictModel
from resnet_gen.parts.registry import OneOf
from resnet_gen.problems import several

_ALWAYS = {"widths.list"}
"""Kinds that a specification can mean without naming them: the short form of widths, and every default."""


def _part_field(family: type[base.Part], kind: str, description: str) -> Any:
    """The field of a part that is by default of this kind, with its own defaults."""
    _ALWAYS.add(f"{family.folder}.{kind}")
    return Field(default_factory=cache(lambda: registry.default_part(family, kind)), description=description)


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

SideLength = Annotated[int, Field(ge=SIDES.least, le=SIDES.most)]
_Stride = Annotated[int, Field(ge=1, le=8)]
_PER_STAGE = Field(strict=False, min_length=1, max_length=64)


def _check_printable(text: str) -> str:
    """Text that a terminal shows and does not obey."""
    for character in text:
        if not (character.isprintable() or character == "\n"):
            code = f"U+{ord(character):04X}"
            raise PydanticCustomError("printable", "the character {code} cannot be printed", {"code": code})
    return text


Words = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_check_printable)]
MAX_PARTS = 64
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
DesignRule = Literal["same-map-same-filters", "half-map-double-filters"]


class _Model(StrictModel):
    """A mapping in a spec: the schema of the whole holds all others."""


def _expand_size(size: Any) -> Any:
    if isinstance(size, int) and not isinstance(size, bool):
        return size, size
    if isinstance(size, (list, tuple)) and len(size) == 2:
        return size
    raise PydanticCustomError("size", "not the size of an image")


class Input(_Model):
    """The image that the network takes, and how a picture becomes one."""

    channels: Annotated[int, Field(ge=1, le=4_096)] = Field(3, description="Channels of the image.")
    size: Annotated[
        tuple[SideLength, SideLength],
        Field(strict=False),
        BeforeValidator(
            _expand_size,
            json_schema_input_type=SideLength | Annotated[list[SideLength], Field(min_length=2, max_length=2)],
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
    def _check_lengths(self) -> Input:
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
    def mode(self) -> str | None:
        """What a picture becomes, in Pillow's words; None for as many channels as no picture has."""
        return {1: "L", 3: "RGB", 4: "RGBA"}.get(self.channels)

    @property
    def usual(self) -> set[str]:
        """Which of `mean` and `std` are those that are taken where none are said."""
        plain = self.model_copy(update={"mean": None, "std": None}).normalization
        pairs = zip(("mean", "std"), plain, self.normalization, strict=True)
        return {name for name, default, own in pairs if default == own}

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel."""
        three = self.channels == 3
        mean = self.mean or (IMAGENET_MEAN if three else (0.0,) * self.channels)
        return mean, self.std or (IMAGENET_STD if three else (1.0,) * self.channels)


Which = Annotated[str, Field(pattern=PLACES_PATTERN)]
"""Which blocks an override is for: `stage2`, `stage3-4`, `stage1.block2`, `stage1.block2-5`; both count from 1."""


class Override(_Model):
    """What some blocks have instead of the choice for all."""

    block: Annotated[base.Block, OneOf()] | None = Field(None, description="The unit.")
    shortcut: Annotated[base.Shortcut, OneOf()] | None = Field(None, description="The path around it.")
    attention: Annotated[base.Attention, OneOf()] | None = Field(None, description="What weighs its branch.")


def _replace_none(given: Any) -> Any:
    return {} if given is None else given


class Stages(_Model):
    """The stages: how many blocks, of what kind, how wide, and where the map shrinks."""

    depths: Annotated[tuple[Annotated[int, Field(ge=1, le=4_096)], ...], _PER_STAGE] | None = Field(
        None, description="Blocks in each stage; left out where the width rule decides them."
    )
    strides: Annotated[tuple[_Stride, ...], _PER_STAGE] | None = Field(
        None,
        description="By how much each stage shrinks the map; by default 1 and then 2s, with `max_pool` all 2s. No "
        "stage becomes wider or narrower by it.",
    )
    last_stride: _Stride | None = Field(
        None,
        description="By how much the last stage shrinks the map instead, its widths and weights as they are: 1 for a "
        "larger last map, as re-identification has it.",
    )
    widths: Annotated[base.WidthRule, OneOf()] = Field(description="Filters of each stage; a list for short.")
    block: Annotated[base.Block, OneOf()] = Field(description="The unit that each stage repeats.")
    shortcut: Annotated[base.Shortcut, OneOf()] = _part_field(
        base.Shortcut, "projection", "The path around each block."
    )
    attention: Annotated[base.Attention, OneOf()] = _part_field(
        base.Attention, "none", "What weighs each block's branch."
    )
    downsample: Annotated[base.Downsample, OneOf()] = _part_field(
        base.Downsample, "stride", "How a stage shrinks the map."
    )
    output_stride: Annotated[int, Field(ge=1, le=4_096)] | None = Field(
        None,
        description="By how much the whole network shrinks the image at most: later stages keep the map's size and "
        "dilate their windows.",
    )
    overrides: Annotated[
        dict[Which, Override], BeforeValidator(_replace_none, json_schema_input_type=dict[Which, Override] | None)
    ] = Field(
        default_factory=dict,
        description="What single stages or blocks have instead, by their place: `stage2`, `stage3-4`, `stage1.block2`; "
        "the last that fits counts. `null` takes away those that are inherited.",
    )

    @model_validator(mode="after")
    def _check_depths(self) -> Stages:
        if self.depths is None and self.widths.depths() is None:
            raise PydanticCustomError("no_depths", "missing")
        return self

    @property
    def block_kinds(self) -> set[str]:
        """The kinds of all blocks, those of single stages among them."""
        return {self.block.kind, *(other.block.kind for other in self.overrides.values() if other.block)}


class Deviation(_Model):
    """Why a printed figure and the exact count differ by more than its last digit."""

    value: int = Field(ge=0, description="The exact count, which is checked instead.")
    reason: Words = Field(description="Why the printed figure cannot be met.")


def _check_figure(text: str) -> str:
    try:
        PrintedFigure.parse(text)
    except PrintedError as error:
        raise PydanticCustomError("printed", "{why}", {"why": str(error)}) from None
    return text


class Claim(_Model):
    """One figure that somebody published about this network."""

    what: CountName = Field(description="The count (docs/counting.md says what each holds).")
    value: int | None = Field(None, ge=0, description="The exact figure.")
    printed: Annotated[str, Field(max_length=32), AfterValidator(_check_figure)] | None = Field(
        None, description="The figure as printed (`3.8e9`, `25.5M`): met within one unit of its last digit."
    )
    source: Words = Field(description="Who prints it, and where.")
    size: SideLength | None = Field(None, description="The input's side that the figure is for, if not the spec's own.")
    exception: Deviation | None = Field(None, description="Stated where the printed figure cannot be met.")

    @model_validator(mode="after")
    def _check_one_figure(self) -> Claim:
        if self.value is None and self.printed is None:
            raise PydanticCustomError("one_figure", "neither a 'value' nor a 'printed' figure")
        if self.value is not None and self.printed is not None:
            raise PydanticCustomError("one_figure", "both a 'value' and a 'printed' figure")
        if self.printed is None and self.exception:
            raise PydanticCustomError("exception", "only a 'printed' figure can have one", {"at": "exception"})
        return self


class Quantization(_Model):
    """What stays in float when the network is built in INT8 or FP8."""

    keep: Annotated[tuple[Words, ...], Field(strict=False, min_length=1, max_length=1_000)] = Field(
        description="Layers and residual sums that are not quantized: by place (`stem`, `stage1`, `stage2.block1-3`, "
        "`head`) or by name (`layer4.*.conv3`)."
    )


class Spec(_Model):
    """A network: what `resnet-gen` reads, checks and builds."""

    version: Literal[1] = Field(1, description="Version of this language.")
    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        description="Letters, digits, '-' and '_'; files are called by it."
    )
    extends: str | None = Field(
        None,
        max_length=200,
        description="Another spec whose keys this one changes: a shipped one (`resnet50`), or a file (`base.yaml`) "
        "by its path from this one.",
    )
    parts: Annotated[tuple[Words, ...], Field(strict=False, max_length=MAX_PARTS)] = Field(
        (), description="Python files beside this spec that define parts; their code is run (docs/parts.md)."
    )
    title: Annotated[str, Field(max_length=200), AfterValidator(_check_printable)] = Field(
        "", description="What people call the network."
    )
    paper: Annotated[str, Field(max_length=400), AfterValidator(_check_printable)] = Field(
        "", description="The paper that describes it."
    )
    reference: str | None = Field(
        None, max_length=100, description="The published network whose parameter names and shapes it must have."
    )
    input: Input = Field(default_factory=Input, description="The image.")
    stem: Annotated[base.Stem, OneOf()] = Field(description="What stands before the first stage.")
    stages: Stages = Field(description="The stages.")
    norm: Annotated[base.Norm, OneOf()] = _part_field(base.Norm, "batch", "Normalization.")
    activation: Annotated[base.ActivationPart, OneOf()] = _part_field(base.ActivationPart, "relu", "The nonlinearity.")
    head: Annotated[base.Head, OneOf()] = Field(description="What turns the last map into scores.")
    antialias: Annotated[base.AntiAlias, OneOf()] = _part_field(
        base.AntiAlias, "none", "What smooths a map before it shrinks."
    )
    weight_standardization: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Use each filter with mean 0 and variance 1, the number added to the variance (Qiao et al. 2019).",
    )
    outputs: Annotated[
        tuple[Annotated[str, Field(pattern=OUTPUT_PATTERN)], ...], Field(strict=False, max_length=64)
    ] = Field((), description="Stages whose maps the network outputs too (`stage2`, counted from 1), before its head.")
    quantization: Quantization | None = Field(None, description="Exceptions from INT8 and FP8.")
    engine: EngineSettings | None = Field(None, description="How its engines are built (docs/engines.md).")
    serve: Serve | None = Field(
        None, description="What its file takes and outputs: pixels in, and labels out (docs/serve.md)."
    )
    naming: Annotated[base.Naming, OneOf()] = _part_field(base.Naming, "paths", "How layers and parameters are called.")
    deviations: dict[DesignRule, Words] = Field(
        default_factory=dict, description="The paper's design rules that this network breaks on purpose, and why."
    )
    claims: Annotated[tuple[Claim, ...], Field(strict=False, max_length=200)] = Field(
        (), description="Published figures, checked by `resnet-gen verify`."
    )
    budgets: Budgets | None = Field(None, description="What it may cost, checked by `resnet-gen verify`.")
    training: Training | None = Field(None, description="What only training sees, in generated PyTorch and Flax.")

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its classes; none where they are not stated."""
        return (self.serve.labels or ()) if self.serve else ()


OWN_KEYS = ("name", "extends", "parts", "title", "paper", "reference", "deviations", "claims", "budgets")
"""Keys that describe one network and are not inherited through `extends`."""


def check_spec(source: Source, *, more_parts: bool = False) -> Spec:
    """The specification in `source`; raises `Refused` with every fault at its position.

    With `more_parts`, parts from outside the package were run since the last spec was checked.
    """
    if more_parts:
        know_every_part()
        _rebuild()
    _hold_kinds(_ALWAYS.union(_list_texts(_leave_out_labels(source.data))))
    try:
        return Spec.model_validate(source.data)
    except ValidationError:
        know_every_part()  # so that messages can name them all
    return validate(Spec, source)


def _rebuild() -> None:
    """Let `Spec`, and what of it was built by itself, hold the parts that there are now."""
    parts = (part for family in base.FAMILIES for part in registry.members(family))
    built = registry.find_holders((*parts, *_Model.__subclasses__()))
    for model in built:
        if model is not Spec:
            model.model_rebuild(force=True)
    Spec.model_rebuild(force=True)


@cache
def know_every_part() -> None:
    """Let `Spec` hold every part there is, installed ones too; until then it knows those that were needed."""
    registry.load_parts()
    files.run_installed()
    _rebuild()


def forget_files() -> None:
    """Let `Spec` hold no part any longer that a spec's own files define."""
    if files.forget_files():
        _rebuild()


_FEW = range(2)
"""How often `Spec` is made again for the few parts that one more specification needs; then it is made for all."""
_made = count()


def _hold_kinds(kinds: set[str]) -> None:
    """Let `Spec` hold parts of these kinds; all, if that goes on or a family would have none."""
    if registry.load_parts(kinds):
        if next(_made) not in _FEW or not all(map(registry.members, base.FAMILIES)):
            know_every_part()
        else:
            _rebuild()


def _leave_out_labels(data: Any) -> Any:
    """The same without `serve`, in which no part is chosen, and which may have a hundred thousand labels."""
    return {key: value for key, value in data.items() if key != "serve"} if isinstance(data, dict) else data


def _list_texts(data: Any) -> Iterator[str]:
    """Every text in plain data: among them are the kinds of all its parts."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, (dict, list)):
        for inner in data.values() if isinstance(data, dict) else data:
            yield from _list_texts(inner)
