"""What a spec's author should know, though nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resnet_gen.language.custom_parts.files import blame_part
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import is_built_alike
from resnet_gen.language.plan import CHOICES, plan, stride_notes, width_notes
from resnet_gen.language.source import dotted_path, value_at
from resnet_gen.language.spec import Spec
from resnet_gen.parts.base import Part
from resnet_gen.problems import Loc, Problem


def notes(loaded: Loaded) -> list[Problem]:
    """Every note on a spec; raises `Refused` where its stages cannot be planned, or its own parts' code fails."""
    try:
        return [
            *stride_notes(loaded),
            *width_notes(loaded),
            *_place_notes(loaded),
            *_unread_notes(loaded),
            *_choice_notes(loaded),
            *_head_notes(loaded),
            *_inheritance_notes(loaded),
        ]
    except BaseException as error:
        raise blame_part(error) from None


def _place_notes(loaded: Loaded) -> Iterator[Problem]:
    """What a spec says of blocks, and none of them heeds: others say otherwise of all, or they have no shortcut."""
    stages, marks = loaded.spec.stages, loaded.source.marks
    asked: list[Loc] = [("stages", key) for key in CHOICES[1:]]
    asked += [("stages", "overrides", place, key) for place in stages.overrides for key in CHOICES]
    own = [loc for loc in asked if (mark := marks.get(loc)) and mark.value.document in loaded.own]
    chosen = [one for stage in plan(loaded) for one in stage.chosen] if own else []
    for loc in own:
        blocks = [one.block for one in chosen if loc in (one.block_at, one.shortcut_at, one.attention_at)]
        if blocks and (loc[-1] != "shortcut" or any(block.has_shortcut for block in blocks)):
            continue
        kinds = ", ".join(sorted({f"'{block.kind}'" for block in blocks}))
        why = f"blocks of kind {kinds} have no shortcut" if blocks else "it counts for none of the blocks"
        hint = "take a block that has one, or leave this key away" if blocks else "the last override that fits counts"
        yield Problem(f"{dotted_path(loc)}: changes nothing: {why}", marks[loc].value, hint, severity="note")


def _unread_notes(loaded: Loaded) -> Iterator[Problem]:
    """Settings of a part that nothing reads, as its others are."""
    for loc, mark in loaded.source.marks.items():
        part = _part_at(loaded.spec, loc[:-1]) if mark.value.document in loaded.own else None
        why = part.unread().get(str(loc[-1])) if isinstance(part, Part) and loc[-1] != "kind" else None
        if why and getattr(part, str(loc[-1])) != _default_value(part, str(loc[-1])):
            message = f"{dotted_path(loc)}: changes nothing: {why}"
            yield Problem(message, mark.value, "leave this key away", severity="note")


_SHRINKING: tuple[tuple[str, ...], ...] = (("antialias",), ("stages", "downsample"))
"""Choices of how a map is made smaller."""


def _choice_notes(loaded: Loaded) -> Iterator[Problem]:
    """A choice of how maps are made smaller, where none is that it is for."""
    marks = loaded.source.marks
    for loc in _SHRINKING:
        *outer, key = loc
        holder = _part_at(loaded.spec, tuple(outer))
        kind, default = getattr(holder, key).kind, _default_value(holder, key)
        mark = marks.get((*loc, "kind")) or marks.get(loc)
        own = mark and mark.value.document in loaded.own and kind != default.kind
        if mark and own and is_built_alike(loaded, _replace_value(loaded.spec, loc, default)):
            message = f"{dotted_path(loc)}: changes nothing: there is no map that '{kind}' makes smaller"
            yield Problem(message, mark.value, "leave this key away, or give the stages strides", severity="note")


def _default_value(model: Any, key: str) -> Any:
    return type(model).model_fields[key].get_default(call_default_factory=True)


def _replace_value(model: Any, keys: tuple[str, ...], value: object) -> Any:
    """A spec, or a model in it, with another value at a place."""
    key, *inner = keys
    return model.model_copy(update={key: _replace_value(getattr(model, key), tuple(inner), value) if inner else value})


def _head_notes(loaded: Loaded) -> Iterator[Problem]:
    """A convolution that a child puts before its parent's pooling, behind an activation that only the parent names."""
    marks = (loaded.source.marks.get(("head", key)) for key in ("features", "activation"))
    own, inherited = (mark and mark.value for mark in marks)
    if getattr(loaded.spec.head, "activation", None) is not True or not own or not inherited:
        return
    if own.document in loaded.own and inherited.document not in loaded.own:
        message = f"head.features: its convolution reads the activated map: 'activation: true' stands at {inherited}"
        yield Problem(message, own, "write 'activation: true' or 'activation: false' beside it", severity="note")


def _inheritance_notes(loaded: Loaded) -> Iterator[Problem]:
    """What a child writes as if it stood alone, and what its parent says of it stays."""
    marks = loaded.source.marks
    own = {loc for loc, mark in marks.items() if mark.value.document in loaded.own}
    if len(own) == len(marks):
        return
    holding_own, holding = ({loc[:n] for loc in found for n in range(len(loc))} for found in (own, marks))
    for loc in (loc for loc in marks if loc in own):
        if loc[-1:] == ("kind",):
            yield from _settings_that_stay(loaded, loc[:-1])
        elif loc in holding and loc not in holding_own:
            message = f"{dotted_path(loc)}: changes nothing: what is inherited stays"
            clears = loc[-1] == "overrides"
            hint = "'overrides: null' takes them away" if clears else "mappings merge: write the keys that change"
            yield Problem(message, marks[loc].value, hint, severity="note")


def _settings_that_stay(loaded: Loaded, loc: Loc) -> Iterator[Problem]:
    """Settings of a part that a child names again, where the parent's differ from what they are by default."""
    part, marks = _part_at(loaded.spec, loc), loaded.source.marks
    kept = []
    for key, field in type(part).model_fields.items() if isinstance(part, Part) else ():
        mark = marks.get((*loc, key))
        inherited = key != "kind" and mark and mark.value.document not in loaded.own
        if inherited and not field.is_required() and getattr(part, key) != _default_value(part, key):
            kept.append(f"{key}: {value_at(loaded.source.data, (*loc, key))}")
    if kept:
        kind = marks[(*loc, "kind")].value
        message = f"{dotted_path(loc)}: the parent's settings of this kind stay: {', '.join(kept)}"
        yield Problem(message, kind, "mappings merge: write the others that you want beside the kind", severity="note")


def _part_at(spec: Spec, loc: Loc) -> object:
    """What stands at a place of a spec."""
    found: object = spec
    for step in loc:
        found = found.get(step) if isinstance(found, dict) else getattr(found, str(step), None)
    return found
