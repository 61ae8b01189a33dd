"""`[builds.NAME]` of a project file: what is built of which specs, for which devices, and where.

Whatever `build` can be asked for can stand there, under the name that the API has for it: the keys are those of
`BuildWishes`, so that a wish that is new to `build` is a key here at once if it is a yes, a number or one of some
words.
"""

from __future__ import annotations

import builtins
import dataclasses
import string
import sys
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BeforeValidator, Field, create_model
from pydantic_core import PydanticCustomError

from resnet_gen.build.output_kinds import BuildTarget, Language
from resnet_gen.build.request_resolution import BuildWishes
from resnet_gen.language.engine_settings import EngineSettings
from resnet_gen.language.serve import Label, Serve
from resnet_gen.language.spec import Words
from resnet_gen.ops.limits import BATCHES, CLASSES, OPSETS
from resnet_gen.ops.precision import Method, Precision
from resnet_gen.parts.base import StrictModel
from resnet_gen.quantization.limits import CALIBRATION_IMAGES, PERCENTILES
from resnet_gen.weights.seeds import SEEDS

MOST_BUILDS = 1_000
"""Networks for devices in precisions, of all builds of a project."""
PLACEHOLDERS = ("build", "spec", "device", "precision", "target", "serve")
"""What stands between braces in a folder, and in the name of a file of weights."""
_MOST_CHOICES = 100


def _check_placeholders(text: str) -> str:
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError:
        raise PydanticCustomError("braces", "a brace that does not close, or closes nothing") from None
    for _, name, form, conversion in fields:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            hint = f"known: {', '.join(f'{{{known}}}' for known in PLACEHOLDERS)}"
            context = {"shown": f"{{{name[:60]}}}", "hint": hint}
            raise PydanticCustomError("placeholder", "there is no placeholder '{shown}'", context)
    return text


def _check_distinct(words: tuple[str, ...]) -> tuple[str, ...]:
    for index, word in enumerate(words):
        if word in words[:index]:
            raise PydanticCustomError("twice", "'{word}' stands there twice", {"word": word, "at": index})
    return words


def check_walks(pattern: str) -> str:
    """Refuse a glob whose time grows without bound."""
    if pattern.count("**") > 1:
        raise PydanticCustomError("walks", "'**' may stand in it once")
    return pattern


SpecPatterns: TypeAlias = Annotated[
    tuple[Annotated[Words, AfterValidator(check_walks)], ...], Field(strict=False, min_length=1, max_length=1_000)
]
"""Names of shipped networks, paths and globs."""
FilePattern: TypeAlias = Annotated[Words, AfterValidator(_check_placeholders)]
"""A path from the project file, with placeholders."""
_LIST = Field(strict=False, min_length=1, max_length=_MOST_CHOICES)
_Texts: TypeAlias = Annotated[tuple[Words, ...], _LIST, AfterValidator(_check_distinct)]
_Precisions: TypeAlias = Annotated[tuple[Precision, ...], _LIST, AfterValidator(_check_distinct)]
_Targets: TypeAlias = Annotated[tuple[BuildTarget, ...], _LIST, AfterValidator(_check_distinct)]
_Languages: TypeAlias = Annotated[tuple[Language, ...], _LIST, AfterValidator(_check_distinct)]
_Capabilities: TypeAlias = Annotated[tuple[Annotated[int, Field(ge=10, le=999)], ...], _LIST]


class CalibrationTable(StrictModel):
    """Images, and how ranges follow from them; the path alone is the same as a table of one key."""

    source: Words = Field(description="A folder of pictures, an `.npz`, or `random`.")
    most: Annotated[int, Field(ge=CALIBRATION_IMAGES.least, le=CALIBRATION_IMAGES.most)] | None = Field(
        None, description="Images to use at most."
    )
    method: Method | None = Field(None, description="How ranges follow from what is seen.")
    percentile: Annotated[float, Field(ge=PERCENTILES[0], le=PERCENTILES[1])] | None = Field(
        None, description="Part of the magnitudes to cover, for the method of that name."
    )


def _as_calibration(given: Any) -> Any:
    return {"source": given} if isinstance(given, str) else given


_Labels: TypeAlias = Annotated[tuple[Label, ...], Field(strict=False, min_length=1, max_length=CLASSES.most)]


class ServeTable(Serve):
    """What files take and output, as `serve` of a spec says it; `name` is what a folder has for it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")] | None = Field(
        None, description="What `{serve}` stands for; without it, the number in the list."
    )
    labels: _Labels | Words | None = Field(  # type: ignore[assignment]  # the file's name is read with the spec
        None, description="Names of the classes in their order: a list, or a text file by its path from this one."
    )


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, dict) else given


def _refuse_none(tables: tuple[ServeTable, ...]) -> tuple[ServeTable, ...]:
    if not tables:  # not by a least length, which pydantic finds missed beside each table that is wrong
        raise PydanticCustomError("none", "an empty list", {"hint": "leave it away"})
    return tables


def _check_batch(given: Any) -> Any:
    """A number, or the text of a range; `parse_batch` says the rest."""
    if type(given) is int and BATCHES.least <= given <= BATCHES.most:
        return str(given)
    if isinstance(given, str):
        return given
    raise PydanticCustomError("batch", "not a batch: a number, or a text such as '1:8:32'")


class BuildTable(StrictModel):
    """What a `[builds.NAME]` can say, beside the other wishes of a build."""

    specs: SpecPatterns | None = Field(None, description="What is built; the project's networks.")
    devices: _Texts | None = Field(None, description="What it is for: shipped devices, and files of others.")
    precisions: _Precisions | None = Field(None, description="What layers compute in.")
    targets: _Targets | None = Field(None, description="What is built of each.")
    folder: FilePattern | None = Field(None, description="Where each is built, from this file.")
    generate: _Languages = Field((), description="What `generate` writes beside each.")
    serve: (
        Annotated[
            tuple[ServeTable, ...],
            Field(strict=False, max_length=_MOST_CHOICES),
            BeforeValidator(_as_list),
            AfterValidator(_refuse_none),
        ]
        | None
    ) = Field(None, description="What its files take and output: a table as in a spec, or a list of them.")
    set: dict[Words, Any] = Field(default_factory=dict, description="Keys of the specs to change, as `--set` does.")
    batch: Annotated[Words, BeforeValidator(_check_batch)] | None = Field(None, description="As `--batch` takes it.")
    weights: FilePattern | None = Field(None, description="A file of weights, from this file.")
    calibration: Annotated[CalibrationTable, BeforeValidator(_as_calibration)] | None = Field(
        None, description="Images to calibrate with, and to compare on."
    )
    compute_capabilities: _Capabilities | None = Field(None, description="As `--sm` takes them.")
    seed: Annotated[int, Field(ge=SEEDS.least, le=SEEDS.most)] | None = Field(None, description="As `--seed`.")
    engine: EngineSettings | None = Field(None, description="How engines are built.")
    opset: Annotated[int, Field(ge=OPSETS.least, le=OPSETS.most)] | None = Field(None, description="As `--opset`.")

    def wishes(self) -> dict[str, Any]:
        """What is wished of every network, by the names of wishes; what stands nowhere is left out."""
        return {key: getattr(self, key) for key in self.model_fields_set if key not in _OF_EACH}


_OF_EACH = ("specs", "devices", "precisions", "targets", "folder", "generate", "set", "serve")
_BY_ANOTHER_NAME = ("device", "target", "precision", "capabilities", "project_engine")
"""Wishes that stand there in the plural, or spelt out, or beside the tables."""


class _Names(dict[str, Any]):
    """What annotations of wishes mean; a type that only a type checker imports is no plain one."""

    def __missing__(self, name: str) -> Any:
        return getattr(sys.modules[BuildWishes.__module__], name, getattr(builtins, name, object))


def _list_plain_wishes() -> Iterator[tuple[str, Any]]:
    """Each wish that is a yes, a number or one of some words, and has no row above: its name and its type.

    Any text is not among them: it may name a file, and then has to be held to the project's folder.
    """
    hints = get_type_hints(BuildWishes, localns=_Names())
    for field in dataclasses.fields(BuildWishes):
        other = field.name in _BY_ANOTHER_NAME or field.name in BuildTable.model_fields
        if not other and _is_plain(hints[field.name]):
            yield field.name, hints[field.name]


def _is_plain(hint: Any) -> bool:
    if get_origin(hint) in (Union, types.UnionType):
        return all(_is_plain(one) or one is type(None) for one in get_args(hint))
    return hint in (bool, int, float) or get_origin(hint) is Literal


if not TYPE_CHECKING:
    _MORE = {name: (hint, None) for name, hint in _list_plain_wishes()}
    BuildTable = create_model("BuildTable", __base__=BuildTable, __doc__=BuildTable.__doc__, **_MORE)
