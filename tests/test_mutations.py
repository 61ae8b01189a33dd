"""Broken parts are noticed: each mutation of a shipped part makes exactly the stated checks fail.

Counts and names are held against `specs/references`, outputs against torchvision's.
A dropped shortcut or activation changes no count: only outputs can tell.
"""

from __future__ import annotations

import numpy as np
import pytest

from resnet_gen import reference
from resnet_gen.count import count
from resnet_gen.graph import Net
from resnet_gen.ops import Activation, BatchNorm, Conv, GlobalAvgPool, MaxPool
from resnet_gen.parts.activations.relu import Relu
from resnet_gen.parts.base import Shortcut, Using
from resnet_gen.parts.blocks.basic import Basic
from resnet_gen.parts.blocks.bottleneck import Bottleneck
from resnet_gen.parts.downsamples.stride import Stride
from resnet_gen.parts.norms.batch import Batch
from resnet_gen.parts.shortcuts.projection import Projection
from resnet_gen.parts.stems.conv7x7 import Conv7x7
from resnet_gen.problems import Refused
from tests.onnx_runs import TOLERANCE, Ruled, difference, network, outputs
from tests.reference import weights_rule
from tests.test_reference_outputs import REFERENCE, SIDES


def counts_agree(name):
    published, found = reference.read(f"torchvision/{name}", None), count(network(name))
    return (found.params, found.macs) == (published.params, published.macs)


def names_agree(name):
    state = {n: tensor.shape for n, tensor in network(name).state().items()}
    return list(state.items()) == list(reference.read(f"torchvision/{name}", None).state.items())


def outputs_agree(name):
    key = f"torchvision/{name}"
    graph = network(name, f"input.size={SIDES[key]}")
    found = outputs(graph, Ruled(graph), weights_rule.image(SIDES[key]))
    with np.load(REFERENCE / "logits.npz") as logits:
        return difference(found[0], logits[key]) < TOLERANCE


CHECKS = {"counts": counts_agree, "names": names_agree, "outputs": outputs_agree}


def noticed(name):
    """The checks that fail for a network; `shapes` if it cannot even be built."""
    try:
        return {check for check, agrees in CHECKS.items() if not agrees(name)}
    except Refused:
        return {"shapes"}


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_unmutated_network_passes_every_check(name):
    assert noticed(name) == set()


# --- mutations: each patches one part, and is told by the checks that it names ---

MUTATIONS = []


def mutation(*expected, of="resnet18"):
    def register(patch):
        MUTATIONS.append(pytest.param(of, patch, set(expected), id=f"{of}-{patch.__name__}"))
        return patch

    return register


@mutation("outputs")
def shortcut_computed_and_not_added(patch):
    def join(self, net, x, branch, *, stride, using):
        self.bridge(net.scope("shortcut", role="shortcut"), x, branch, stride=stride, using=using)
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
        return using.shortcut.join(net, x, y, stride=place.stride, using=using)

    patch.setattr(Basic, "build", build)


@mutation("outputs")
def inner_activation_dropped(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm(net, "1", x, place.width, kernel=3, stride=place.stride)
        y = using.conv_norm(net, "2", y, place.width, kernel=3)
        y = using.shortcut.join(net, x, y, stride=place.stride, using=using)
        return using.activation.build(net, "act2", y)

    patch.setattr(Basic, "build", build)


@mutation("outputs")
def activation_before_the_sum(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3, stride=place.stride)
        y = using.conv_norm_act(net, "2", y, place.width, kernel=3)
        return using.shortcut.join(net, x, y, stride=place.stride, using=using)

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
    def conv_norm(self, net, number, x, width, *, kernel, stride=1):
        return self.conv(net, f"conv{number}", x, width, kernel=kernel, stride=stride)

    patch.setattr(Using, "conv_norm", conv_norm)


@mutation("counts", "names", "outputs")
def norm_of_the_projection_dropped(patch):
    def bridge(self, net, x, branch, *, stride, using):
        changes = self.changes(x, branch)
        return using.conv(net, "conv", x, branch.shape[0], kernel=1, stride=stride) if changes else x

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
        y = using.shortcut.join(net, x, y, stride=place.stride, using=using)
        return using.activation.build(net, "act2", y)

    patch.setattr(Basic, "build", build)


@mutation("shapes")
def stride_of_the_branch_dropped(patch):
    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width, kernel=3)
        return using.shortcut.join(net, x, y, stride=place.stride, using=using)

    patch.setattr(Basic, "build", build)


@mutation("counts", "names", "outputs")  # widths double where the map halves
def stages_shrink_one_stage_later(patch):
    patch.setattr(Stride, "default_strides", lambda self, stages: (1, 1, *(2 for _ in range(stages - 2))))


def _padded(patch, kernel, padding):
    """Every convolution of this kernel with another padding."""

    def conv(self, net, name, x, width, *, kernel, stride=1, bias=None):
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
    patch.setattr(Projection, "changes", lambda self, x, branch: True)


@pytest.mark.parametrize(("name", "mutate", "expected"), MUTATIONS)
def test_a_mutation_is_noticed_by_the_checks_that_can_tell(name, mutate, expected, monkeypatch):
    mutate(monkeypatch)
    assert noticed(name) == expected


def test_every_check_alone_notices_something():
    sets = [mutation.values[2] for mutation in MUTATIONS]
    assert set().union(*sets) == {"counts", "names", "outputs", "shapes"}
    assert sum(found == {"outputs"} for found in sets) >= 8, "what only the reference outputs can tell"
