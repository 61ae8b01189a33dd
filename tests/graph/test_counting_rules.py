"""What other counters count: by hand, against what they print themselves, and against what pycls commits."""

import json
from functools import cache, lru_cache
from inspect import isclass

import pytest

from resnet_gen import ops
from resnet_gen.graph import Net, Value
from resnet_gen.graph.conventions import (
    CONVENTIONS,
    Convention,
    CountingRule,
    FigurePart,
    convention_of_count,
    count_by_convention,
    describe_kind,
)
from resnet_gen.graph.counts import count
from resnet_gen.graph.torch_modules import ACTIVATIONS, CALLS, find_library, torch_call_names
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    BlurPool,
    ChannelConv,
    Conv,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Linear,
    MaxPool,
    Mul,
    Op,
    Softmax,
    SplitSoftmax,
)
from resnet_gen.ops.counters import CONVENTION_NAMES
from resnet_gen.system.resources import shipped_specs
from tests.helpers.shipped import shipped
from tests.helpers.varied import VARIED
from tests.reference.make_counters import DILATED, TABLE
from tests.reference.make_outputs import VARIANTS

TOOLS = ("2xmacs", "fvcore", "thop", "ptflops", "torchinfo")
COUNTERS = json.loads(TABLE.read_text(encoding="utf-8"))
PYCLS = json.loads((TABLE.parent / "pycls_complexity.json").read_text(encoding="utf-8"))["nets"]
NAIVE = find_library("paths")


def of(name, *settings):
    loaded = load(name, settings)
    return lower(loaded), find_library(loaded.spec.naming.kind, loaded.spec.reference)


def small():
    """A convolution with bias (2 -> 4, maps of 8), norm, ReLU, max pooling to 4, mean, a layer of 5, softmax."""
    net = Net(Value("input", (2, 8, 8)))
    y = net.add("norm", BatchNorm(), net.add("conv", Conv(4, 3, 1, 1, bias=True), net.input))
    y = net.add("pool", MaxPool(2, 2), net.add("act", Activation("relu"), y))
    y = net.add("flatten", Flatten(), net.add("mean", GlobalAvgPool(), net.add("add", Add(), y, y)))
    return net.graph("small", [net.add("softmax", Softmax(), net.add("fc", Linear(5), y))])


@pytest.mark.parametrize(
    ("convention", "wanted"),
    [
        ("macs", 64 * 72 + 20),
        ("2xmacs", 2 * (64 * 72 + 20)),
        ("pycls", 64 * 72 + 256 + 20 + 5),
        ("fvcore", 64 * 72 + 2 * 256 + 64 + 20),
        ("thop", 64 * 72 + 4 * 256 + (64 + 4) + 20 + (3 * 5 - 1)),
        ("ptflops", 64 * 72 + 256 + 2 * 256 + 2 * 256 + 2 * 256 + 2 * 64 + 20 + 5 + 5),
        ("torchinfo", 64 * 72 + 256 + 8 + 20 + 5),
    ],
)
def test_a_small_network_counted_by_hand(convention, wanted):
    assert count_by_convention(small(), NAIVE, CONVENTIONS[convention]).value == wanted


def test_the_difference_is_told_by_kind_and_rule():
    found = count_by_convention(small(), NAIVE, CONVENTIONS["thop"])
    assert found.parts == (
        FigurePart("batch norm", 1024, "4 for each element that comes in"),
        FigurePart("global average pooling", 64, "1 for each element that comes in"),
        FigurePart("global average pooling", 4, "1 for each element that comes out"),
        FigurePart("softmax", 15, "3 for each element that comes in"),
        FigurePart("softmax", -1, "-1 for each"),
    )
    assert found.difference == sum(part.difference for part in found.parts) == 1106
    assert found.value == count(small()).macs + 1106


def newer():
    """What the first networks had none of, and what stands at the edge of the rules."""
    net = Net(Value("input", (4, 8, 8)))
    y = net.add("conv", Conv(8, 1, standardize=1e-6), net.input)
    y = net.add("max", MaxPool(3, 2, 1, zeros=True), net.add("norm", GroupNorm(2), y))
    y = net.add("blur", BlurPool(2), net.add("gelu", Activation("gelu"), y))
    gate = net.scope("attention", role="attention").add("along", ChannelConv(3), net.add("mean", GlobalAvgPool(), y))
    y = net.add("mul", Mul(), y, net.add("splits", SplitSoftmax(2), gate))
    return net.graph("newer", [net.add("avg", AvgPool(2, 2), y)])


@pytest.mark.parametrize(
    ("naming", "convention", "wanted"),
    [
        ("paths", "macs", 64 * 32 + 288 + 24),
        ("paths", "fvcore", 64 * 32 + 4 * 32 + 5 * 512 + 288 + 32 + 24),
        ("paths", "thop", 24 + 32 + 8 + 8),
        ("paths", "ptflops", 2 * 512 + 2 * 800 + 2 * 128 + 2 * 32 + 24 + 8 + 2 * 32),
        ("timm_resnet", "ptflops", 2 * 800 + 128 + 2 * 32 + 24 + 8 + 2 * 32),
        ("timm_resnetv2", "torchinfo", 64 * 32 + 24),
        ("timm_resnet", "torchinfo", 64 * 32 + 16 + 24),
    ],
)
def test_newer_operations_counted_by_hand(naming, convention, wanted):
    """Maps of 8 with 8 channels, 4 behind max pooling (whose padded input is of 10), 2 behind the blur."""
    assert count_by_convention(newer(), find_library(naming), CONVENTIONS[convention]).value == wanted


def test_what_a_tool_leaves_out_is_told():
    parts = count_by_convention(newer(), NAIVE, CONVENTIONS["thop"]).parts
    assert parts[0] == FigurePart("convolution", -64 * 32, "it leaves out timm.StdConv2d")
    assert FigurePart("blur", -288, "it leaves out F.conv2d") in parts


def test_every_operation_has_a_call_or_is_arithmetic_or_moves_elements_alone():
    every = {op for op in vars(ops).values() if isclass(op) and issubclass(op, Op) and op is not Op}
    without = {op.__name__ for op in every - CALLS.keys() - {Activation}}
    assert without == {
        "Add", "AsMap", "Cast", "ChannelMax", "ChannelMean", "Concat", "Dequantize", "Flatten", "Mul", "OneMinus",
        "PadChannels", "PadMap", "Quantize", "Subsample", "SumPositions", "TakeChannels",
    }  # fmt: skip
    assert set(ACTIVATIONS) == set(ops.Function.__args__)


def test_every_rule_is_of_a_call_that_some_library_makes():
    of_timm = {"timm.AvgPool2dSame", "timm.BatchNormAct2d", "timm.GELU", "timm.GroupNorm", "timm.GroupNormAct"}
    known = {*CALLS.values(), *ACTIVATIONS.values(), *of_timm, "timm.StdConv2d", "timm.Linear"}
    assert {call for each in CONVENTIONS.values() for call in each.rules} <= known


def test_the_command_line_knows_every_convention():
    assert (*CONVENTIONS, "paper") == CONVENTION_NAMES


# --- against others ---------------------------------------------------------------


@lru_cache
@cache
def published():
    return {loaded.spec.reference: loaded.spec.name for loaded in map(load, shipped_specs()) if loaded.spec.reference}


def wrong(entry, graph, by):
    """The tools whose figure is another than ours in their convention, and both."""
    ours = {tool: count_by_convention(graph, by, CONVENTIONS[tool]).value for tool in TOOLS}
    return {tool: (entry[tool], ours[tool]) for tool in TOOLS if ours[tool] != entry[tool]}


@pytest.mark.parametrize("names", [VARIED, pytest.param(tuple(shipped_specs()), marks=pytest.mark.long)], ids=len)
def test_what_the_counters_print_for_published_networks_is_met_to_the_unit(names):
    networks = COUNTERS["networks"]
    assert networks.keys() == published().keys()
    differing = {}
    for reference, entry in networks.items():
        if published()[reference] not in names:
            continue
        graph, by = of(published()[reference], f"input.size={entry['side']}")
        differing[reference] = wrong(entry, graph, by)
    assert {reference: tools for reference, tools in differing.items() if tools} == {}


@pytest.mark.parametrize("variant", {**VARIANTS, **DILATED})
def test_what_the_counters_print_for_variants_that_timm_builds_is_met(variant):
    (_, _, shape), (name, *settings) = {**VARIANTS, **DILATED}[variant]
    graph, by = of(name, f"input.size=[{shape[1]}, {shape[2]}]", *settings)
    assert wrong(COUNTERS["variants"][variant], graph, by) == {}


def test_the_table_is_of_the_versions_whose_code_was_read():
    read = dict(each.who.split(" ") for each in CONVENTIONS.values() if each.name in ("fvcore", "thop", "torchinfo"))
    read["ptflops"] = CONVENTIONS["ptflops"].who.split()[1]
    assert read.items() <= COUNTERS["versions"].items()
    assert COUNTERS["versions"]["torch"].startswith(CONVENTIONS["2xmacs"].who.split()[1] + ".")


@pytest.mark.parametrize("theirs", PYCLS, ids=lambda net: net["name"])
def test_pycls_flops_are_met(theirs):
    def claimed(loaded):
        of_pycls = {c.what: c.value for c in loaded.spec.claims if c.source.startswith("pycls")}
        return of_pycls.get("macs_and_biases"), of_pycls.get("params")

    (name,) = (n for n, loaded in loaded_specs().items() if claimed(loaded) == (theirs["flops"], theirs["params"]))
    assert count_by_convention(*of(name), CONVENTIONS["pycls"]).value == theirs["flops"]


@lru_cache
def loaded_specs():
    return {name: shipped(name) for name in shipped_specs()}


EVERY_KIND = (
    "resnet50", "vgg16", "timm-vgg11_bn", "resnetblur50", "resnetv2_50x1_bit", "ecaresnet50d_pruned", "regnetv_040",
    "regnet_y_400mf", "cbam-resnet50", "resnest14d", "skresnet18", "legacy_seresnet18", "highway-b", "alphago-zero-20",
)  # fmt: skip


@pytest.mark.parametrize("name", EVERY_KIND)
def test_macs_are_those_that_are_counted_everywhere_else(name):
    graph, by = of(name)
    counted = count(graph)
    assert count_by_convention(graph, by, CONVENTIONS["macs"])[1:] == (counted.macs, 0, ())
    assert count_by_convention(graph, by, convention_of_count("flops", "x")).value == counted.flops
    assert count_by_convention(graph, by, convention_of_count("conv_macs", "x")).value == counted.conv_macs
    assert count_by_convention(graph, by, CONVENTIONS["pycls"]).value == counted.macs_and_biases


def test_a_wrong_rule_is_noticed():
    graph, by = of("resnet18")
    entry = COUNTERS["networks"]["torchvision/resnet18"]
    rules = {**CONVENTIONS["fvcore"].rules, "BatchNorm2d": CountingRule(entering=1)}
    assert count_by_convention(graph, by, Convention("fvcore", "flops", "", rules)).value != entry["fvcore"]
    assert torch_call_names(graph, by)[:4] == ("Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d")
    assert describe_kind(graph.nodes[2].op) == "relu"
