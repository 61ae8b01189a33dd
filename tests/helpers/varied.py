"""The networks that tests of every network take, and those that `make test-all` adds."""

from collections.abc import Iterable

import pytest

from resnet_gen.system.resources import shipped_specs
from tests.helpers.thinned import even

VARIED = (
    "alphago-zero-20",
    "resnetv2_50x1_bit",
    "cbam-resnet50",
    "cifar-resnet20",
    "cifar-plain20",
    "resnet8-digits",
    "ecaresnet50d_pruned",
    "ecanet50",
    "highway-a",
    "highway-c",
    "preact110",
    "pyramidnet110_a48",
    "regnet_y_400mf",
    "regnety_004",
    "regnetz_005",
    "regnetv_040",
    "res2net50_26w_4s",
    "res2next50",
    "resnest14d",
    "resnest50d_4s2x40d",
    "resnest50d_1s1x64d",
    "resnet18",
    "resnet34-a",
    "resnet34-c",
    "resnet50",
    "resnetblur18",
    "resnetaa50d",
    "resnetrs50",
    "resnetv2_50d_gn",
    "resnetv2_50",
    "resnext50_32x4d",
    "cifar-resnext29_8x64d",
    "legacy_seresnet18",
    "seresnet50",
    "senet154",
    "skresnet18",
    "sknet50",
    "vgg11",
    "timm-vgg11_bn",
    "vgg16-c",
    "wrn-16-4",
    "wide_resnet50_2",
    "resnet10t",
)
"""Networks that between them use every part that is shipped, and everything that a generated file can hold."""


def spread(cases: Iterable[object], quick: int) -> list[object]:
    """The cases of a sweep: `quick` of them, evenly spread, for every run; the others for `make test-all`.

    A case is a value, or a tuple of values where a test is given several.
    """
    every = [case if isinstance(case, tuple) else (case,) for case in cases]
    chosen = even(quick, len(every))
    return [pytest.param(*case, marks=() if n in chosen else pytest.mark.long) for n, case in enumerate(every)]


def marked(name: str, *others: object) -> object:
    """The case of a test that begins with a network's name: for `make test-all` unless it is one of the varied."""
    return pytest.param(name, *others, marks=() if name in VARIED else pytest.mark.long)


EVERY = [marked(name) for name in shipped_specs()]
"""Every shipped network."""
