"""A checkpoint that is nearly a published network's is said to be near that, and near no larger one that holds it."""

import random

import pytest

from resnet_gen.infer.checkpoint import _nearest
from resnet_gen.reference import read
from resnet_gen.resources import references

NAMES = sorted(f"{file.parent.name}/{file.stem}" for file in references().glob("*/*.json"))
SOME = [name for name in NAMES if name.endswith(("/resnet50", "/resnet101", "/resnet18", "/seresnet50", "/vgg11_bn"))]
EACH = [name if name in SOME else pytest.param(name, marks=pytest.mark.long) for name in NAMES]


def without_some(draw, state):
    for name in draw.sample(sorted(state), 3):
        del state[name]


def renamed(draw, state):
    for name in draw.sample(sorted(state), 3):
        state[f"{name}_old"] = state.pop(name)


def other_head(draw, state):
    """For another number of classes, and with one layer more."""
    for name in list(state)[-2:]:
        state[name] = (37, *state[name][1:])
    state["extra.weight"] = (37, 37)


def other_stem(draw, state):
    name = next(iter(state))
    state[name] = (*state[name][:1], 1, *state[name][2:])


@pytest.mark.parametrize("change", [without_some, renamed, other_head, other_stem])
@pytest.mark.parametrize("name", EACH)
def test_a_changed_checkpoint_is_closest_to_its_own_network(name, change):
    own = dict(read(name, None).state)
    state = dict(own)
    change(random.Random(name), state)
    found, found_state = _nearest(state)
    assert found_state == own, found
