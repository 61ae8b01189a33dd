"""Every part is recovered from a graph that has it, or it is said why that cannot be."""

from functools import cache

import pytest

from resnet_gen.infer.search import infer_spec
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.parts.base import FAMILIES
from resnet_gen.parts.registry import load_parts, members

load_parts()
UNKNOWN = {
    "shortcuts.identity": "a projection is the same where no block changes the shape",
    "widths.regnet": "a list of widths makes the same stages",
}
"""Parts that no graph shows."""

NETWORKS = [
    ("resnet18",), ("resnet18", "stages.shortcut=avg_projection", "stem={kind: deep}", "antialias=average"),
    ("resnet18", "stages.shortcut=identity", "stages.downsample=max_pool", "stages.widths=[64,64]",
     "stages.strides=[2,1]", "stages.depths=[1,1]", "activation=leaky_relu", "norm=layer"),
    ("resnet18", "stages.shortcut=projection_all", "antialias=blur", "activation=elu"),
    ("resnet18", "stages.shortcut=gated", "activation=gelu"), ("resnet18", "stages.block=plain", "activation=mish"),
    ("resnet18", "norm=group", "activation=hard_swish"), ("seresnet50", "activation=tanh", "head=none"),
    ("resnet34-a",), ("senet154", "stages.depths=[1,1,1,1]"), ("cbam-resnet50",), ("ecanet50",), ("regnety_002",),
    ("regnet_y_400mf",), ("regnetz_005",), ("regnetv_040",), ("res2net50d",), ("resnest14d",), ("skresnet18",),
    ("skresnet50",), ("vgg11",), ("timm-vgg11_bn",), ("highway-b",), ("preact110",), ("resnetv2_50",),
    ("pyramidnet110_a48",), ("alphago-zero-20",), ("legacy_seresnet18",), ("resnet18", "naming=transformers_resnet"),
    ("regnety_002", "naming=transformers_regnet"), ("resnet50d", "naming=mmpretrain_resnet"),
    ("resnet50d", "naming=mmdetection_resnet"),
]  # fmt: skip


@cache
def recovered():
    """The kinds of all parts of all specs that are recovered from the networks above, with their folders."""
    found = set()
    for name, *settings in NETWORKS:
        spec = infer_spec(lower(load(name, settings)), "found").loaded.spec
        stages = spec.stages
        inner = (stages.widths, stages.block, stages.shortcut, stages.attention, stages.downsample)
        whole = (spec.stem, spec.norm, spec.activation, spec.antialias, spec.head, spec.naming)
        found |= {f"{part.folder}.{part.kind}" for part in (*inner, *whole)}
    return found


PARTS = [f"{family.folder}.{part.kind_name()}" for family in FAMILIES for part in members(family)]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_recovered_or_it_is_said_why_not(part):
    assert (part in recovered()) != (part in UNKNOWN), (
        "teach resnet_gen/infer of it, or say in UNKNOWN why it cannot be"
    )
