"""Which parts there are: found by the name of their file, and offered as a family's tagged union."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Container, Iterable
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, get_args

from pydantic import BaseModel, Field, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from resnet_gen.parts.base import Part

P = TypeVar("P", bound=Part)


@cache
def _list_modules() -> list[str]:
    """The modules of all parts."""
    package = importlib.import_module("resnet_gen.parts")
    return [m.name for m in pkgutil.walk_packages(package.__path__, "resnet_gen.parts.") if not m.ispkg]


def load_parts(kinds: Container[str] | None = None) -> bool:
    """Import the parts of these kinds, or all; returns whether any is new.

    A kind may be said with its folder (`norms.none`) where several families have it. Each part takes a millisecond and
    lives in a module called after its kind, so that a command imports the few that its specification names.
    """
    wanted = [name for name in _list_modules() if kinds is None or any(kind in kinds for kind in _name_kinds(name))]
    new = [name for name in wanted if name not in sys.modules]
    for name in new:
        importlib.import_module(name)
    return bool(new)


def _name_kinds(module: str) -> tuple[str, str]:
    """How a part's module may be called: by its kind, and with its folder."""
    _, folder, kind = module.rsplit(".", 2)
    return kind, f"{folder}.{kind}"


_forgotten: set[type[Part]] = set()


def forget_parts(parts: Iterable[type[Part]]) -> None:
    """Leave out parts that Python cannot forget: those that were defined together with a fault."""
    _forgotten.update(parts)


def members(family: type[Part]) -> tuple[type[Part], ...]:
    """The parts of a family that were imported, in alphabetical order of their kind."""
    found: set[type[Part]] = set()
    queue = [family]
    while queue:
        part = queue.pop()
        queue.extend(part.__subclasses__())
        if get_args(part.model_fields["kind"].annotation) and part not in _forgotten:
            found.add(part)
    return tuple(sorted(found, key=lambda part: part.kind_name()))


def default_part(family: Callable[..., P], kind: str) -> P:
    """The part of a family that is of a kind, with the settings that it has by default."""
    found = next(part for part in members(cast("type[Part]", family)) if part.kind_name() == kind)
    return cast("P", found.model_validate({"kind": kind}))


def find_holders(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    """Those with a part among their settings whose schema was built: it knows the parts of that time alone."""
    built = [model for model in models if model.__pydantic_complete__]
    return [model for model in built if any(map(_is_offered, model.model_fields.values()))]


def _is_offered(field: FieldInfo) -> bool:
    return any(isinstance(annotation, OneOf) for annotation in field.metadata) or _offers_part(field.annotation)


def _offers_part(annotation: Any) -> bool:
    """Whether an annotation, or one inside it, is of a family."""
    return any(isinstance(inner, OneOf) for inner in getattr(annotation, "__metadata__", ())) or any(
        _offers_part(inner) for inner in getattr(annotation, "__args__", ())
    )


class OneOf:
    """Annotation that lets a field of a family's type take any of its parts.

    `block: basic` is short for `block: {kind: basic}`; a list is short for
    `kind: list` in the one family that has it.
    """

    def __get_pydantic_core_schema__(self, family: type[Part], handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = members(family)
        kinds = [part.kind_name() for part in choices]
        union = handler.generate_schema(Annotated[Union[choices], Field(discriminator="kind")])  # noqa: UP007
        shorts: list[CoreSchema | tuple[CoreSchema, str]] = [core_schema.literal_schema(kinds), union]
        if "list" in kinds:
            shorts.append(core_schema.list_schema(core_schema.int_schema()))
        shown = core_schema.union_schema(shorts)
        spelled_out = _spell_out_list if "list" in kinds else _spell_out
        return core_schema.no_info_before_validator_function(spelled_out, union, json_schema_input_schema=shown)


def _spell_out(data: Any) -> Any:
    return {"kind": data} if isinstance(data, str) else data


def _spell_out_list(data: Any) -> Any:
    return {"kind": "list", "values": data} if isinstance(data, list) else _spell_out(data)
