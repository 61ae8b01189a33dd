"""Every shipped spec, against the papers, the reference networks, and counts made by others."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from resnet_gen.graph.counts import count
from resnet_gen.language.figures import PrintedFigure
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.system.resources import references_folder, shipped_specs
from tests.helpers.shipped import shipped

STORED = Path(__file__).parents[1] / "reference"

RECORDS = {
    "plain-18": ["plain18"],
    "plain-34": ["plain34"],
    "ResNet-18-A": ["resnet18-v1"],
    "ResNet-18-B": ["resnet18"],
    "ResNet-18-C": ["resnet18-c"],
    "ResNet-34-A": ["resnet34-v1", "resnet34-a"],
    "ResNet-34-B": ["resnet34", "resnet34-b"],
    "ResNet-34-C": ["resnet34-c"],
    "ResNet-50": ["resnet50-v1", "resnet50"],
    "ResNet-101": ["resnet101-v1", "resnet101"],
    "ResNet-152": ["resnet152-v1", "resnet152"],
    **{f"ResNet-{n} (CIFAR-10)": [f"cifar-resnet{n}"] for n in (20, 32, 44, 56, 110, 1202)},
    **{f"plain-{n} (CIFAR-10)": [f"cifar-plain{n}"] for n in (20, 32, 44, 56, 110)},
    "VGG-A (11 weight layers)": ["vgg11", "vgg11_bn"],
    "VGG-B (13 weight layers)": ["vgg13", "vgg13_bn"],
    "VGG-C (16 weight layers)": ["vgg16-c"],
    "VGG-D (16 weight layers)": ["vgg16", "vgg16_bn"],
    "VGG-E (19 weight layers)": ["vgg19", "vgg19_bn"],
    "VGG-16 (as cited)": ["vgg16"],
    "VGG-19 (as cited)": ["vgg19"],
    "VGG-16 / SE-VGG-16 (BN)": ["vgg16_bn"],
    "ResNet-110 (cited in 1603.05027)": ["cifar-resnet110", "preact110"],
    "pre-act ResNet-164": ["preact164"],
    "pre-act ResNet-1001": ["preact1001"],
    "ResNet-152 pre-act": ["resnetv2_152"],
    "ResNet-200": ["resnetv2_200"],
    "Highway A (Fitnet A)": ["highway-a"],
    "Highway B (Fitnet B)": ["highway-b"],
    "Highway C": ["highway-c"],
    **{f"WRN-16-{k}": [f"wrn-16-{k}"] for k in (4, 8, 10)},
    **{f"WRN-22-{k}": [f"wrn-22-{k}"] for k in (8, 10)},
    **{f"WRN-28-{k}": [f"wrn-28-{k}"] for k in (10, 12)},
    **{f"WRN-40-{k}": [f"wrn-40-{k}"] for k in (1, 2, 4, 8, 10)},
    "WRN-18-1 (ImageNet)": ["resnet18"],
    "WRN-18-1.5 (ImageNet)": ["wrn-18-1_5"],
    "WRN-18-2 (ImageNet)": ["wrn-18-2"],
    "WRN-18-3 (ImageNet)": ["wrn-18-3"],
    "WRN-34-1 (ImageNet)": ["resnet34"],
    "WRN-34-1.5 (ImageNet)": ["wrn-34-1_5"],
    "WRN-34-2 (ImageNet)": ["wrn-34-2"],
    "ResNet-50 (WRN Table 8)": ["resnet50"],
    "ResNet-101 (WRN Table 8)": ["resnet101"],
    "ResNet-152 (WRN Table 8)": ["resnet152"],
    "WRN-50-2-bottleneck (WRN Table 8)": ["wide_resnet50_2"],
    "pre-ResNet-200 (WRN Table 8)": ["resnetv2_200"],
    "ResNet-1202 / stoc-depth-1202 (WRN Table 5 row)": ["cifar-resnet1202"],
    "ResNet-50 (ResNeXt Table 1)": ["resnet50"],
    "ResNet-101 (ResNeXt Table 3)": ["resnet101"],
    "ResNeXt-50 (32x4d)": ["resnext50_32x4d"],
    "ResNeXt-50 (2x40d)": ["resnext50_2x40d"],
    "ResNeXt-50 (4x24d)": ["resnext50_4x24d"],
    "ResNeXt-50 (8x14d)": ["resnext50_8x14d"],
    "ResNeXt-101 (32x4d)": ["resnext101_32x4d"],
    "ResNeXt-101 (64x4d)": ["resnext101_64x4d"],
    "ResNeXt-29, 8x64d": ["cifar-resnext29_8x64d"],
    "ResNeXt-29, 16x64d": ["cifar-resnext29_16x64d"],
    **{f"ResNet-{n} (SENet Table 2)": [f"resnet{n}-v1"] for n in (50, 101, 152)},
    **{f"SE-ResNet-{n}": [f"legacy_seresnet{n}"] for n in (50, 101, 152)},
    "ResNeXt-50 / SE-ResNeXt-50": ["resnext50_32x4d", "legacy_seresnext50_32x4d"],
    "ResNeXt-101 / SE-ResNeXt-101": ["resnext101_32x4d", "legacy_seresnext101_32x4d"],
    "ResNet-50 (baseline)": ["resnet50-v1"],
    "ResNet-50-B": ["resnet50"],
    "ResNet-50-C": ["resnet50c"],
    "ResNet-50-D": ["resnet50d"],
    "ResNet-RS-50 @160": ["resnetrs50"],
    **{f"ResNet-RS-101 @{side}": ["resnetrs101"] for side in (160, 192)},
    **{f"ResNet-RS-152 @{side}": ["resnetrs152"] for side in (192, 224, 256)},
    "ResNet-RS-200 @256": ["resnetrs200"],
    "ResNet-RS-270 @256": ["resnetrs270"],
    **{f"ResNet-RS-350 @{side}": ["resnetrs350"] for side in (256, 320)},
    "ResNet-RS-420 @320": ["resnetrs420"],
    **{f"RegNet{kind}-{mf}MF": [f"regnet{kind.lower()}_00{mf // 100}"] for kind in "XY" for mf in (200, 400, 600, 800)},
    **{
        f"RegNet{kind}-{gf}GF": [f"regnet{kind.lower()}_{float(gf) * 10:03.0f}"]
        for kind in "XY"
        for gf in ("1.6", "3.2", "4.0", "6.4", "8.0", "12", "16", "32")
    },
    **{f"ResNet-{n} (RegNet Table 3)": [f"resnet{n}"] for n in (50, 101, 152)},
    **{f"ResNeXt-{n} (RegNet Table 3)": [f"resnext{n}_32x4d"] for n in (50, 101, 152)},
    **{f"BiT R{size}": [f"resnetv2_{size}_bit"] for size in ("50x1", "101x1", "50x3", "101x3", "152x2", "152x4")},
    "ResNeSt-50": ["resnest50d"],
    **{f"ResNeSt-{n}": [f"resnest{n}e"] for n in (101, 200, 269)},
    **{
        f"ResNeSt-50-fast {form}": [f"resnest50d_{form}"]
        for form in ("1s1x64d", "2s1x64d", "4s1x64d", "1s2x40d", "2s2x40d", "4s2x40d", "1s4x24d")
    },
    "SKNet-50": ["sknet50"],
    "SKNet-101": ["sknet101"],
    **{f"SENet-{n} (SKNet Table 2)": [f"legacy_seresnext{n}_32x4d"] for n in (50, 101)},
    **{f"ResNeXt-{n} (SKNet Table 2)": [f"resnext{n}_32x4d"] for n in (50, 101)},
    "ResNeXt-50+CBAM (SKNet Table 2)": ["cbam-resnext50_32x4d"],
    **{f"Res2Net-50-{w}w-{s}s": [f"res2net50_{w}w_{s}s"] for w, s in ((48, 2), (26, 4), (14, 8), (26, 6), (26, 8))},
    "Res2Net-101-26w-4s": ["res2net101_26w_4s"],
    "Res2NeXt-50": ["res2next50"],
    **{f"ECA-Net{n}": [f"ecanet{n}"] for n in (50, 101, 152)},
    "ResNet50 (CBAM)": ["resnet50-v1"],
    "ResNet50 + SE (CBAM)": ["legacy_seresnet50"],
    "ResNet50 + CBAM (CBAM)": ["cbam-resnet50"],
    "Stochastic-depth ResNet-110": ["cifar-resnet110"],
    "Stochastic-depth ResNet-1202": ["cifar-resnet1202"],
    "Stochastic-depth ResNet-152 (ImageNet)": ["resnet152-v1"],
    "AlphaGo Zero 20-block": ["alphago-zero-20"],
    "AlphaGo Zero 40-block": ["alphago-zero-40"],
    "Leela Zero": ["leela-zero"],
}
"""The specs that state each record; where it has two networks, each network's in turn."""

GLOBAL_POOLING = "its blocks of global pooling, and features of the whole board beside the map, are no parts"
NOT_STATED = {
    "VGG-A-LRN": "local response normalization is no operation of this language; without it, it is VGG-A",
    "Highway (1505.00387 Table 1 rows)": "the rows were never seen, and the paper that extends this one has them again",
    "Res2Net-DLA-60": "deep layer aggregation joins stages in a tree, and stages here follow each other",
    "Res2NeXt-DLA-60": "deep layer aggregation joins stages in a tree, and stages here follow each other",
    **dict.fromkeys(("KataGo b6c96", "KataGo b10c128", "KataGo b15c192", "KataGo b20c256"), GLOBAL_POOLING),
}
HALF_STATED = {"VGG-16 / SE-VGG-16 (BN)": "VGG's layers have no branch, and attention weighs branches"}

AUTHORS = {
    "1409.1556": "Simonyan and Zisserman 2014",
    "1507.06228": "Srivastava et al. 2015",
    "1512.03385": "He et al. 2015",
    "1603.05027": "He et al. 2016",
    "1603.09382": "Huang et al. 2016",
    "1605.07146": "Zagoruyko and Komodakis 2016",
    "1611.05431": "Xie et al. 2016",
    "1709.01507": "Hu et al. 2017",
    "1807.06521": "Woo et al. 2018",
    "1812.01187": "He et al. 2018",
    "1903.06586": "Li et al. 2019",
    "1904.01169": "Gao et al. 2019",
    "1910.03151": "Wang et al. 2019",
    "1912.11370": "Kolesnikov et al. 2019",
    "2003.13678": "Radosavovic et al. 2020",
    "2004.08955": "Zhang et al. 2020",
    "2103.07579": "Bello et al. 2021",
    "Nature 550:354 (2017)": "Silver et al. 2017",
}
WITHOUT_RECORD = ("torchvision", "Han et al. 2016")
"""Sources of claims that no record holds: torchvision's figures are in `specs/references` too."""

DEPTHS = {
    r"WRN-\d+-\d+": (2, "counts three projections and not the linear layer"),
    r"ResNet-50-[CD]|ResNeSt-.*": (-2, "counts the stem's three convolutions as one"),
    r"ResNet-RS-270 .*": (-5, "as those below; its name has two layers less than its 90 blocks"),
    r"ResNet-RS-420 .*": (-2, "as those below; its name has one layer more than its 139 blocks"),
    r"ResNet-RS-.*": (-3, "counts the stem's three convolutions as one, and none for the pooling's place"),
    r"AlphaGo Zero .*": (-3, "counts the tower alone; the value head has three layers"),
}
"""Records whose depth is not the ResNet paper's: how many layers more they count, and why."""

COMPUTED_FOR_SECOND = {name for name in RECORDS if " / SE-ResNeXt-" in name}
WITH_NORM = {"vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"}
"""The papers' networks had none: batch norm adds two parameters a channel and no MACs."""
STRIDE_ON_3X3 = {("ResNet-50", "resnet50"), ("ResNet-101", "resnet101"), ("ResNet-152", "resnet152")}
"""v1.5, which has the parameters of the paper's network and more MACs."""

PAIRS = [pytest.param(record, spec, id=f"{record}-{spec}") for record, specs in RECORDS.items() for spec in specs]


@cache
def spec_of(name):
    return shipped(name).spec


@cache
def graph(name, size=None):
    return lower(shipped(name) if size is None else load(name, [f"input.size={size}"]))


@cache
def counts(name, size=None):
    return count(graph(name, size)).as_dict()


@cache
def facts():
    return {record["name"]: record for record in json.loads((STORED / "paper_facts.json").read_text(encoding="utf-8"))}


def claims():
    return [(name, claim) for name in shipped_specs() for claim in spec_of(name).claims]


def described(name, claim):
    return f"{name}-{claim.what}-{claim.value or claim.printed}" + (f"-{claim.size}" if claim.size else "")


def side(record):
    """The side of the image that a record is about: `224`, `224 train / 320 test`, `19x19x17`."""
    return int(re.match(r"\d+", str(record["input"])).group())


def own_side(name):
    height, width = spec_of(name).input.size
    assert height == width
    return height


def sized(what, size):
    """The image's side, for the counts that depend on it."""
    return None if what in ("params", "buffers", "layers") else size


EXPONENTS = {"billion": 9, "B": 9, "G": 9, "million": 6, "millions": 6, "M": 6, "K": 3}


def in_our_notation(text, bare=None):
    """Value and unit of a figure as a record has it: `~4.1 billion`, `133 (millions)`, `4.24`."""
    text = re.sub(r"~|\u00d710\^|\(text\)|\(README\)", " ", text.strip()).strip()
    digits, unit = re.fullmatch(r"([\d.]+) *\(?(\w+)?\)?", text).groups()
    return PrintedFigure.parse(f"{digits}e{EXPONENTS.get(unit, unit or bare)}")[1:]


def work_of(record):
    """The count that a record calls FLOPs."""
    if record["name"] == "VGG-16 (as cited)":
        return "conv_macs"
    return "flops" if "separately" in (record["flops_convention"] or "") else "macs"


def figures(record):
    """What a record prints: which of its networks has it (None if it has one), the count, the figure, the side."""
    kinds = {"params_printed": "params", "acts_printed": "activations", "flops_printed": work_of(record)}
    for key, what in kinds.items():
        each = (record.get(key) or "").split(" / ")
        for network, texts in enumerate(each):
            for text in filter(None, texts.split(", ")):
                figure = in_our_notation(text, bare=9 if key == "flops_printed" else None)
                yield network if len(each) > 1 else None, what, figure, sized(what, side(record))


def timm_figures(record):
    """What timm's results say of a record's network, likewise."""
    theirs = record.get("timm", {})
    for key, what, exponent in (("params_m", "params", 6), ("gmacs", "macs", 9), ("macts", "activations", 6)):
        if key in theirs:
            yield (
                what,
                PrintedFigure.parse(f"{theirs[key]}e{exponent}")[1:],
                sized(what, theirs.get("size", side(record))),
            )


def stated(names, source):
    """The printed figures that specs claim after a source: count, figure and side."""
    return {
        (claim.what, PrintedFigure.parse(claim.printed)[1:], sized(claim.what, claim.size or own_side(name)))
        for name in names
        for claim in spec_of(name).claims
        if claim.printed and claim.source.startswith(source)
    }


def test_every_record_is_stated_or_it_is_said_why_not():
    assert sorted([*RECORDS, *NOT_STATED]) == sorted(facts())
    assert {name for specs in RECORDS.values() for name in specs} <= set(shipped_specs())
    assert set(HALF_STATED) <= set(RECORDS)


def test_every_shipped_spec_is_held_against_others_figures():
    recorded = {name for specs in RECORDS.values() for name in specs}
    alone = {name for name in shipped_specs() if name not in recorded and not spec_of(name).reference}
    assert alone == {"pyramidnet110_a48", "pyramidnet110_a84", "pyramidnet110_a270", "resnet8-digits"}
    assert all(spec_of(name).claims for name in alone)


@pytest.mark.parametrize("name", shipped_specs())
def test_a_shipped_spec_lowers_under_the_name_of_its_file(name):
    spec = spec_of(name)
    assert graph(name).name == spec.name == name
    assert spec.title
    assert spec.paper
    assert len(graph(name).outputs) == (2 if spec.head.kind == "policy_value" else 1)


@pytest.mark.parametrize(("name", "claim"), [pytest.param(*c, id=described(*c)) for c in claims()])
def test_a_claim_is_met_or_its_exception_is_exact_and_needed(name, claim):
    exact = counts(name, claim.size)[claim.what]
    if claim.value is not None:
        assert exact == claim.value
    elif claim.exception is None:
        assert PrintedFigure.parse(claim.printed).admits(exact)
    else:
        assert exact == claim.exception.value
        assert not PrintedFigure.parse(claim.printed).admits(exact)


@pytest.mark.parametrize("name", [name for name in shipped_specs() if spec_of(name).reference])
def test_a_spec_has_the_parameters_of_its_reference_in_name_shape_order_and_count(name):
    spec = spec_of(name)
    reference = json.loads((references_folder() / f"{spec.reference}.json").read_text(encoding="utf-8"))
    state = graph(name).state()
    ours = [(weight, list(state[weight].shape)) for weight in spec.naming.registered(list(state))]
    assert ours == list(reference["state"].items())
    assert (counts(name)["params"], counts(name)["macs"]) == (reference["params"], reference["macs"])
    assert spec.input.size == (reference["input"],) * 2


def test_every_reference_is_met_by_a_spec():
    held = {f"{path.parent.name}/{path.stem}" for path in references_folder().glob("*/*.json")}
    assert held == {spec_of(name).reference for name in shipped_specs()} - {None}


def depth_of(record, layers):
    """The depth that a record's source would give a network of so many layers."""
    if record["name"].startswith("RegNet"):  # its d counts blocks, of three layers each
        return (layers - 2) / 3
    more = next((more for pattern, (more, _) in DEPTHS.items() if re.fullmatch(pattern, record["name"])), 0)
    return layers + more


@pytest.mark.parametrize(("record", "name"), PAIRS)
def test_a_network_has_the_depth_of_its_record(record, name):
    record = facts()[record]
    if record["depth"] is not None:
        assert depth_of(record, counts(name)["layers"]) == record["depth"]


@pytest.mark.parametrize(("record", "name"), PAIRS)
def test_a_network_stands_at_the_input_of_its_record(record, name):
    """Or, where it has another, states what depends on it at the record's."""
    record = facts()[record]
    sides = {own_side(name), *(claim.size for claim in spec_of(name).claims)}
    assert side(record) in sides or record["flops_printed"] is None
    channels = re.fullmatch(r"\d+x\d+x(\d+)", str(record["input"]))
    assert spec_of(name).input.channels == (int(channels.group(1)) if channels else 3)


def norm_params(name):
    return sum(
        t.shape[0] for node in graph(name).nodes if type(node.op).__name__ == "BatchNorm" for t in node.tensors[:2]
    )


def counted(key):
    """The specs of records that others counted, with the record."""
    for record, names in RECORDS.items():
        for name in names[1:] if record in COMPUTED_FOR_SECOND else names:
            if key in facts()[record]:
                yield pytest.param(record, name, id=f"{record}-{name}")


@pytest.mark.parametrize(("record", "name"), list(counted("computed_params")))
def test_parameters_are_those_that_others_counted(record, name):
    theirs = facts()[record]["computed_params"]
    assert counts(name)["params"] == theirs + (norm_params(name) if name in WITH_NORM else 0)


@pytest.mark.parametrize(("record", "name"), list(counted("computed_macs")))
def test_macs_are_those_that_others_counted(record, name):
    theirs = "computed_macs_v1_5" if (record, name) in STRIDE_ON_3X3 else "computed_macs"
    assert counts(name, side(facts()[record]))["macs"] == facts()[record][theirs]


@pytest.mark.parametrize(("record", "name"), list(counted("computed_macs_conv_only")))
def test_macs_of_convolutions_are_those_that_others_counted(record, name):
    assert counts(name)["conv_macs"] == facts()[record]["computed_macs_conv_only"]


@pytest.mark.parametrize(("record", "name"), list(counted("conv_layers_incl_projection")))
def test_convolutions_are_as_many_as_others_counted(record, name):
    found = sum(type(node.op).__name__ == "Conv" for node in graph(name).nodes)
    assert found == facts()[record]["conv_layers_incl_projection"]


def test_leela_zero_has_the_parameters_that_others_counted():
    assert counts("leela-zero")["params"] == facts()["Leela Zero"]["computed_40x256_params"]


def test_every_count_that_pycls_commits_is_claimed_and_met():
    exact = ("params", "macs_and_biases", "activations_and_pools")
    by_pycls = {}
    for name, claim in claims():
        if claim.source.startswith("pycls"):
            by_pycls.setdefault(name, {})[claim.what] = claim.value
    nets = json.loads((STORED / "pycls_complexity.json").read_text(encoding="utf-8"))["nets"]
    theirs = {(net["params"], net["flops"], net["acts"]) for net in nets}
    assert theirs <= {tuple(found[what] for what in exact) for found in by_pycls.values()}
    assert {what for found in by_pycls.values() for what in found} == set(exact)


@pytest.mark.parametrize("record", RECORDS)
def test_what_a_record_prints_is_claimed_as_printed(record):
    """Each of its figures by one of its specs, or by that of its network."""
    names = RECORDS[record]
    for network, what, figure, size in figures(facts()[record]):
        if network is not None and network >= len(names):
            assert record in HALF_STATED
            continue
        source = AUTHORS[facts()[record]["arxiv"]]
        assert (what, figure, size) in stated(names if network is None else names[network : network + 1], source)


@pytest.mark.parametrize("record", [name for name in RECORDS if "timm" in facts()[name]])
def test_what_timm_says_of_a_record_is_claimed_as_printed(record):
    assert set(timm_figures(facts()[record])) == stated(RECORDS[record], "timm")


def by_others(what):
    """The claims of figures whose source has records, with the spec."""
    for name, claim in claims():
        given = claim.what == "layers" if what == "layers" else claim.printed is not None and claim.what != "layers"
        if given and not claim.source.startswith((*WITHOUT_RECORD, "timm")):
            yield pytest.param(name, claim, id=described(name, claim) + "-" + claim.source[:4])


def records_of(name, source):
    """The records of a spec that come from a source."""
    found = [facts()[record] for record, names in RECORDS.items() if name in names]
    return [record for record in found if source.startswith(AUTHORS[record["arxiv"]])]


@pytest.mark.parametrize(("name", "claim"), list(by_others("figures")))
def test_a_printed_claim_is_what_its_source_prints(name, claim):
    printed = {found[1:] for record in records_of(name, claim.source) for found in figures(record)}
    size = sized(claim.what, claim.size or own_side(name))
    assert (claim.what, PrintedFigure.parse(claim.printed)[1:], size) in printed


@pytest.mark.parametrize(("name", "claim"), list(by_others("layers")))
def test_a_claimed_depth_is_what_its_source_prints(name, claim):
    assert any(depth_of(record, claim.value) == record["depth"] for record in records_of(name, claim.source))
