"""`count --convention`, and the counters themselves, where they are installed.

`make test-all` runs the second half, in an environment that has torch, torchvision, timm, fvcore, thop, ptflops and
torchinfo; the first half needs none of them.
"""

import json
from functools import partial

import pytest

from resnet_gen.graph.conventions import CONVENTIONS, count_by_convention
from resnet_gen.graph.torch_modules import find_library
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from tests.reference import make_counters


@pytest.fixture
def cli(cli):
    """Runs `count` in this process: exit code, stdout, stderr."""
    return partial(cli, "count")


FVCORE = """\
network   convention         figure  called   difference
resnet50  fvcore      4,111,512,576  flops   +22,328,320
                                             +22,227,968  batch norm: 2 for each element that comes in
                                                +100,352  global average pooling: 1 for each element that comes in
"""


def test_a_convention_is_a_table_of_where_the_difference_comes_from(cli):
    assert cli("resnet50", "--convention", "fvcore") == (0, FVCORE, "resnet50: modules as torchvision/resnet50\n")


def test_conventions_stand_side_by_side_in_the_order_in_which_they_are_named(cli):
    code, out, err = cli("resnet18", "vgg11", "--convention", "pycls", "--convention", "macs", "--convention", "pycls")
    named = [line.split()[:3] for line in out.splitlines()[1:] if not line.startswith(" ")]
    assert (code, err) == (0, "")
    assert named == [
        ["resnet18", "pycls", "1,814,074,344"],
        ["resnet18", "macs", "1,814,073,344"],
        ["vgg11", "pycls", "7,616,525,288"],
        ["vgg11", "macs", "7,609,090,048"],
    ]


def test_all_of_them_as_json_are_one_object_a_spec(cli):
    code, out, err = cli("resnet50", "wrn-28-10", "--convention", "all", "--format", "json")
    assert (code, out.count("\n"), err) == (0, 2, "")
    found = json.loads(out.splitlines()[0])
    figures = found.pop("figures")
    assert found == {
        "name": "resnet50",
        "reference": "torchvision/resnet50",
        "input": [3, 224, 224],
        "macs": 4_089_184_256,
        "modules": "torchvision",
    }
    assert {entry["convention"]: entry["figure"] for entry in figures} == {
        "macs": 4_089_184_256, "2xmacs": 8_178_368_512, "pycls": 4_089_185_256, "fvcore": 4_111_512_576,
        "thop": 4_133_742_592, "ptflops": 4_132_436_968, "torchinfo": 4_089_238_376, "paper": 4_089_184_256,
    }  # fmt: skip
    assert all(entry["difference"] == sum(part["difference"] for part in entry["from"]) for entry in figures)
    assert all(entry["figure"] == found["macs"] + entry["difference"] for entry in figures)
    assert figures[2] == {
        "convention": "pycls",
        "called": "flops",
        "who": "pycls, 5719de6",
        "figure": 4_089_185_256,
        "difference": 1000,
        "from": [
            {"kind": "bias of linear layer", "difference": 1000, "rule": "1 for each element that it is added to"}
        ],
    }
    assert json.loads(out.splitlines()[1])["figures"][-1] == {
        "convention": "paper",
        "figure": None,
        "reason": "no claim of 'wrn-28-10' says what a paper counts",
    }


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("wrn-28-10", "no library publishes it: counted as if written with torch.nn's modules"),
        ("ecanet50", "counted as timm writes its modules, which publishes no such network"),
        ("regnetx_002", "modules as timm/regnetx_002"),
    ],
)
def test_it_is_said_whose_modules_are_counted(cli, spec, words):
    assert cli(spec, "--convention", "thop")[2] == f"{spec}: {words}\n"


# --- what papers count ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "row"),
    [
        (["resnet50-v1"], "resnet50-v1 paper 3,857,973,248 FLOPs 0 He et al. 2015, Table 1: 3.8e9"),
        (["vgg19"], "vgg19 paper 19,632,062,464 FLOPs 0 He et al. 2015, Fig. 3; with the linear layers: 19.6e9"),
        (["vgg16"], "vgg16 paper 15,346,630,656 FLOPs -123,633,664 He et al. 2015, Sec. 3.3; without the linear "
                    "layers: 15.3e9"),
        (["resnetrs101"], "resnetrs101 paper 12,024,315,904 FLOPs +6,012,157,952 Bello et al. 2021, Table 8: 12e9"),
        (["resnetrs101", "--set", "input.size=160"],
         "resnetrs101 paper 8,363,065,344 FLOPs +4,181,532,672 Bello et al. 2021, Table 8: 8.4e9 at 160"),
    ],
)  # fmt: skip
def test_the_paper_s_convention_is_that_of_a_claim_that_is_met(cli, arguments, row):
    code, out, err = cli(*arguments, "--convention", "paper")
    assert (code, err) == (0, "")
    assert " ".join(out.splitlines()[1].split()) == row


NO_CLAIM = (
    "error: --convention paper: no claim of 'wrn-28-10' says what a paper counts\n"
    "hint: most papers' FLOPs are what --convention macs counts\n"
)
NOT_MET = (
    "{file}:{line}:{column}: error: --convention paper: '3.86G' of Wang et al. 2019, README of the code is no count of "
    "'ecanet50'\n{excerpt}\nhint: G is 2^30 there, 4.14 billion, and thop, which counted, adds the norms and the "
    "pooling\n"
)


def test_a_paper_that_says_nothing_is_refused(cli):
    assert cli("wrn-28-10", "--convention", "paper") == (2, "", NO_CLAIM)


def test_a_paper_whose_rule_is_not_known_is_refused_at_its_figure(cli):
    code, out, err = cli("ecanet50", "--convention", "paper")
    span = load("ecanet50").source.span(("claims", 2, "printed"))
    assert (code, out) == (2, "")
    place = {"file": span.document.name, "line": span.line + 1, "column": span.column + 1}
    assert err == NOT_MET.format(**place, excerpt=span.excerpt())


def test_one_spec_without_an_answer_leaves_no_half_of_a_table(cli):
    assert cli("resnet50", "wrn-28-10", "--convention", "paper") == (2, "", NO_CLAIM)


# --- the counters themselves --------------------------------------------------------

RUN = {
    "torchvision/resnet18": "resnet18",
    "torchvision/resnet34": "resnet34",
    "torchvision/resnet50": "resnet50",
    "torchvision/resnet101": "resnet101",
    "torchvision/resnet152": "resnet152",
    "torchvision/resnext50_32x4d": "resnext50_32x4d",
    "torchvision/wide_resnet50_2": "wide_resnet50_2",
    "torchvision/vgg11": "vgg11",
    "torchvision/vgg16_bn": "vgg16_bn",
    "torchvision/regnet_x_400mf": "regnet_x_400mf",
    "torchvision/regnet_y_400mf": "regnet_y_400mf",
    "timm/resnet18d": "resnet18d",
    "timm/resnet50_gn": "resnet50_gn",
    "timm/seresnet50": "seresnet50",
    "timm/legacy_seresnet18": "legacy_seresnet18",
    "timm/ecaresnet50d_pruned": "ecaresnet50d_pruned",
    "timm/resnetblur18": "resnetblur18",
    "timm/resnetaa50": "resnetaa50",
    "timm/resnetv2_18": "resnetv2_18",
    "timm/resnetv2_50x1_bit": "resnetv2_50x1_bit",
    "timm/regnety_002": "regnety_002",
    "timm/regnetz_005": "regnetz_005",
    "timm/regnetv_040": "regnetv_040",
    "timm/res2net50_14w_8s": "res2net50_14w_8s",
    "timm/resnest14d": "resnest14d",
    "timm/skresnet18": "skresnet18",
    "timm/resnetrs50": "resnetrs50",
    "timm/vgg11_bn": "timm-vgg11_bn",
}


@pytest.fixture(scope="module")
def counters():
    """The real ones; skips, in words, where one is missing."""
    for name in make_counters.TOOLS:
        words = f"{name} is not installed; what it said is in counters.json, which test_counting_rules.py holds us to"
        pytest.importorskip(name, reason=words, exc_type=ImportError)
        if name == "torch":
            make_counters.prepared()  # before torchvision is imported, which ptflops does
    pytest.importorskip("timm", reason="timm, whose networks are counted, is not installed", exc_type=ImportError)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reference", RUN)
def test_a_real_counter_prints_what_we_say(reference, counters):
    loaded = load(RUN[reference])
    assert loaded.spec.reference == reference
    graph, by = lower(loaded), find_library(loaded.spec.naming.kind, reference)
    printed = make_counters.figures(reference, loaded.spec.input.shape)
    assert {tool: count_by_convention(graph, by, CONVENTIONS[tool]).value for tool in printed} == printed
