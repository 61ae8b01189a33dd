"""What single parts build, against their papers: layers in order, widths, groups, strides."""

import pytest

from resnet_gen import ops
from resnet_gen.graph import Net, Value
from resnet_gen.graph.counts import count
from resnet_gen.parts.antialiases.average import Average
from resnet_gen.parts.antialiases.blur import Blur
from resnet_gen.parts.attentions.cbam import ConvBlockAttention
from resnet_gen.parts.attentions.eca import EfficientChannelAttention
from resnet_gen.parts.attentions.se import SqueezeExcite
from resnet_gen.parts.blocks.regnet import RegNet
from resnet_gen.parts.rounding import round_to_multiple
from resnet_gen.parts.widths.additive import Additive
from resnet_gen.parts.widths.regnet import RegNetWidths
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import network


def layers(name, start, *settings):
    """Path below `start`, kernel, filters, stride, dilation and groups of each convolution there."""
    convs = [n for n in network(name, *settings).nodes if n.path.startswith(start) and isinstance(n.op, ops.Conv)]
    return [(n.path.removeprefix(start), n.op.kernel, n.op.out, n.op.stride, n.op.dilation, n.op.groups) for n in convs]


def kinds(name, start, *settings):
    """The operations below `start`, in order."""
    return [type(n.op).__name__ for n in network(name, *settings).nodes if n.path.startswith(start)]


# --- attention ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "ratio", "divisor", "reduced"),
    [(64, 1 / 16, 8, 8), (256, 1 / 16, 8, 16), (320, 1 / 16, 8, 24), (64, 1 / 16, 1, 4), (10, 0.25, 1, 2),
     (14, 0.25, 1, 4), (18, 0.25, 1, 4), (440, 0.25, 1, 110)],
)  # fmt: skip
def test_se_rounds_to_its_divisor_or_to_the_nearest_ties_to_even(channels, ratio, divisor, reduced):
    assert SqueezeExcite(kind="se", rd_ratio=ratio, rd_divisor=divisor).reduce_channels(channels) == reduced


def test_se_reduces_the_branch_or_what_enters_the_block():
    assert [w for _, _, w, *_ in layers("seresnet50", "stages.1.0.attention.")] == [32, 512]
    assert [w for _, _, w, *_ in layers("regnety_002", "stages.1.0.attention.")] == [6, 56]
    assert [w for _, _, w, *_ in layers("regnety_002", "stages.0.0.attention.")] == [8, 24]


@pytest.mark.parametrize(
    ("channels", "kernel"), [(16, 3), (32, 3), (64, 3), (128, 5), (256, 5), (512, 5), (1024, 5), (2048, 7)]
)
def test_eca_reaches_further_over_more_channels(channels, kernel):
    assert EfficientChannelAttention(kind="eca").reach(channels) == kernel


def inputs(name, path, *settings):
    """Paths of what the node at `path` reads."""
    nodes = network(name, *settings).nodes
    made = {node.output.name: node.path for node in nodes}
    return [made[value.name] for node in nodes if node.path == path for value in node.inputs]


def test_cbam_weighs_channels_and_then_positions_by_the_maximum_and_the_mean():
    at = "stages.0.1.attention"
    assert inputs("resnet50", f"{at}.channel.scale", CBAM) == ["stages.0.1.norm3", f"{at}.channel.gate"]
    assert inputs("resnet50", f"{at}.spatial.scale", CBAM) == [f"{at}.channel.scale", f"{at}.spatial.gate"]
    assert inputs("resnet50", f"{at}.spatial.both", CBAM) == [f"{at}.spatial.max", f"{at}.spatial.mean"]
    assert layers("resnet50", f"{at}.", CBAM) == [
        ("channel.fc1", 1, 16, 1, 1, 1), ("channel.fc2", 1, 256, 1, 1, 1), ("spatial.conv", 7, 1, 1, 1, 1),
    ]  # fmt: skip


CBAM = "stages.attention=cbam"
SE = ["GlobalAvgPool", "Conv", "Activation", "Conv", "Activation", "Mul"]
UNIT = ["Conv", "BatchNorm", "Activation"]


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("seresnet18", [*UNIT, "Conv", "BatchNorm", *SE, "Add", "Activation"]),
        ("seresnet50", [*UNIT, *UNIT, "Conv", "BatchNorm", *SE, "Add", "Activation"]),
        ("regnety_004", [*UNIT, *UNIT, *SE, "Conv", "BatchNorm", "Add", "Activation"]),
        ("preact110", ["BatchNorm", "Activation", "Conv"] * 2 + [*SE, "Add"]),
    ],
)
def test_attention_stands_behind_the_last_norm_but_inside_the_block_of_a_regnet(name, block):
    assert kinds(name, "stages.1.1.", "stages.attention.kind=se") == block


def test_cbam_shares_its_two_layers_between_means_and_maxima():
    plain, weighed = (count(network("resnet50", f"stages.attention={kind}")) for kind in ("none", "cbam"))
    of = [(4 * w, d) for w, d in zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True)]
    shared = sum(d * (2 * c * (c // 16) + c // 16 + c) for c, d in of)
    assert weighed.params - plain.params == shared + 16 * (2 * 49 + 2)
    sides = (56, 28, 14, 7)
    spatial = sum(d * 2 * 49 * side * side for (_, d), side in zip(of, sides, strict=True))
    assert weighed.macs - plain.macs == 2 * sum(d * 2 * c * (c // 16) for c, d in of) + spatial
    assert weighed.layers == plain.layers
    assert ConvBlockAttention(kind="cbam").kernel == 7


# --- widths ------------------------------------------------------------------


def test_regnet_widths_are_the_paper_s():
    rule = RegNetWidths(kind="regnet", depth=13, w_0=24, w_a=36.44, w_m=2.49)  # Table of RegNetX-200MF
    assert (rule.depths(), rule.widths([2] * 4)) == ((1, 1, 4, 7), (24, 56, 152, 368))
    rule = RegNetWidths(kind="regnet", depth=16, w_0=48, w_a=27.89, w_m=2.09)  # RegNetY-400MF
    assert (rule.depths(), rule.widths([2] * 4)) == ((1, 3, 6, 6), (48, 104, 208, 440))


@pytest.mark.parametrize(
    ("rounding", "widths"), [("nearest", [168, 448, 896, 2016]), ("nine_tenths", [224, 448, 896, 2016])]
)
def test_filters_of_regnet_are_whole_groups_in_each_library_s_rounding(rounding, widths):
    rule = RegNetWidths(kind="regnet", depth=17, w_0=192, w_a=76.82, w_m=2.19)  # RegNetY-8GF
    block = RegNet(kind="regnet", group_width=56, rounding=rounding)
    assert [block.fitted(width) for width in rule.widths([2] * 4)] == widths


@pytest.mark.parametrize(
    ("channels", "divisor", "least", "floor", "found"),
    [(17, 8, 0, 0.9, 16), (20, 8, 0, 0.9, 24), (35, 16, 0, 0.9, 32), (39, 20, 0, 0.9, 40), (11, 8, 0, 0.9, 16),
     (11, 8, 0, 0.0, 8), (3, 8, 0, 0.9, 8), (3, 8, 32, 0.9, 32)],
)  # fmt: skip
def test_channels_become_a_multiple_not_far_below(channels, divisor, least, floor, found):
    assert round_to_multiple(channels, divisor, least=least, floor=floor) == found


def test_additive_widths_grow_in_every_block():
    rule = Additive(kind="additive", first=16, alpha=48)
    assert rule.by_block([2, 2, 2], rule.widths([1, 2, 2])) == [(24, 32), (40, 48), (56, 64)]
    uneven = Additive(kind="additive", first=16, alpha=10)
    assert uneven.by_block([3], uneven.widths([1])) == [(19, 22, 26)]


@pytest.mark.parametrize("alpha", [*range(1, 401, 7), 0.1, 0.7, 4.1, 9.2, 17.4, 240.3, 300])
def test_additive_widths_end_with_all_that_is_added_and_never_fall_short(alpha):
    """Eq. 3 in whole numbers: n blocks add n shares of alpha, of which none is lost to rounding."""
    rule, tenths = Additive(kind="additive", first=16, alpha=alpha), round(10 * alpha)
    for blocks in (*range(1, 60), 110, 272):
        (found,) = rule.by_block([blocks], [0])
        assert found == tuple(16 + tenths * (n + 1) // (10 * blocks) for n in range(blocks))
        assert rule.widths([0] * blocks) == found


# --- blocks ------------------------------------------------------------------


def test_grouped_blocks_have_the_widths_of_resnext_and_of_senet154():
    assert layers("resnext50_32x4d", "stages.1.0.conv") == [
        ("1", 1, 256, 1, 1, 1), ("2", 3, 256, 2, 1, 32), ("3", 1, 512, 1, 1, 1),
    ]  # fmt: skip
    assert layers("senet154", "stages.1.0.conv") == [
        ("1", 1, 256, 1, 1, 1), ("2", 3, 512, 2, 1, 64), ("3", 1, 512, 1, 1, 1),
    ]  # fmt: skip
    assert layers("senet154", "stages.1.0.shortcut") == [(".conv", 3, 512, 2, 1, 1)]
    assert layers("senet154", "stages.0.0.shortcut") == [(".conv", 1, 256, 1, 1, 1)]


def test_links_of_res2net_add_the_one_before_but_in_blocks_that_change_the_shape():
    links = ["TakeChannels"] * 4 + ["Conv", "BatchNorm", "Activation"] * 3 + ["AvgPool", "Concat"]
    assert kinds("res2net50_26w_4s", "stages.1.0.")[3:-6] == links
    chained = ["TakeChannels"] * 4 + ["Conv", "BatchNorm", "Activation"]
    chained += 2 * ["Add", "Conv", "BatchNorm", "Activation"] + ["Concat"]
    assert kinds("res2net50_26w_4s", "stages.1.1.")[3:-4] == chained


def test_split_attention_weighs_its_splits_by_softmax_and_one_by_a_sigmoid():
    weights = ["GlobalAvgPool", "Conv", "BatchNorm", "Activation", "Conv"]
    two = ["TakeChannels"] * 2 + ["Add", *weights, "SplitSoftmax"] + ["TakeChannels"] * 2 + ["Mul", "Mul", "Add"]
    assert kinds("resnest50d", "stages.1.1.conv2.")[3:] == two
    one = [*weights, "Activation", "Mul"]
    assert kinds("resnest50d_1s4x24d", "stages.1.1.conv2.")[3:] == one
    assert layers("resnest50d", "stages.1.0.conv2.") == [
        ("conv", 3, 256, 1, 1, 2), ("fc1", 1, 64, 1, 1, 1), ("fc2", 1, 256, 1, 1, 1),
    ]  # fmt: skip


def test_the_map_of_resnest_shrinks_behind_the_convolution_or_before_it():
    assert kinds("resnest50d", "stages.1.0.avd") == kinds("resnest50d_1s4x24d", "stages.1.0.avd") == ["AvgPool"]
    for name, after in (("resnest50d", True), ("resnest50d_1s4x24d", False)):
        paths = [n.path for n in network(name).nodes]
        assert (paths.index("stages.1.0.avd") > paths.index("stages.1.0.conv2.conv")) == after


def test_paths_of_a_selective_kernel_reach_further_by_dilation():
    assert layers("skresnet50", "stages.1.0.conv2.") == [
        ("paths.0.conv", 3, 128, 2, 1, 1), ("paths.1.conv", 3, 128, 2, 2, 1),
        ("attention.reduce", 1, 8, 1, 1, 1), ("attention.select", 1, 256, 1, 1, 1),
    ]  # fmt: skip
    inputs = {n.path: n.input_shapes[0][0] for n in network("skresnet50").nodes}
    assert inputs["stages.1.0.conv2.paths.0.conv"] == 64, "each path gets its share of the channels"


def test_paths_of_a_selective_kernel_each_get_all_channels_in_the_paper():
    whole = ("stages.block.split_input=false", "reference=null")
    assert inputs("skresnet50", "stages.1.1.conv2.paths.1.conv", *whole) == ["stages.1.1.act1"]
    assert inputs("skresnet50", "stages.1.1.conv2.paths.1.conv") == ["stages.1.1.conv2.split.1"]
    with pytest.raises(Refused, match=r"stages\.0\.0\.conv2: 64 channels cannot be shared by 3 paths"):
        network("skresnet50", "stages.block.kernels=[3, 5, 7]", "reference=null")


def test_a_linear_block_has_no_activation_and_no_shortcut_where_the_shape_changes():
    changed, same = (kinds("regnetz_005", f"stages.1.{i}.") for i in (0, 1))
    assert "Add" not in changed
    assert (changed[-1], same[-1]) == ("BatchNorm", "Add")
    assert kinds("regnetz_005", "head.") == [
        "Conv", "BatchNorm", "Activation", "GlobalAvgPool", "Flatten", "Linear",
    ]  # fmt: skip


def test_preactivated_regnet_carries_the_activated_input():
    nodes = {n.path: n for n in network("regnetv_040").nodes}
    assert nodes["stages.0.1.add"].inputs[1] == nodes["stages.0.1.act1"].output


def test_pyramid_blocks_end_in_a_norm_and_the_first_begins_with_the_stem_s():
    first, second = (kinds("pyramidnet110_a270", f"stages.0.{i}.") for i in (0, 1))
    unit = ["BatchNorm", "Conv", "BatchNorm", "Activation", "Conv", "BatchNorm", "PadChannels", "Add"]
    assert first == ["BatchNorm", *unit]
    assert second == unit


def test_a_branch_is_active_before_its_attention_where_that_is_asked_for():
    assert kinds("legacy_seresnet18", "stages.0.0.")[5:8] == ["Activation", "GlobalAvgPool", "Conv"]
    assert kinds("seresnet18", "stages.0.0.")[5:7] == ["GlobalAvgPool", "Conv"]


# --- stems, shortcuts, anti-aliasing -----------------------------------------

STEMS = {
    "resnet50c": ["Conv", "BatchNorm", "Activation"] * 3 + ["MaxPool"],
    "resnetrs50": ["Conv", "BatchNorm", "Activation"] * 4,
    "resnetv2_50d": ["Conv", "BatchNorm", "Activation"] * 2 + ["Conv", "MaxPool"],
    "resnetv2_50x1_bit": ["Conv", "MaxPool"],
    "legacy_seresnet50": ["Conv", "BatchNorm", "Activation", "MaxPool"],
    "resnetblur50": ["Conv", "BatchNorm", "Activation", "MaxPool", "BlurPool"],
    "resnetaa50": ["Conv", "BatchNorm", "Activation", "AvgPool"],
    "regnetx_002": ["Conv", "BatchNorm", "Activation"],
}


@pytest.mark.parametrize(("name", "wanted"), STEMS.items())
def test_a_stem_has_these_operations(name, wanted):
    assert kinds(name, "stem.") == wanted


def test_a_deep_stem_strides_once_and_may_widen():
    assert layers("resnet50c", "stem.") == [
        ("conv1", 3, 32, 2, 1, 1), ("conv2", 3, 32, 1, 1, 1), ("conv3", 3, 64, 1, 1, 1),
    ]  # fmt: skip
    assert [width for _, _, width, *_ in layers("resnet10t", "stem.")] == [24, 32, 64]


def test_a_blurred_block_is_dense_and_shrinks_behind_its_activation():
    assert layers("resnetblur18", "stages.1.0.conv") == [("1", 3, 128, 1, 1, 1), ("2", 3, 128, 1, 1, 1)]
    assert kinds("resnetblur18", "stages.1.0.")[:5] == ["Conv", "BatchNorm", "Activation", "BlurPool", "Conv"]
    assert kinds("resnetaa50", "stages.1.0.")[3:8] == ["Conv", "BatchNorm", "Activation", "AvgPool", "Conv"]
    assert "BlurPool" not in kinds("resnetblur18", "stages.0.0.")


@pytest.mark.parametrize(("part", "after", "stem"), [(Blur, ops.BlurPool(2), 2), (Average, ops.AvgPool(2, 2), 1)])
def test_smoothing_takes_the_stride_from_the_convolution(part, after, stem):
    net = Net(Value("input", (4, 8, 8)))
    smoothing = part()
    assert (smoothing.stride(2), smoothing.after(net, net.input, 1)) == (1, net.input)
    assert (
        smoothing.after(net, net.input, 2).shape == smoothing.max_pool(net.scope("stem"), net.input).shape == (4, 4, 4)
    )
    nodes = net.graph("net", []).nodes
    assert nodes[0].op == after
    assert len(nodes) == 1 + stem


def test_average_pooling_stands_before_the_projection_where_the_map_shrinks():
    assert kinds("resnet50d", "stages.0.0.shortcut") == ["Conv", "BatchNorm"]
    assert kinds("resnet50d", "stages.1.0.shortcut") == ["AvgPool", "Conv", "BatchNorm"]
    dilated = kinds("resnet50d", "stages.3.0.shortcut", "stages.output_stride=16")
    assert dilated == ["PadMap", "AvgPool", "Conv", "BatchNorm"]


def test_average_pooling_of_a_projection_takes_in_the_end_of_an_odd_map():
    pools = [n for n in network("resnet50d", "input.size=100").nodes if n.path.endswith("avg.pool")]
    assert {n.op for n in pools} == {ops.AvgPool(2, 2, ceil=True)}
    assert [(n.input_shapes[0][1], n.shape[1]) for n in pools] == [(25, 13), (13, 7), (7, 4)]
    dilated = {n.path: n for n in network("resnet50d", "stages.output_stride=16").nodes}
    assert dilated["stages.3.0.shortcut.avg.pad"].op == ops.PadMap(0, 1)
    assert dilated["stages.3.0.shortcut.avg.pool"].op == ops.AvgPool(2, 1)
    assert dilated["stages.3.0.shortcut.avg.pool"].shape == (1024, 14, 14)


def test_a_wide_projection_of_a_dilated_stage_stays_wide():
    third, last = (layers("senet154", f"stages.{s}.0.shortcut", "stages.output_stride=8") for s in (2, 3))
    assert (third, last) == ([(".conv", 3, 1024, 1, 1, 1)], [(".conv", 3, 2048, 1, 2, 1)])


def test_the_first_block_of_a_dilated_stage_has_the_dilation_of_the_one_before():
    dilated = [layers("resnet50", f"stages.{s}.{b}.conv2", "stages.output_stride=8")[0][3:5] for s, b in
               ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1))]  # fmt: skip
    assert dilated == [(2, 1), (1, 1), (1, 2), (1, 2), (1, 4)]


# --- norms and heads ---------------------------------------------------------


@pytest.mark.parametrize(("norm", "op"), [("layer", ops.GroupNorm(1)), ("{kind: group, groups: 4}", ops.GroupNorm(4))])
def test_norms_without_running_statistics(norm, op):
    norms = [n.op for n in network("resnet50", f"norm={norm}").nodes if ".norm" in n.path]
    assert set(norms) == {op}
    assert count(network("resnet50", f"norm={norm}")).buffers == 0


HEADS = {
    "alphago-zero-20": [*UNIT, "Flatten", "Linear", *UNIT, "Flatten", "Linear", "Activation", "Linear", "Activation"],
    "timm-vgg16": ["Conv", "Activation", "Conv", "Activation", "GlobalAvgPool", "Flatten", "Linear"],
    "resnetv2_50x1_bit": ["GroupNorm", "Activation", "GlobalAvgPool", "Conv", "Flatten"],
    "regnetv_040": ["Activation", "GlobalAvgPool", "Flatten", "Linear"],
}


@pytest.mark.parametrize(("name", "wanted"), HEADS.items())
def test_a_head_has_these_operations(name, wanted):
    assert kinds(name, "head.") == wanted


def test_hidden_layers_of_vgg_as_convolutions_see_a_map_of_7():
    assert layers("timm-vgg16", "head.") == [("fc1", 7, 4096, 1, 1, 1), ("fc2", 1, 4096, 1, 1, 1)]
    assert [(v.name, v.shape) for v in network("alphago-zero-20").outputs] == [("policy", (362,)), ("value", (1,))]


# --- overrides ---------------------------------------------------------------


def test_overrides_change_the_blocks_that_they_name_and_the_last_that_fits_counts():
    settings = (
        "stages.overrides={stage2-3: {attention: eca}, stage3.block2-3: {attention: se}, stage1.block2: {block: {kind: "
        "bottleneck, groups: 2}}}",
    )
    of = {
        n.block: type(n.op).__name__ for n in network("resnet50", *settings).nodes if n.path.endswith("attention.conv")
    }
    assert set(of) == {*(f"stages.1.{i}" for i in range(4)), *(f"stages.2.{i}" for i in (0, 3, 4, 5))}
    squeezed = {n.block for n in network("resnet50", *settings).nodes if n.path.endswith("attention.fc1")}
    assert squeezed == {"stages.2.1", "stages.2.2"}
    assert layers("resnet50", "stages.0.1.conv2", *settings) == [("", 3, 128, 1, 1, 2)]
