"""Specifications drawn from the whole language: every part, every setting, within small bounds.

Settings are read off the models themselves, so that a new part is drawn too.
"""

from __future__ import annotations

from hypothesis import strategies as st
from pydantic import ValidationError

from resnet_gen.parts import base
from resnet_gen.parts.registry import load_parts, members

load_parts()

LARGEST = {"integer": 12, "number": 4.0, "array": 3}
"""Bounds that keep networks small where the language allows more."""


def of(*values):
    return st.sampled_from(values)


def of_schema(schema):
    """A strategy for what a JSON schema of the language describes."""
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return st.one_of([of_schema(choice) for choice in schema["anyOf"]])
    if "discriminator" in schema:  # a part inside a part, by its kind
        return st.sampled_from(sorted(schema["discriminator"]["mapping"])).map(lambda kind: {"kind": kind})
    return _TYPES[schema["type"]](schema)


def _integers(schema):
    low = schema["minimum"]
    values = st.integers(low, max(low, min(schema["maximum"], LARGEST["integer"])))
    return values.map(lambda n: n | 1) if "not" in schema else values


def _numbers(schema):
    low, high = (schema.get(k, schema.get(f"exclusive{k.title()}")) for k in ("minimum", "maximum"))
    above = "exclusiveMinimum" in schema
    below = min(high, LARGEST["number"] + low)
    return st.floats(low, below, exclude_min=above, exclude_max="exclusiveMaximum" in schema and below == high)


def _arrays(schema):
    if "prefixItems" in schema:
        return st.tuples(*map(of_schema, schema["prefixItems"])).map(list)
    least = schema.get("minItems", 0)
    return st.lists(of_schema(schema["items"]), min_size=least, max_size=max(least, LARGEST["array"]))


_TYPES = {
    "integer": _integers,
    "number": _numbers,
    "array": _arrays,
    "boolean": lambda schema: st.booleans(),
    "null": lambda schema: st.none(),
}


def settings_of(part):
    """Strategies of a part's settings, by name."""
    properties = part.model_json_schema()["properties"]
    return {name: of_schema(schema) for name, schema in properties.items() if name != "kind"}


def whole_part(part, **fixed):
    """A part with any of its settings stated, and those of `fixed` in any case."""
    settings = {**settings_of(part), **fixed}
    required = {name for name, field in part.model_fields.items() if field.is_required() or name in fixed}
    stated = {"kind": st.just(part.kind_name()), **{n: s for n, s in settings.items() if n in required}}
    drawn = st.fixed_dictionaries(stated, optional={n: s for n, s in settings.items() if n not in required})
    return drawn.filter(lambda data: _is_valid(part, data))


def _is_valid(part, data):
    """Whether the part's own model takes the settings; some exclude each other."""
    try:
        part.model_validate(data)
    except ValidationError:
        return False
    return True


def any_part(family, *, but=(), **fixed):
    """Any part of a family but those of some kinds; with settings of `fixed` where it has them."""
    parts = [part for part in members(family) if part.kind_name() not in but]
    return st.one_of([whole_part(p, **{n: s for n, s in fixed.items() if n in p.model_fields}) for p in parts])


def places():
    """Keys of overrides, some for stages and blocks that are not there."""
    number = st.integers(1, 4)
    stages = st.builds(lambda a, b: f"stage{a}" if a >= b else f"stage{a}-{b}", number, number)
    return st.builds(lambda stage, block: stage if block > 3 else f"{stage}.block{block}", stages, number)


def overrides():
    choices = {"block": base.Block, "shortcut": base.Shortcut, "attention": base.Attention}
    return st.fixed_dictionaries({}, optional={name: any_part(family) for name, family in choices.items()})


SIDE = st.integers(1, 40)
CHOICES = {
    "norm": base.Norm, "activation": base.ActivationPart, "antialias": base.AntiAlias, "head": base.Head,
    "naming": base.Naming,
}  # fmt: skip


@st.composite
def specs(draw):
    """Anything that the language can say, in small: some of it fits together and some does not."""
    stages = draw(st.integers(1, 4))
    each = {"min_size": stages, "max_size": stages}
    inner = {
        "depths": draw(st.lists(st.integers(1, 3), **each)),
        "strides": draw(st.none() | st.lists(st.integers(1, 3), **each)),
        "widths": draw(st.lists(st.integers(1, 12), **each) | any_part(base.WidthRule)),
        "block": draw(any_part(base.Block)),
        "shortcut": draw(any_part(base.Shortcut)),
        "attention": draw(st.just("none") | any_part(base.Attention)),
        "downsample": draw(any_part(base.Downsample)),
        "output_stride": draw(st.none() | of(1, 2, 4, 8)),
        "overrides": draw(st.just({}) | st.dictionaries(places(), overrides(), max_size=2)),
    }
    if isinstance(inner["widths"], dict) and inner["widths"]["kind"] == "regnet":
        inner["depths"] = None
    return {
        "name": "net",
        "input": {"channels": draw(st.integers(1, 4)), "size": draw(SIDE | st.tuples(SIDE, SIDE).map(list))},
        "stem": draw(any_part(base.Stem)),
        "stages": inner,
        "weight_standardization": draw(st.none() | st.floats(1e-9, 0.5)),
        "outputs": draw(st.just([]) | st.lists(st.integers(1, 4).map(lambda n: f"stage{n}"), max_size=3)),
        **{name: draw(any_part(family)) for name, family in CHOICES.items()},
    }


WIDTHS = {"width": st.just(8), "first": st.just(8), "widths": of([8, 16], [8, 8, 8])}
"""Widths that all that divides them divides."""
FITTING = {
    **WIDTHS, "groups": of(1, 2), "base_width": of(64, 128), "inner": st.just([]), "group_width": of(4, 8),
    "bottleneck_ratio": of(1.0, 2.0), "reduce_first": of(1, 2), "radix": of(1, 2, 4), "rd_ratio": of(0.25, 0.5),
    "scales": of(2, 4),
    "kernels": of([3], [3, 5]), "pool": of("max", "conv", "none"), "features": st.none(), "stride": of(1, 2),
}  # fmt: skip
"""Settings with which any parts go together."""
ONE_LAYER = {"classes": st.integers(1, 9), "conv": st.just(False), "softmax": st.just(False)}
ALONE = ("none", "mlp", "policy_value")


@st.composite
def fitting(draw, simple=True):
    """A specification whose pieces fit: every one of them must lower.

    A `simple` one has blocks whose layers stand in one row, and nothing that
    weighs them; else it may have any part.
    """
    stages = draw(st.integers(1, 3))
    each = {"min_size": stages, "max_size": stages}
    side = {"selective_basic", "selective_bottleneck", "res2net", "resnest", "highway"} if simple else {"highway"}
    block = draw(any_part(base.Block, but=side, **{**FITTING, "kernels": st.just([3, 5])}))
    plain = not _takes(block["kind"], "attention")
    return {
        "name": "net",
        "input": {"channels": draw(st.integers(1, 4)), "size": 64},
        "stem": draw(any_part(base.Stem, but=() if simple else ("none",), **FITTING)),
        "stages": {
            "depths": draw(st.lists(st.integers(1, 2), **each)),
            "strides": draw(st.none() | st.lists(st.integers(1, 2), **each)),
            "widths": draw(st.lists(of(8, 16, 24), **each)),
            "block": block,
            "shortcut": draw(any_part(base.Shortcut, but=("identity", "zero_pad", "same_shape"))),
            "attention": "none" if simple or plain else draw(any_part(base.Attention, **FITTING)),
            "downsample": draw(of("stride", "max_pool")),
        },
        "norm": draw(any_part(base.Norm, groups=st.just(1), group_size=st.none())),
        "activation": draw(any_part(base.ActivationPart)),
        "antialias": draw(any_part(base.AntiAlias)) if _takes(block["kind"], "antialias") else "none",
        "head": draw(
            any_part(base.Head, but=ALONE, **FITTING, **ONE_LAYER) if simple else any_part(base.Head, but=("mlp",))
        ),
        "naming": "paths",
    }


def _takes(kind, trait):
    return any(trait in part.takes for part in members(base.Block) if part.kind_name() == kind)


@st.composite
def varied(draw):
    """Parts that fit, under any names and with what may be changed about them; some of it is refused."""
    data = draw(fitting(simple=False))
    stages = {
        **data["stages"],
        "overrides": draw(st.just({}) | st.dictionaries(places(), _fitting_overrides(), max_size=2)),
    }
    if draw(st.booleans()):
        stages["depths"] = [draw(st.integers(1, 4)) for _ in stages["depths"]]
    if _takes(stages["block"]["kind"], "dilation") and data["antialias"] == "none":
        stages["output_stride"] = draw(st.none() | of(1, 2, 4, 8))
    numbers = st.integers(1, len(stages["depths"])).map(lambda number: f"stage{number}")
    return {
        **data,
        "stages": stages,
        "input": {"channels": draw(st.integers(1, 4)), "size": draw(of(64, [64, 48]))},
        "outputs": draw(st.just([]) | st.lists(numbers, max_size=3, unique=True)),
        "weight_standardization": draw(st.none() | of(1e-6, 1e-5)),
        "naming": draw(any_part(base.Naming)),
    }


def _fitting_overrides():
    choices = {"block": base.Block, "shortcut": base.Shortcut, "attention": base.Attention}
    wanted = {name: any_part(family, **FITTING) for name, family in choices.items()}
    return st.fixed_dictionaries({}, optional=wanted)
