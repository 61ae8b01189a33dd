"""Broken parts are noticed: each mutation of a shipped part makes exactly the stated checks fail.

Counts and names are compared with `specs/references`, outputs against torchvision's.
A dropped shortcut or activation changes no count: only outputs can tell.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from resnet_gen.graph import Net
from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.onnx.writing import RULES
from resnet_gen.ops import (
    Activation,
    AvgPool,
    BatchNorm,
    BlurPool,
    Conv,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    MaxPool,
    SplitSoftmax,
    Subsample,
)
from resnet_gen.parts.activations.relu import Relu
from resnet_gen.parts.attentions.eca import EfficientChannelAttention
from resnet_gen.parts.attentions.se import SqueezeExcite
from resnet_gen.parts.base import Block, Shortcut, Using
from resnet_gen.parts.blocks.basic import Basic
from resnet_gen.parts.blocks.bottleneck import Bottleneck
from resnet_gen.parts.blocks.preact_regnet import PreactRegNet
from resnet_gen.parts.blocks.regnet import RegNet
from resnet_gen.parts.downsamples.stride import Stride
from resnet_gen.parts.norms.batch import Batch
from resnet_gen.parts.shortcuts.projection import Projection
from resnet_gen.parts.stems.conv7x7 import Conv7x7
from resnet_gen.problems import Refused
from resnet_gen.weights import references, standardization
from resnet_gen.weights.standardization import standardize_weights
from tests.helpers.onnx_runs import TOLERANCE, Ruled, difference, network, outputs
from tests.helpers.parity import SIDES, logits
from tests.reference import weights_rule


def counts_agree(name):
    published, found = references.read(key(name), None), count(network(name))
    return (found.params, found.macs) == (published.params, published.macs)


def names_agree(name):
    state, naming = network(name).state(), load(name).spec.naming
    ours = [(weight, state[weight].shape) for weight in naming.registered(list(state))]
    return ours == list(references.read(key(name), None).state.items())


def outputs_agree(name):
    graph = network(name, f"input.size={SIDES[key(name)]}")
    graph, weights = standardize_weights(graph, Ruled(graph))
    found = outputs(graph, weights, weights_rule.image(SIDES[key(name)]))
    return difference(found[0], logits()[key(name)]) < TOLERANCE


def key(name):
    """The published network that a spec is compared with."""
    return load(name).spec.reference


CHECKS = {"counts": counts_agree, "names": names_agree, "outputs": outputs_agree}


def noticed(name):
    """The checks that fail for a network; `shapes` if it cannot even be built."""
    try:
        return {check for check, agrees in CHECKS.items() if not agrees(name)}
    except Refused:
        return {"shapes"}


# --- mutations: each patches one part, and is told by the checks that it names ---

MUTATIONS = []


def mutation(*expected, of="resnet18"):
    def register(patch):
        MUTATIONS.append(pytest.param(of, patch, set(expected), id=f"{of}-{patch.__name__}"))
        return patch

    return register


@mutation("counts", "names", "outputs")  # what no output needs is not in the graph
def shortcut_computed_and_not_added(patch):
    def join(self, net, x, branch, *, place, using):
        self.bridge(net.scope("shortcut", role="shortcut"), x, branch, place=place, using=using)
        return branch

    patch.setattr(Shortcut, "join", join)


@mutation("counts", "names", "outputs")
def shortcut_dropped(patch):
    patch.setattr(Shortcut, "join", lambda self, net, x, branch, **_: branch)


@mutation("outputs")
def shortcut_added_twice(patch):
    join = Shortcut.join

    def twice(self, net, x, branch, **given):
        return join(self, net.scope("again"), x, join(self, net, x, branch, **given), **given)

    patch.setattr(Shortcut, "join", lambda *a, **k: (twice if a[2].shape == a[3].shape else join)(*a, **k))


@mutation("outputs")
def last_activation_dropped(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3, stride=place.stride)
        y = using.conv_norm(net, "2", y, place.width, kernel=3)
        return using.shortcut.join(net, x, y, place=place, using=using)

    patch.setattr(Basic, "build", build)


@mutation("outputs")
def inner_activation_dropped(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm(net, "1", x, place.width, kernel=3, stride=place.stride)
        y = using.conv_norm(net, "2", y, place.width, kernel=3)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return using.activation.build(net, "act2", y)

    patch.setattr(Basic, "build", build)


@mutation("outputs")
def activation_before_the_sum(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3, stride=place.stride)
        y = using.conv_norm_act(net, "2", y, place.width, kernel=3)
        return using.shortcut.join(net, x, y, place=place, using=using)

    patch.setattr(Basic, "build", build)


@mutation("outputs", of="resnet50")
def middle_activation_dropped(patch):
    conv_norm_act = Using.conv_norm_act

    def without(self, net, number, *rest, **given):
        return (Using.conv_norm if number == "2" else conv_norm_act)(self, net, number, *rest, **given)

    patch.setattr(Using, "conv_norm_act", without)


@mutation("outputs")
def activation_leaky(patch):
    patch.setattr(Relu, "build", lambda self, net, name, x: net.add(name, Activation("leaky_relu"), x))


@mutation("counts", "names", "outputs")
def norms_dropped(patch):
    def conv_norm(self, net, number, x, width, **window):
        return self.conv(net, f"conv{number}", x, width, **window)

    patch.setattr(Using, "conv_norm", conv_norm)


@mutation("counts", "names", "outputs")
def norm_of_the_projection_dropped(patch):
    def bridge(self, net, x, branch, *, place, using):
        changes = self.changes(x, branch, place.stride)
        return using.conv(net, "conv", x, branch.shape[0], kernel=1, stride=place.stride) if changes else x

    patch.setattr(Projection, "bridge", bridge)


@mutation("outputs")
def norm_with_another_epsilon(patch):
    patch.setattr(Batch, "build", lambda self, net, name, x: net.add(name, BatchNorm(1e-3), x))


@mutation("counts", "outputs", of="resnet50")
def stride_moved_to_the_first_convolution(patch):
    patch.setattr(Bottleneck, "strides", lambda self, place: (place.stride, 1))


@mutation("counts", "outputs")
def stride_moved_to_the_second_convolution(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3)
        y = using.conv_norm(net, "2", y, place.width, kernel=3, stride=place.stride)
        y = using.shortcut.join(net, x, y, place=place, using=using)
        return using.activation.build(net, "act2", y)

    patch.setattr(Basic, "build", build)


@mutation("shapes")
def stride_of_the_branch_dropped(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3)
        return using.shortcut.join(net, x, y, place=place, using=using)

    patch.setattr(Basic, "build", build)


@mutation("counts", "names", "outputs")  # widths double where the map halves
def stages_shrink_one_stage_later(patch):
    patch.setattr(Stride, "default_strides", lambda self, stages: (1, 1, *(2 for _ in range(stages - 2))))


def _padded(patch, kernel, padding):
    """Every convolution of this kernel with another padding."""

    def conv(self, net, name, x, width, *, kernel, stride=1, groups=1, dilation=1, bias=None):
        used = padding if kernel == wanted else kernel // 2
        return net.add(name, Conv(width, kernel, stride, used, bias=bool(bias)), x)

    wanted = kernel
    patch.setattr(Using, "conv", conv)


@mutation("counts", "outputs")
def padding_of_the_stem_smaller(patch):
    _padded(patch, 7, 2)


@mutation("shapes")
def padding_of_the_blocks_dropped(patch):
    _padded(patch, 3, 0)


@mutation("shapes")
def padding_of_the_projections_added(patch):
    _padded(patch, 1, 1)


def _pooled(patch, op):
    def build(self, net, x, using, *, bare):
        x = using.conv(net, "conv", x, self.width, kernel=7, stride=2)
        x = using.norm_act(net, "", x)
        return net.add("pool", op, x) if op else x

    patch.setattr(Conv7x7, "build", build)


@mutation("counts", "outputs")
def padding_of_the_pooling_dropped(patch):
    _pooled(patch, MaxPool(3, 2, 0))


@mutation("outputs")
def window_of_the_pooling_smaller(patch):
    _pooled(patch, MaxPool(2, 2, 0))


@mutation("counts", "outputs")
def pooling_dropped(patch):
    _pooled(patch, None)


@mutation("outputs")
def global_pooling_takes_the_largest(patch):
    add = Net.add

    def largest(self, name, op, *inputs):
        side = inputs[0].shape[-1]
        return add(self, name, MaxPool(side, side) if isinstance(op, GlobalAvgPool) else op, *inputs)

    patch.setattr(Net, "add", largest)


@mutation("counts", "names", "outputs")
def convolutions_biased(patch):
    patch.setattr(Batch, "replaces_bias", False)


@mutation("counts", "names", "outputs")
def projections_on_every_block(patch):
    patch.setattr(Projection, "changes", lambda self, x, branch, stride: True)


# --- parts beyond the first ResNets -------------------------------------------


def op_replaced(patch, wanted, made):
    """Every operation for which `wanted` holds, given its path, replaced by what `made` makes of it."""
    add = Net.add

    def other(self, name, op, *inputs):
        return add(self, name, made(op) if wanted(f"{self._prefix}{name}", op) else op, *inputs)

    patch.setattr(Net, "add", other)


def build_dropped(patch, wanted):
    """Every operation for which `wanted` holds left out: what read it reads its input."""
    add = Net.add

    def without(self, name, op, *inputs):
        return inputs[0] if wanted(f"{self._prefix}{name}", op) else add(self, name, op, *inputs)

    patch.setattr(Net, "add", without)


@mutation("outputs", of="seresnet18")
def gate_of_attention_not_squashed(patch):
    build_dropped(patch, lambda path, op: path.endswith("attention.gate"))


@mutation("outputs", of="seresnet18")
def activation_inside_attention_dropped(patch):
    build_dropped(patch, lambda path, op: path.endswith("attention.act"))


@mutation("outputs", of="seresnet18")
def attention_of_maxima(patch):
    op_replaced(patch, lambda path, op: path.endswith("attention.pool"), lambda op: GlobalMaxPool())


@mutation("names", "outputs", of="seresnet18")  # the library registers attention before the projection
def attention_behind_the_sum(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3, stride=place.stride)
        y = using.conv_norm(net, "2", y, place.width, kernel=3)
        y = using.attend(net, using.shortcut.join(net, x, y, place=place, using=using), x)
        return using.activation.build(net, "act2", y)

    patch.setattr(Basic, "build", build)


@mutation("names", "outputs", of="seresnet18")
def attention_before_the_norm(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3, stride=place.stride)
        y = using.attend(net, using.conv(net, "conv2", y, place.width, kernel=3), x)
        y = using.shortcut.join(net, x, using.normed(net, "norm2", y), place=place, using=using)
        return using.activation.build(net, "act2", y)

    patch.setattr(Basic, "build", build)


@mutation("counts", "names", "outputs", of="regnety_002")
def attention_reduced_from_the_branch(patch):
    reduced = SqueezeExcite.build

    def of_branch(self, net, x, *, block_input, using):
        return reduced(self, net, x, block_input=x, using=using)

    patch.setattr(SqueezeExcite, "build", of_branch)


@mutation("counts", "names", "outputs", of="ecaresnext26t_32x4d")
def window_along_channels_of_3(patch):
    patch.setattr(EfficientChannelAttention, "reach", lambda self, channels: 3)


@mutation("outputs", of="legacy_seresnet18")
def branch_not_activated_before_its_attention(patch):
    build_dropped(patch, lambda path, op: path.endswith("branch_act"))


@mutation("counts", "outputs", of="legacy_seresnet18")
def pooling_without_windows_that_hang_over(patch):
    op_replaced(patch, lambda path, op: path == "stem.pool", lambda op: MaxPool(3, 2))


@mutation("outputs", of="legacy_seresnet18")
def pooling_padded_as_usual(patch):
    op_replaced(patch, lambda path, op: path == "stem.pool", lambda op: MaxPool(3, 2, 1))


@mutation("outputs", of="resnetblur18")
def blur_over_a_border_of_zeros(patch):
    def zeros(op, call):
        padded = call.step("pad", "Pad", *call.inputs, call.integers("pads", [0, 0, 1, 1] * 2), mode="constant")
        channels = call.node.shape[0]
        window = call.numbers("filter", [[[[a * b / 16 for a in (1, 2, 1)] for b in (1, 2, 1)]]] * channels)
        call.end("Conv", padded, window, group=channels, kernel_shape=[3, 3], strides=[op.stride] * 2)

    patch.setitem(RULES, BlurPool, zeros)


@mutation("outputs", of="resnetblur18")
def blur_as_a_plain_average(patch):
    rule = RULES[BlurPool]

    def flat(op, call):
        numbers = call.numbers
        call.numbers = lambda role, values: numbers(role, [[[[1 / 9] * 3] * 3]] * call.node.shape[0])
        rule(op, call)

    patch.setitem(RULES, BlurPool, flat)


@mutation("outputs", of="resnet10t")
def projection_strided_instead_of_averaged(patch):
    op_replaced(patch, lambda path, op: path.endswith("avg.pool"), lambda op: Subsample(op.stride))


@mutation("counts", "names", "outputs", of="resnet10t")
def widths_of_the_stem_not_tiered(patch):
    op_replaced(patch, lambda path, op: path == "stem.conv1", lambda op: replace(op, out=32))


@mutation("outputs", of="resnetv2_18")
def shortcut_of_the_input_as_it_is(patch):
    join = Shortcut.join

    def raw(self, net, x, branch, *, place, using):
        return join(self, net, raw.input if x.name.endswith("act1") else x, branch, place=place, using=using)

    norm_act = Using.norm_act

    def remembered(self, net, number, x):
        raw.input = x if number == "1" else raw.input
        return norm_act(self, net, number, x)

    raw.input = None
    patch.setattr(Shortcut, "join", raw)
    patch.setattr(Using, "norm_act", remembered)


@mutation("counts", "names", "outputs", of="resnetv2_18")
def norm_of_the_last_map_dropped(patch):
    patch.setattr(Block, "finish", lambda self, net, x, using: x)


@mutation("outputs", of="resnetv2_50x1_bit")
def filters_standardized_without_their_mean(patch):
    def recipe(node, eps):
        def scaled(base, start, stop):
            rows = base.rows(node.weight_name("weight"), start, stop)
            return rows / (rows.reshape(len(rows), -1).std(axis=1) + eps)[:, None, None, None]

        return scaled

    patch.setattr(standardization, "_recipe", recipe)


@mutation("outputs", of="resnetv2_50x1_bit")
def one_group_of_the_norm_for_all_channels(patch):
    op_replaced(patch, lambda path, op: isinstance(op, GroupNorm), lambda op: replace(op, groups=1))


@mutation("outputs", of="resnetv2_50x1_bit")
def pooling_of_the_stem_padded_with_nothing_instead_of_zeros(patch):
    op_replaced(patch, lambda path, op: path == "stem.pool", lambda op: MaxPool(3, 2, 1))


@mutation("outputs", of="skresnet18")
def channels_compete_with_each_other_instead_of_paths(patch):
    op_replaced(patch, lambda path, op: isinstance(op, SplitSoftmax), lambda op: SplitSoftmax(32))


@mutation("outputs", of="skresnet18")
def second_path_not_dilated(patch):
    dilated = re.compile(r".*paths\.1\.conv")
    op_replaced(patch, lambda path, op: dilated.fullmatch(path), lambda op: replace(op, dilation=1, padding=1))


@mutation("outputs", of="resnest14d")
def splits_that_do_not_compete(patch):
    op_replaced(patch, lambda path, op: isinstance(op, SplitSoftmax), lambda op: Activation("sigmoid"))


@mutation("outputs", of="resnest14d")
def softmax_of_the_splits_over_the_channels(patch):
    rule = RULES[SplitSoftmax]

    def over_channels(op, call):
        step = call.step
        call.step = lambda role, *given, **more: step(role, *given, **(more | ({"axis": 2} if "axis" in more else {})))
        rule(op, call)

    patch.setitem(RULES, SplitSoftmax, over_channels)


@mutation("outputs", of="resnest14d")
def padding_left_out_of_the_average(patch):
    rule = RULES[AvgPool]

    def excluded(op, call):
        end = call.end
        call.end = lambda *inputs, **given: end(*inputs, **{k: v for k, v in given.items() if k != "count_include_pad"})
        rule(op, call)

    patch.setitem(RULES, AvgPool, excluded)


@mutation("outputs", of="res2net50_26w_4s")
def links_that_do_not_add_the_one_before(patch):
    links = re.compile(r".*\.sum\.\d")
    add = Net.add
    patch.setattr(
        Net, "add",
        lambda self, name, op, *xs: xs[1] if links.fullmatch(f"{self._prefix}{name}") else add(self, name, op, *xs),
    )  # fmt: skip


@mutation("counts", of="regnetx_002")
def groups_left_out_of_the_macs(patch):
    macs = Conv.macs
    patch.setattr(Conv, "macs", lambda self, *shapes: macs(self, *shapes) * self.groups)


@mutation("outputs", of="regnetv_040")
def identity_shortcut_from_before_the_activation(patch):
    def build(self, net, x, place, using):
        inside = self.inside(place)
        active = using.norm_act(net, "1", x)
        y = using.conv(net, "conv1", active, inside, kernel=1)
        y = using.norm_act(net, "2", y)
        y = using.conv(net, "conv2", y, inside, kernel=3, stride=place.stride, groups=self.groups(inside)[0])
        y = using.norm_act(net, "3", using.attend(net, y, x))
        y = using.conv(net, "conv3", y, place.width, kernel=1)
        around = active if using.shortcut.changes(x, y, place.stride) else x
        return using.shortcut.join(net, around, y, place=place, using=using)

    patch.setattr(PreactRegNet, "build", build)


@mutation("outputs", of="regnetz_005")
def linear_blocks_activated(patch):
    build = RegNet.build

    def active(self, net, x, place, using):
        return build(self.model_copy(update={"linear": False}), net, x, place, using)

    patch.setattr(RegNet, "build", active)


@pytest.mark.parametrize("name", sorted({mutation.values[0] for mutation in MUTATIONS}))
def test_the_unmutated_network_passes_every_check(name):
    assert noticed(name) == set()


@pytest.mark.parametrize(("name", "mutate", "expected"), MUTATIONS)
def test_a_mutation_is_noticed_by_the_checks_that_can_tell(name, mutate, expected, monkeypatch):
    mutate(monkeypatch)
    assert noticed(name) == expected


def test_every_check_alone_notices_something():
    sets = [mutation.values[2] for mutation in MUTATIONS]
    assert set().union(*sets) == {"counts", "names", "outputs", "shapes"}
    assert sum(found == {"outputs"} for found in sets) >= 8, "what only the reference outputs can tell"
