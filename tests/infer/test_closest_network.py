"""A checkpoint that is nearly a known network's is said to be near that, and near no larger one that holds it."""

import random

import pytest

from resnet_gen.infer.checkpoints.nearest import find_nearest, first_missing_tensor, order_networks, state_of
from resnet_gen.infer.checkpoints.recognition import find_shipped
from resnet_gen.language.load import load
from resnet_gen.system.resources import references_folder, shipped_specs
from resnet_gen.weights.references import read
from tests.helpers.shipped import shipped

NAMES = sorted(f"{file.parent.name}/{file.stem}" for file in references_folder().glob("*/*.json"))
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
    found = find_nearest(state, {})
    assert found.state == own, found.name


SHIPPED = {name: shipped(name) for name in shipped_specs()}
UNPUBLISHED = ["alphago-zero-20", "cifar-resnet20", "cifar-resnet110", "preact110", "highway-a", "resnet34-a"]


def without_head(draw, state):
    for name in list(state)[-2:]:
        del state[name]


def one_renamed(draw, state):
    name = draw.choice(sorted(state))
    state[f"{name}_old"] = state.pop(name)


def last_layer_renamed(draw, state):
    for name in list(state)[-2:]:
        state[f"linear.{name.rpartition('.')[2]}"] = state.pop(name)


@pytest.mark.parametrize("change", [without_head, one_renamed, last_layer_renamed])
@pytest.mark.parametrize("name", UNPUBLISHED)
def test_it_is_closest_to_a_network_that_is_shipped_and_nobody_publishes(name, change):
    state = state_of(shipped(name))
    change(random.Random(name), state)
    assert find_nearest(state, SHIPPED).name == name


@pytest.mark.parametrize("prefix", ["backbone.", "module.model.", "_orig_mod.module.model."])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "cifar-resnet20", "timm-vgg16"])
def test_prefixes_are_looked_through_though_some_names_have_none_or_another(name, prefix):
    own = state_of(shipped(name))
    *body, last, bias = own
    state = {f"{prefix}{n}": own[n] for n in body} | {f"head.{last}": own[last], bias: own[bias]}
    found = find_nearest(state, SHIPPED)
    assert (found.state, found.prefix, found.shared) == (own, prefix, len(own) - 1)
    assert first_missing_tensor(found, state, "f").message.startswith(f"'head.{last}' (")


@pytest.mark.parametrize("name", ["resnet18", "cifar-resnet20"])
def test_the_order_of_a_file_s_names_changes_nothing(name):
    state = {f"module.{n}": shape for n, shape in state_of(shipped(name)).items()}
    one_renamed(random.Random(0), state)
    turned = dict(reversed(state.items()))
    assert find_nearest(state, SHIPPED) == find_nearest(turned, dict(reversed(SHIPPED.items())))


def test_of_two_networks_in_a_file_one_is_told_whatever_the_order():
    own = state_of(load("resnet18"))
    one, two = ({f"{prefix}{n}": shape for n, shape in own.items()} for prefix in ("teacher.", "student."))
    assert find_nearest(one | two, SHIPPED) == find_nearest(two | one, SHIPPED)
    assert find_nearest(one | two, SHIPPED).prefix == "student."


@pytest.mark.parametrize(
    "names",
    [
        ["resnet34", "resnet34-b", "plain34"],
        ["timm-resnet50", "resnet50-v1", "highway-a"],
        ["resnest50d", "resnest50d_2s1x64d"],
    ],
)
def test_published_networks_come_before_others_and_residual_ones_before_plain(names):
    assert order_networks({name: SHIPPED[name] for name in names}) == names
    assert order_networks({name: SHIPPED[name] for name in reversed(names)}) == names


def test_where_but_a_prefix_is_missing_that_is_said():
    own = state_of(load("resnet18"))
    state = {("" if n == "fc.bias" else "net.") + n: shape for n, shape in own.items()}
    problem = first_missing_tensor(find_nearest(state, SHIPPED), state, "f")
    what = "'fc.bias' has no 'net.' before it, as others have that fit 'timm/resnet18', the closest network"
    assert (problem.message, problem.hint) == (what, "102 of 102 tensors fit it, without 'net.' before names")


def five_more(draw, state):
    state |= {f"decoder.{number}.weight": (3, 3) for number in range(5)}


@pytest.mark.parametrize("prefix", ["", "net."])
@pytest.mark.parametrize(
    ("changes", "advised"),
    [
        ([five_more], True), ([other_head], True), ([], False), ([without_some, five_more], False),
        ([renamed, five_more], False), ([other_stem, five_more], False), ([one_renamed], False),
    ],
)  # fmt: skip
def test_to_leave_tensors_out_is_advised_where_the_whole_network_is_beside_them(changes, advised, prefix):
    state = state_of(shipped("resnet18"))
    for change in changes:
        change(random.Random(0), state)
    state = {prefix + name: shape for name, shape in state.items()}
    near = find_nearest(state, SHIPPED)
    assert ("--rename PATTERN=" in first_missing_tensor(near, state, "f").hint) == advised


SCHEMES = {SHIPPED[name].spec.naming.kind: name for name in sorted(SHIPPED, reverse=True)}


@pytest.mark.parametrize("name", SCHEMES.values(), ids=SCHEMES)
def test_a_network_of_each_naming_scheme_is_found_by_its_own_names_and_shapes(name):
    state = {f"module.{layer}": shape for layer, shape in state_of(SHIPPED[name]).items()}
    assert name in find_shipped(state)


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "cifar-resnet20"])
def test_a_network_of_the_same_names_and_other_shapes_is_no_shipped_one(name):
    own = state_of(SHIPPED[name])
    *_, weight, bias = own
    assert name in find_shipped({**own, weight: (7, *own[weight][1:]), bias: (7,)})
    for layer in [next(iter(own)), random.Random(0).choice([n for n in own if len(own[n]) == 4])]:
        assert find_shipped({**own, layer: (own[layer][0] + 4, *own[layer][1:])}) == [], layer
    assert find_shipped({**own, weight: (*own[weight][:1], own[weight][1] + 4)}) == []
