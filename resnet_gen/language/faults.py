"""Pydantic's errors as problems: each at its line, in our words, with what may help."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from resnet_gen.graph import Loc
from resnet_gen.language.source import Source, dotted_path, value_at
from resnet_gen.parts.base import Part
from resnet_gen.parts.registry import members
from resnet_gen.problems import MOST_NEAR, SURE, Problem, Refused, Span, closest, several, shorten, suggest, synonym

M = TypeVar("M", bound=BaseModel)

MAX_PROBLEMS = 50
NAME_HINT = "use letters, digits, '-' and '_', at most 64, the first a letter or digit"


def validate(model: type[M], source: Source) -> M:
    """What a source says, as a model; raises `Refused` with every fault at its position."""
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        raise Refused(find_problems(error.errors(include_url=False), source, model)) from None


def find_problems(errors: list[ErrorDetails], source: Source, model: type[BaseModel]) -> list[Problem]:
    """The faults that `model` finds in `source`, once each, in the order of the text."""
    others = _find_follow_ups(errors, model)
    found = [_report_error(e, source, model) for e in errors[: 2 * MAX_PROBLEMS] if (e["type"], e["loc"]) not in others]
    shown = sorted(dict.fromkeys(found), key=_position)[:MAX_PROBLEMS]
    if len(errors) > MAX_PROBLEMS:
        shown.append(Problem(f"and more: {len(errors)} faults in all, too many to show"))
    return shown


def _position(problem: Problem) -> tuple[str, int, int]:
    span = problem.where
    return (span.document.name, span.line, span.column) if isinstance(span, Span) else ("", 0, 0)


def _find_follow_ups(errors: list[ErrorDetails], model: type[BaseModel]) -> set[tuple[str, tuple[str | int, ...]]]:
    """What goes away with another fault: a key missing because it is misspelt, a list short for its bad values."""
    found: set[tuple[str, tuple[str | int, ...]]] = set()
    for details in errors[: 2 * MAX_PROBLEMS]:
        parent, last = details["loc"][:-1], details["loc"][-1:]
        found.add(("too_short", parent))
        if details["type"] == "missing" and isinstance(last[0], int):  # of a tuple's values, the last says how many
            found.update(("missing", (*parent, index)) for index in range(last[0]))
        if details["type"] == "extra_forbidden":
            found.add(("missing", (*parent, closest(str(last[0]), _keys_at(model, parent)) or "")))
    return found


@dataclass(frozen=True)
class _Fault:
    """One of the errors of `model`, `loc` being where it stands in the source and `rest` what is not there."""

    details: ErrorDetails
    source: Source
    model: type[BaseModel]
    loc: Loc
    rest: Loc

    def problem(self, message: str, hint: str | None, loc: Loc | None = None, key: bool = False) -> Problem:
        where = self.source.span(self.loc if loc is None else loc, key)
        return Problem(f"{_format_loc(self.loc)}: {message}", where, hint)


def _report_error(details: ErrorDetails, source: Source, model: type[BaseModel]) -> Problem:
    loc, rest = _split_loc(details["loc"], source.data)
    if faulty := details.get("ctx", {}).get("at"):
        loc = (*loc, faulty)
    return _SPECIAL.get(details["type"], _describe_other)(_Fault(details, source, model, loc, rest))


def _describe_other(fault: _Fault) -> Problem:
    return fault.problem(_format_message(fault.details), _find_hint(fault.details), key=fault.rest == ("[key]",))


def _describe_missing_key(fault: _Fault) -> Problem:
    key, parent = fault.rest[-1], value_at(fault.source.data, fault.loc)
    if isinstance(key, int):
        return fault.problem(_describe_length("too_short", len(parent), {"min_length": key + 1}), None)
    short = isinstance(parent, str)
    hint = f"write {{kind: {parent}, {key}: ...}}" if short else f"add '{key}{fault.source.joint}' here"
    return replace(fault, loc=(*fault.loc, key)).problem("missing", hint)


def _describe_missing_depths(fault: _Fault) -> Problem:
    loc = (*fault.loc, "depths")
    if "depths" in value_at(fault.source.data, fault.loc):  # `null` takes a parent's away
        return Problem(f"{_format_loc(loc)}: null", fault.source.span(loc), "write the number of blocks of each stage")
    return Problem(f"{_format_loc(loc)}: missing", fault.source.span(fault.loc, key=True), "add 'depths:' here")


def _describe_unknown_key(fault: _Fault) -> Problem:
    key, parent = str(fault.loc[-1]), fault.details["loc"][:-1]
    return fault.problem("unknown key", _guess_key(key, fault, _keys_at(fault.model, parent)), key=True)


def _guess_key(key: str, fault: _Fault, here: list[str]) -> str:
    """What may have been meant: a key of this place all but surely, one of another place, or any of this one."""
    homes, parent = list(homes_of_keys(fault.model)), fault.loc[:-1]
    if all(home.key != key for home in homes):
        key = synonym(key) or key
    if difflib.get_close_matches(key, here, 1, SURE):
        return suggest(key, here)
    if len(fault.loc) > 1 and key in fault.model.model_fields:
        return "it belongs at the top"
    chosen = [h for h in homes if h.path != parent and h.kind in (None, _find_kind(fault.source.data, h.path))]
    near = closest(key, {home.key for home in chosen}, SURE)
    exact = [h for h in chosen if h.key == key]  # of mappings that every spec has, before those that few have
    exact = [h for h in exact if fault.model.model_fields[str(h.path[0])].default is not None] or exact
    others = _name_kinds([h for h in homes if h.key == key and parent in ((), h.path)])
    alike = [repr(str(h)) for h in chosen if h.key == near]
    found = [repr(str(h)) for h in exact] or [*(alike if len(alike) == 1 else []), *others]
    return f"did you mean {' or '.join(found[:MOST_NEAR])}?" if found else suggest(key, here)


def _name_kinds(homes: list[KeyHome]) -> list[str]:
    """Each place, with the kinds that have the key there."""
    kinds: dict[str, list[str]] = {}
    for home in homes:
        kinds.setdefault(str(home), []).append(str(home.kind))
    return [f"'{place}' of the kind {', '.join(map(repr, found))}" for place, found in kinds.items()]


class KeyHome(NamedTuple):
    """Where a key belongs: the path to its mapping, and the kind of part that has it, if one does."""

    path: Loc
    key: str
    kind: str | None

    def __str__(self) -> str:
        return dotted_path((*self.path, self.key))


def homes_of_keys(model: Any, path: Loc = (), kind: str | None = None) -> Iterator[KeyHome]:
    """Every key below a model that a path leads to, those in lists and under names of one's own left out."""
    for key, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if path and key != "kind":
            yield KeyHome(path, key, kind)
        if inner is None or get_origin(field.annotation) in (dict, tuple) or _is_listed(field.annotation):
            continue
        if issubclass(inner, Part):
            for part in members(inner):
                yield from homes_of_keys(part, (*path, key), part.kind_name())
        else:
            yield from homes_of_keys(inner, (*path, key))


def _is_listed(annotation: Any) -> bool:
    """Whether a model stands in a list or a mapping of an annotation."""
    return any(get_origin(a) in (dict, tuple) or _is_listed(a) for a in getattr(annotation, "__args__", ()))


def _find_kind(data: Any, path: Loc) -> str | None:
    """The kind of the part at a path; None where it is not said."""
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    kind = data.get("kind") if isinstance(data, dict) else data
    return kind if isinstance(kind, str) else None


def _describe_unknown_kind(fault: _Fault) -> Problem:
    kinds = _kinds_at(fault.model, fault.details["loc"])
    place = (*fault.loc, "kind") if (*fault.loc, "kind") in fault.source.marks else fault.loc
    kind = value_at(fault.source.data, place)
    if isinstance(kind, str):
        hint = suggest(kind, kinds, others="are written as parts (docs/parts.md)")
        return fault.problem(f"there is no {_quote_value(kind)} here", hint, place)
    return fault.problem(_describe_mismatch(kind, "a kind"), f"known: {', '.join(kinds)}", place)


def _describe_missing_kind(fault: _Fault) -> Problem:
    known = ", ".join(_kinds_at(fault.model, fault.details["loc"]))
    return fault.problem("says no 'kind'", f"add 'kind:', one of {known}")


def _describe_unknown_choice(fault: _Fault) -> Problem:
    value = fault.details["input"]
    known = [word.strip("'") for word in re.split(", | or ", fault.details["ctx"]["expected"])]
    hint = f"without quotes: {value}" if value in known else suggest(str(value), known)
    return fault.problem(_describe_mismatch(value, "one of the choices"), hint, key=fault.rest == ("[key]",))


_SPECIAL: dict[str, Callable[[_Fault], Problem]] = {
    "missing": _describe_missing_key,
    "no_depths": _describe_missing_depths,
    "extra_forbidden": _describe_unknown_key,
    "union_tag_invalid": _describe_unknown_kind,
    "model_attributes_type": _describe_unknown_kind,
    "union_tag_not_found": _describe_missing_kind,
    "literal_error": _describe_unknown_choice,
}


def _format_loc(loc: Loc) -> str:
    return ".".join(shorten(str(step)) for step in loc) if loc else "the spec"


def _split_loc(loc: tuple[str | int, ...], data: Any) -> tuple[Loc, Loc]:
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
        else:
            rest.append(step)
    return tuple(found), tuple(rest)


def _model_at(root: type[BaseModel], loc: tuple[str | int, ...]) -> Any:
    """The model or family that pydantic's location `loc` leads to; tags lead into parts."""
    model: Any = root
    for step in loc:
        fields = getattr(model, "model_fields", {})
        if step in fields:
            model = _model_in(fields[step].annotation)
        elif not isinstance(step, int) and issubclass(model, Part):
            model = next((p for p in members(model) if p.kind_name() == step), model)
    return model


def _keys_at(root: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    return list(getattr(_model_at(root, loc), "model_fields", {}))


def _kinds_at(root: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    return [part.kind_name() for part in members(_model_at(root, loc))]


def _model_in(annotation: Any) -> Any:
    """The model inside an annotation such as `tuple[Claim, ...]` or `Deviation | None`."""
    # Python 3.10 takes `tuple[Claim, ...]` for a type.
    if get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(a) for a in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)


PLACES_PATTERN = r"^stage[1-9][0-9]{0,3}(-[1-9][0-9]{0,3})?(\.block[1-9][0-9]{0,3}(-[1-9][0-9]{0,3})?)?$"
OUTPUT_PATTERN = r"^stage[1-9][0-9]{0,3}$"
CAPABILITY_PATTERN = r"^[1-9][0-9]?\.[0-9]$"
VERSION_PATTERN = r"^[1-9][0-9]?(\.[0-9]{1,3}){0,2}$"
_PATTERNS = {
    PLACES_PATTERN: ("a place", "write stage2, stage3-4, stage1.block2 or stage1.block2-5; both count from 1"),
    OUTPUT_PATTERN: ("a stage", "write stage1, stage2, ..."),
    CAPABILITY_PATTERN: ("a compute capability", 'write it as NVIDIA does: "8.6"'),
    VERSION_PATTERN: ("a version", 'write its numbers: "10.3"'),
}
"""What a text should be that does not look like it, and how it is written."""

_TYPES = {
    "int_type": "a whole number", "float_type": "a number", "finite_number": "a finite number",
    "string_type": "text", "bool_type": "true or false", "tuple_type": "a list",
    "dict_type": "a mapping", "model_type": "a mapping", "figure": "a whole number", "size_in_bytes": "a size",
}  # fmt: skip


def _format_message(details: ErrorDetails) -> str:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    if kind in _TYPES:
        return _describe_mismatch(value, _TYPES[kind])
    if kind.endswith(("_short", "_long")):
        return _describe_length(kind, len(value), context)
    for bound, words in _BOUNDS.items():
        if bound in context:
            limit = context[bound]
            return f"{_quote_value(value)} is {words} {int(limit) if limit == int(limit) else limit}"
    if kind == "string_pattern_mismatch":
        return _describe_mismatch(value, _PATTERNS.get(context["pattern"], ("a name", ""))[0])
    return details["msg"]


_BOUNDS = {
    "ge": "too small: it must be at least",
    "gt": "too small: it must be above",
    "le": "too large: it must be at most",
    "lt": "too large: it must be below",
}


def _describe_length(kind: str, length: int, context: dict[str, Any]) -> str:
    noun = "character" if kind.startswith("string") else "value"
    if kind.endswith("_short"):
        return f"{several(length, noun)}, too few: at least {context['min_length']:,}"
    return f"{several(length, noun)}, too many: at most {context['max_length']:,}"


def _describe_mismatch(value: Any, what: str) -> str:
    return f"empty, not {what}" if value is None else f"{_quote_value(value)} is not {what}"


def _quote_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"'{shorten(value)}'" if isinstance(value, str) else str(value)


def _find_hint(details: ErrorDetails) -> str | None:
    kind, value = details["type"], details["input"]
    if own := details.get("ctx", {}).get("hint"):
        return str(own)
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(details["ctx"]["pattern"], ("", NAME_HINT))[1]
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return "put it in quotes to make it text"
    if kind in ("int_type", "float_type") and isinstance(value, str) and re.fullmatch("[0-9]+", value):
        return f"without quotes: {value}"
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if kind == "tuple_type" and not isinstance(details["loc"][-1], int):  # of lists in lists, the length counts too
        return _write_as_list(value)
    return _HINTS.get(kind)


def _write_as_list(value: Any) -> str | None:
    """How a list is written of what stands in its place: one value, or several with commas or numbers with spaces."""
    if isinstance(value, dict):
        return "a list of one stands in brackets: [{...}]"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = str(value).strip("() ")
    words = text.split() if all(map(_is_number, text.split())) else [word.strip() for word in text.split(",")]
    if len(words) > MOST_LISTED or not all(re.fullmatch(r"[^\x00-\x1f\"\\]{1,80}", word) for word in words):
        return None
    quoted = (word if _is_number(word) else f'"{word}"' for word in words)  # which YAML and TOML both read
    return f"write [{', '.join(quoted)}]"


def _is_number(word: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", word) is not None


MOST_LISTED = 16
"""Values of a list that a hint writes out."""

_HINTS = {
    "size": "write one side, or [height, width]",
    "per_channel": "write one for each channel",
    "one_figure": "'value' is the exact count, 'printed' the figure as a paper rounds it",
    "figure": "write 25557032, 25.6M or 4.1e9",
    "size_in_bytes": "write it in bytes, or as 97.5 MB or 100 MiB",
    "one_bound": "write {max: ...}, {min: ...} or both",
    "accuracy_bound": "write {min: 0.98}, {drop_from_fp32: 0.005} or both",
    "calibration": "name a folder of pictures, or an .npz file of them",
    "unused": "leave it away",
    "printed": "write it as printed: 25.5M, 3.8e9, 1.8G",
    "no_reason": "add it to 'precisions', or to 'refuses' with the reason",
    "both": "a precision is in one of the two",
    "twice": "write each once",
}
